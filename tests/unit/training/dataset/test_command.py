import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.dataset.made import folders, photo
from tests.unit.training.dataset.server import serving
from training.cli import main
from training.dataset.steps import CHECK_JSON, CHECK_PAGE
from twinlens.dataset import manifest


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """What a command prints as JSON."""
    assert main(["data", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_from_a_folder_to_a_data_set_that_can_be_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = folders(tmp_path / "source", {"hat": 12, "cap": 12})
    (source / "hat" / "again.jpg").write_bytes(photo(0, "JPEG", quality=90))
    (source / "hat" / "small.png").write_bytes(photo(90, edge=16))
    (source / "hat" / "broken.png").write_bytes(photo(91)[:100])
    data = tmp_path / "data"
    assert run(capsys, "import", data, source, "--licence", "cc0")["new"] == 26
    assert run(capsys, "verify", data, "--dry-run")["moved"] == 0
    verified = run(capsys, "verify", data)
    assert [finding["reason"] for finding in verified["findings"]] == ["tiny"]
    assert run(capsys, "dedupe", data, "--dry-run")["moved"] == 0
    assert run(capsys, "dedupe", data)["moved"] == 1
    split = run(capsys, "split", data)
    assert split["counts"] == {"train": 20, "validation": 2, "test": 2}
    checked = run(capsys, "check", data, "--no-labels", "--out", tmp_path / "report")
    assert checked["warnings"] == ["few_held_out"]
    assert checked["digest"] == split["digest"] == manifest.digest(manifest.require(data))
    assert json.loads((tmp_path / "report" / CHECK_JSON).read_bytes())["photos"] == 24
    assert (tmp_path / "report" / CHECK_PAGE).is_file()
    restored = run(capsys, "restore", data, "--reason", "tiny")
    assert len(restored["restored"]) == 1 and len(restored["quarantine"]) == 1
    assert len(manifest.require(data)) == 25


def test_people_are_told_in_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = folders(tmp_path / "data", {"hat": 3, "cap": 3})
    (data / "cap" / "again.png").write_bytes((data / "hat" / "0.png").read_bytes())
    for step in (["import"], ["verify"], ["dedupe"], ["split"], ["restore"]):
        assert main(["data", step[0], str(data)]) == 0
    assert main(["data", "check", str(data), "--no-labels", "--strict", "--out", str(tmp_path / "report")]) == 2
    captured = capsys.readouterr()
    assert "conflict: hat/0.png: the same bytes as cap/again.png" in captured.out
    assert "7 new" in captured.out
    assert "error [unfit_data]" in captured.err


def test_collecting_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(lambda asked, _: (200, {}, photo(int(asked.path[1:])))) as server:
        table = tmp_path / "t.csv"
        table.write_text("url,label\n" + "".join(f"{server.url}/{n},hat\n" for n in range(3)), encoding="utf-8")
        options = ("--urls", table, "--contact", "mailto:me@example.org", "--per-second", "100")
        assert run(capsys, "collect", tmp_path / "data", *options)["saved"] == 3
        assert "mailto:me@example.org" in server.asked[0].headers["user-agent"]
        assert run(capsys, "collect", tmp_path / "data", *options)["before"] == 3
        empty = b'{"result_count": 0, "page_count": 0, "results": []}'
    with serving(lambda *_: (200, {}, empty)) as server:
        found = run(
            capsys, "collect", tmp_path / "data", "--search", "openverse", "--label", "hat", "--source-url", server.url
        )
        assert found["saved"] == 0
        assert server.asked[0].query["q"] == "hat"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["collect", "data"], "invalid_arguments"),
        (["collect", "data", "--urls", "none.csv"], "invalid_data"),
        (["collect", "data", "--urls", "none.csv", "--contact", "é"], "invalid_arguments"),
        (["collect", "data", "--urls", "none.csv", "--contact", "a\nb"], "invalid_arguments"),
        (["restore", "none"], "invalid_data"),
        (["collect", "data", "--search", "openverse"], "invalid_arguments"),
        (["collect", "data", "--search", "openverse", "--label", "a/b"], "invalid_arguments"),
        (["import", "none"], "invalid_data"),
        (["import", "data", "torchvision:None"], "invalid_arguments"),
        (["verify", "none"], "invalid_data"),
        (["verify", "data", "--keep", "ugly"], "invalid_arguments"),
        (["dedupe", "none"], "invalid_data"),
        (["split", "data"], "invalid_data"),
        (["check", "data"], "invalid_data"),
        (["restore", "data", "a.png"], "invalid_arguments"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert main(["data", *arguments]) == 2
    assert f"error [{code}]" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_command_that_needs_no_labels_judged_loads_no_scikit_learn() -> None:
    code = (
        "import sys, training.cli; training.cli.parser(); "
        "print(sorted({'sklearn', 'cleanlab', 'pandas', 'pdqhash', 'httpx_retries'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_division_that_cannot_be_writes_no_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = folders(tmp_path / "data", {"hat": 6, "cap": 6})
    run(capsys, "import", data)
    before = manifest.require(data)
    options = ["--group", r"(\d)", "--exact"]
    assert main(["data", "split", str(data), *options, "--validation", "0.6", "--test", "0.6"]) == 2
    assert "error [invalid_arguments]" in capsys.readouterr().err
    assert manifest.require(data) == before
    run(capsys, "split", data, *options)
    assert {row.group for row in manifest.require(data)} == {str(number) for number in range(6)}


def test_linked_folders_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = folders(tmp_path / "theirs", {"hat": 1})
    (theirs / "hat" / "empty.png").write_bytes(b"")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "hat").symlink_to(theirs / "hat")
    found = run(capsys, "verify", tmp_path / "data")
    assert (found["linked"], found["moved"], len(found["findings"])) == (["hat"], 0, 1)
    assert main(["data", "verify", str(tmp_path / "data")]) == 0
    assert "linked: hat: it is a link to a folder" in capsys.readouterr().out

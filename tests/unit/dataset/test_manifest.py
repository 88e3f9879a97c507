import hashlib
import json
import os
from pathlib import Path

import pytest

from tests.unit.training.dataset.made import data_set, photo
from training.dataset.intake import About
from twinlens.dataset import manifest
from twinlens.dataset.manifest import EARLIER, MANIFEST, Row
from twinlens.errors import TwinlensError

ROW = Row(
    path="hat/a.png",
    sha256="a" * 64,
    label="hat",
    split="train",
    origin="x",
    licence="cc0 1.0",
    creator="Ünal, 王",
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    other = ROW.model_copy(update={"path": "hat/B.png", "split": None, "creator": None})
    manifest.write(tmp_path, [ROW, other])
    assert manifest.read(tmp_path) == [other, ROW]
    assert (tmp_path / MANIFEST).read_bytes() == manifest.encode([other, ROW])
    lines = [json.loads(line) for line in (tmp_path / MANIFEST).read_text(encoding="utf-8").splitlines()]
    assert [line["path"] for line in lines] == ["hat/B.png", "hat/a.png"]
    assert "split" not in lines[0]


def test_the_digest_is_what_it_is_said_to_be() -> None:
    other = ROW.model_copy(update={"sha256": "b" * 64, "origin": None})
    lines = sorted(
        json.dumps(line, separators=(",", ":")) + "\n"
        for line in (
            ["a" * 64, "hat", "train", "x", "cc0 1.0"],
            ["b" * 64, "hat", "train", None, "cc0 1.0"],
        )
    )
    expected = hashlib.sha256(("twinlens-manifest/1\n" + "".join(lines)).encode()).hexdigest()
    assert manifest.digest([ROW, other]) == manifest.digest([other, ROW]) == expected


@pytest.mark.parametrize("change", [{"path": "elsewhere/c.png"}, {"creator": "other"}, {"group": "g"}, {"page": "p"}])
def test_names_and_notes_do_not_change_the_digest(change: dict[str, str]) -> None:
    assert manifest.digest([ROW.model_copy(update=change)]) == manifest.digest([ROW])


@pytest.mark.parametrize(
    "change", [{"sha256": "c" * 64}, {"label": "cap"}, {"split": "test"}, {"origin": "y"}, {"licence": None}]
)
def test_what_a_photo_is_changes_the_digest(change: dict[str, str | None]) -> None:
    assert manifest.digest([ROW.model_copy(update=change)]) != manifest.digest([ROW])


def test_the_manifest_before_is_kept(tmp_path: Path) -> None:
    manifest.write(tmp_path, [ROW])
    first = (tmp_path / MANIFEST).read_bytes()
    manifest.write(tmp_path, [ROW])
    assert not (tmp_path / EARLIER).exists()
    manifest.write(tmp_path, [])
    assert [path.read_bytes() for path in (tmp_path / EARLIER).iterdir()] == [first]


@pytest.mark.parametrize(
    "path",
    ["../hat/a.png", "/etc/a.png", "hat//a.png", "hat/../a.png", ".hidden/a.png", "hat\\a.png", "", "hat/./a.png"],
)
def test_a_path_stays_below_the_folder(tmp_path: Path, path: str) -> None:
    line = {**ROW.model_dump(exclude_none=True), "path": path}
    (tmp_path / MANIFEST).write_text(json.dumps(line) + "\n", encoding="utf-8")
    with pytest.raises(TwinlensError, match="line 1: path") as caught:
        manifest.read(tmp_path)
    assert caught.value.code == "invalid_data"


@pytest.mark.parametrize("label", ["", " ", "a/b", "..", ".a", "a\nb", "a\\b", "x" * 201])
def test_a_label_can_be_the_name_of_a_folder(label: str) -> None:
    with pytest.raises(ValueError, match="label"):
        manifest.check_label(label)


def test_a_label_is_composed() -> None:
    assert manifest.check_label(" cafe\u0301 ") == "caf\u00e9"


@pytest.mark.parametrize("line", ["{}", "[]", "x", '{"path": "a.png"}'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    good = json.dumps(ROW.model_dump(exclude_none=True))
    (tmp_path / MANIFEST).write_text(f"{good}\n{line}\n", encoding="utf-8")
    with pytest.raises(TwinlensError, match=f"{MANIFEST}, line 2"):
        manifest.read(tmp_path)


def test_a_path_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    good = json.dumps(ROW.model_dump(exclude_none=True))
    (tmp_path / MANIFEST).write_text(f"{good}\n{good}\n", encoding="utf-8")
    with pytest.raises(TwinlensError, match="twice"):
        manifest.read(tmp_path)


def test_two_commands_never_change_one_data_set(tmp_path: Path) -> None:
    with (
        manifest.changing(tmp_path),
        pytest.raises(TwinlensError) as caught,
        manifest.changing(tmp_path),
    ):
        pass
    assert caught.value.code == "data_in_use"
    with manifest.changing(tmp_path):
        pass


def test_the_same_bytes_are_taken_once_for_a_label(tmp_path: Path) -> None:
    one, again, other = data_set(tmp_path, (photo(1), About("hat")), (photo(1), About("hat")), (photo(1), About("cap")))
    assert one == again
    assert other.path.startswith("cap/") and other.sha256 == one.sha256
    assert len(manifest.require(tmp_path)) == 2
    assert hashlib.sha256((tmp_path / one.path).read_bytes()).hexdigest() == one.sha256


def test_earlier_manifests_are_found_the_last_one_first(tmp_path: Path) -> None:
    assert list(manifest.earlier(tmp_path)) == []
    versions = [[ROW], [ROW, ROW.model_copy(update={"path": "hat/b.png"})]]
    for rows in versions:
        manifest.write(tmp_path, rows)
        manifest.keep_present(tmp_path)
    for file in (tmp_path / EARLIER).glob("*.jsonl"):
        number = versions.index(manifest.read_file(file))
        os.utime(file, (number, number))
    assert list(manifest.earlier(tmp_path)) == versions[::-1]
    with pytest.raises(FileNotFoundError):
        manifest.read_file(tmp_path / "nowhere")


def test_the_digest_without_a_manifest_is_of_sorted_lines() -> None:
    lines = "test/hat/b\ntrain/cap/a\n"
    found = manifest.plain_digest([("train", "cap", "a"), ("test", "hat", "b")])
    assert found == hashlib.sha256(lines.encode()).hexdigest()

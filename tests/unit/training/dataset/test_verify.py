import json
import os
from pathlib import Path

import pytest

from tests.images import bombs
from tests.unit.training.dataset.made import data_set, photo
from training.dataset.intake import About
from training.dataset.verify import verify
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.dataset.quarantine import LOG, QUARANTINE, Finding, entries, restore, set_aside
from twinlens.errors import TwinlensError


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """A data set with one good photo and something wrong of every kind."""
    data_set(tmp_path, *((photo(seed), About("hat")) for seed in range(3)))
    good, changed, missing = manifest.require(tmp_path)
    (tmp_path / changed.path).write_bytes(photo(9))
    (tmp_path / missing.path).unlink()
    (tmp_path / good.path).rename(tmp_path / "hat" / "good.png")
    rows = [good.model_copy(update={"path": "hat/good.png"})]
    rows.append(changed.model_copy(update={"path": "hat/changed.png"}))
    rows.append(missing.model_copy(update={"path": "hat/missing.png"}))
    (tmp_path / changed.path).rename(tmp_path / "hat" / "changed.png")
    manifest.write(tmp_path, rows)
    for name, data in {
        "empty.png": b"",
        "text.png": b"hello",
        "document.pdf": b"%PDF-1.7 ...",
        "cut.png": photo(3)[:500],
        "jpeg.png": photo(4, "JPEG"),
        "small.png": photo(5, edge=20),
        "bomb.png": bombs()["png-30000x30000"],
        "unlisted.PNG": photo(6),
    }.items():
        (tmp_path / "hat" / name).write_bytes(data)
    os.mkfifo(tmp_path / "hat" / "pipe.png")
    return tmp_path


WRONG = {
    "hat/bomb.png": "huge",
    "hat/changed.png": "changed",
    "hat/cut.png": "broken",
    "hat/document.pdf": "unknown",
    "hat/empty.png": "empty",
    "hat/jpeg.png": "misnamed",
    "hat/missing.png": "missing",
    "hat/pipe.png": "unreadable",
    "hat/small.png": "tiny",
    "hat/text.png": "unknown",
}


def test_what_is_wrong_is_found_with_its_reason(messy: Path) -> None:
    found = verify(messy)
    assert {finding.path: finding.reason for finding in found.findings} == WRONG
    assert found.unlisted == ["hat/unlisted.PNG"]
    assert all(finding.detail for finding in found.findings)


def test_a_file_of_too_many_bytes_is_huge(tmp_path: Path) -> None:
    data_set(tmp_path, (photo(1, edge=256), About("hat")), (photo(2, edge=64), About("hat")))
    sizes = sorted(path.stat().st_size for path in tmp_path.rglob("*.png"))
    found = verify(tmp_path, most_bytes=sizes[0])
    assert [finding.reason for finding in found.findings] == ["huge"]


def test_a_folder_without_a_manifest_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "hat").mkdir()
    (tmp_path / "hat" / "a.png").write_bytes(b"")
    (tmp_path / "hat" / "b.png").write_bytes(photo(1))
    found = verify(tmp_path)
    assert [finding.path for finding in found.findings] == ["hat/a.png"]
    assert found.unlisted == []
    with pytest.raises(TwinlensError, match="no folder"):
        verify(tmp_path / "none")


def everything(folder: Path) -> dict[str, bytes]:
    """All that is outside the log, as it is named outside the quarantine."""
    return {
        path.name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name.endswith((".png", ".pdf"))
    }


def test_what_is_set_aside_can_be_brought_back(messy: Path) -> None:
    files, rows = everything(messy), manifest.require(messy)
    findings = verify(messy).findings
    assert set_aside(messy, findings) == len(findings) - 1  # one is missing already
    assert [row.path for row in manifest.require(messy)] == ["hat/good.png"]
    assert verify(messy).findings == []
    assert everything(messy) == files
    assert {entry["path"]: entry["reason"] for entry in entries(messy)} == {
        path: reason for path, reason in WRONG.items() if reason != "missing"
    }
    back = restore(messy, lambda entry: entry["reason"] != "unreadable")
    assert len(back) == len(WRONG) - 2
    assert everything(messy) == files
    assert manifest.require(messy) == [row for row in rows if row.path != "hat/missing.png"]
    assert [entry["path"] for entry in entries(messy)] == ["hat/pipe.png"]


def test_the_row_of_a_photo_that_is_gone_stays_in_the_log(messy: Path) -> None:
    set_aside(messy, [Finding("hat/missing.png", "missing", "gone")])
    line = json.loads((messy / QUARANTINE / LOG).read_text(encoding="utf-8"))
    assert line["to"] is None and line["row"]["label"] == "hat"


def test_two_files_of_one_path_are_both_kept(tmp_path: Path) -> None:
    for data in (b"one", b"two"):
        (tmp_path / "a.png").write_bytes(data)
        set_aside(tmp_path, [Finding("a.png", "broken", "")])
    assert sorted(path.read_bytes() for path in (tmp_path / QUARANTINE / "files").iterdir()) == [b"one", b"two"]


def test_the_last_of_two_files_of_one_path_comes_back(tmp_path: Path) -> None:
    for data in (b"one", b"two"):
        (tmp_path / "a.png").write_bytes(data)
        set_aside(tmp_path, [Finding("a.png", "broken", "")])
    assert len(entries(tmp_path)) == 2
    assert restore(tmp_path, lambda _: True) == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"two"
    assert len(entries(tmp_path)) == 1


def test_what_came_back_can_be_set_aside_again(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    for reason in ("broken", "tiny"):
        set_aside(tmp_path, [Finding("a.png", reason, "")])
        assert [entry["reason"] for entry in entries(tmp_path)] == [reason]
        assert restore(tmp_path, lambda _: True) == ["a.png"]
    assert entries(tmp_path) == []


def test_nothing_is_written_over_when_something_comes_back(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    set_aside(tmp_path, [Finding("a.png", "broken", "")])
    (tmp_path / "a.png").write_bytes(b"two")
    with pytest.raises(TwinlensError) as caught:
        restore(tmp_path, lambda _: True)
    assert caught.value.code == "already_exists"
    assert (tmp_path / "a.png").read_bytes() == b"two"


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("../a.png", ".quarantine/files/a.png"),
        ("a.png", "../a.png"),
        ("/a.png", ".quarantine/files/a.png"),
        ("a.png", "hat/a.png"),
    ],
)
def test_a_log_from_elsewhere_moves_nothing_else(tmp_path: Path, path: str, to: str) -> None:
    (tmp_path / QUARANTINE).mkdir()
    line = {"path": path, "to": to, "reason": "broken", "detail": "", "row": None}
    (tmp_path / QUARANTINE / LOG).write_text(json.dumps(line) + "\n", encoding="utf-8")
    with pytest.raises(TwinlensError, match="line 1"):
        restore(tmp_path, lambda _: True)


def test_a_name_that_is_not_utf_8_comes_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).write_bytes(b"")
    findings = verify(tmp_path).findings
    assert [finding.reason for finding in findings] == ["unreadable"]
    set_aside(tmp_path, findings)
    assert not (tmp_path / name).exists()
    assert restore(tmp_path, lambda _: True) == [name]
    assert (tmp_path / name).exists()


def test_half_a_line_of_the_log_is_no_move(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(name.encode())
    set_aside(tmp_path, [Finding("a.png", "broken", "")])
    with (tmp_path / QUARANTINE / LOG).open("ab") as log:  # as a full disk or a power loss leaves it
        log.write(b'{"time": "2026-11-27T00:00:00+00:00", "pa')
    assert [entry["path"] for entry in entries(tmp_path)] == ["a.png"]
    set_aside(tmp_path, [Finding("b.png", "tiny", "")])
    assert [entry["path"] for entry in entries(tmp_path)] == ["a.png", "b.png"]
    assert restore(tmp_path, lambda _: True) == ["a.png", "b.png"]


@pytest.fixture
def aside(tmp_path: Path) -> list[Row]:
    """Three photos that were all set aside."""
    rows = data_set(tmp_path, *((photo(seed), About("hat")) for seed in range(3)))
    set_aside(tmp_path, [Finding(row.path, "reviewed", "") for row in rows])
    assert manifest.require(tmp_path) == []
    return rows


def test_rows_are_listed_before_their_files_come_back(
    tmp_path: Path, aside: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a process that is killed in between has lost no row, and the same command goes on."""
    rename, listed = Path.rename, list[int]()

    def watched(self: Path, target: Path) -> Path:
        listed.append(len(manifest.require(tmp_path)))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", watched)
    restore(tmp_path, lambda _: True)
    assert listed == [3, 3, 3]


def test_restoring_goes_on_where_it_was_killed(tmp_path: Path, aside: list[Row]) -> None:
    manifest.write(tmp_path, aside)  # as it is when the first file is back, and the process is killed
    first, *_ = entries(tmp_path)
    (tmp_path / first["to"]).rename(tmp_path / first["path"])
    assert len(restore(tmp_path, lambda _: True)) == 2
    assert manifest.require(tmp_path) == sorted(aside, key=lambda row: row.path)
    assert verify(tmp_path).findings == []


def test_what_cannot_come_back_is_not_listed(tmp_path: Path, aside: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    rename, moved = Path.rename, list[str]()

    def full(self: Path, target: Path) -> Path:
        if moved:
            raise OSError(28, "No space left on device")
        moved.append(target.relative_to(tmp_path).as_posix())
        return rename(self, target)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(Path, "rename", full)
        restore(tmp_path, lambda _: True)
    assert [row.path for row in manifest.require(tmp_path)] == moved
    assert len(restore(tmp_path, lambda _: True)) == 2
    assert manifest.require(tmp_path) == sorted(aside, key=lambda row: row.path)


def test_a_folder_that_is_a_link_is_told_and_left_alone(tmp_path: Path) -> None:
    theirs, data = tmp_path / "theirs", tmp_path / "data"
    (theirs / "deep").mkdir(parents=True)
    (theirs / "deep" / "empty.png").write_bytes(b"")
    data_set(data, (photo(1), About("cap")))
    (data / "hat").symlink_to(theirs)
    (data / "cap" / "empty.png").write_bytes(b"")
    found = verify(data)
    assert found.linked == ["hat"]
    assert [finding.path for finding in found.findings] == ["cap/empty.png", "hat/deep/empty.png"]
    assert set_aside(data, found.findings) == 1
    assert (theirs / "deep" / "empty.png").is_file() and not (data / "cap" / "empty.png").exists()
    assert [entry["path"] for entry in entries(data)] == ["cap/empty.png"]

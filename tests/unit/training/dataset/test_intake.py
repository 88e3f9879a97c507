"""What was decided on photos stays when they are brought in once more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.training.dataset.made import data_set, folders, photo
from training.dataset.importing import Imported, import_folder
from training.dataset.intake import About, Intake
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.dataset.quarantine import Finding, set_aside
from twinlens.review.decide import Reviewer
from twinlens.review.log import REVIEWS


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return folders(tmp_path / "source", {"hat": 2, "cap": 1})


def imported(tmp_path: Path) -> Imported:
    return import_folder(tmp_path / "data", tmp_path / "source", About("", licence="cc0"))


@pytest.fixture
def row(tmp_path: Path, source: Path) -> Row:
    """One of the photos, as it was brought in first."""
    imported(tmp_path)
    return next(row for row in manifest.require(tmp_path / "data") if row.label == "hat")


def unchanged(tmp_path: Path) -> bool:
    """Whether the same import brings nothing new."""
    before = manifest.require(tmp_path / "data")
    result = imported(tmp_path)
    return (result.new, result.known) == (0, 3) and manifest.require(tmp_path / "data") == before


def test_what_a_reviewer_decided_stays(tmp_path: Path, row: Row) -> None:
    reviewer = Reviewer(tmp_path / "data", "ana")
    reviewer.relabel(row.path, "hat", "cap")
    assert unchanged(tmp_path)
    reviewer.set_aside(row.path, "cap")
    assert unchanged(tmp_path)
    reviewer.undo()
    reviewer.undo()
    assert unchanged(tmp_path)


def test_what_was_relabelled_by_hand_stays(tmp_path: Path, row: Row) -> None:
    rows = [row.model_copy(update={"label": "cap"}) for row in manifest.require(tmp_path / "data")]
    manifest.write(tmp_path / "data", rows)
    assert unchanged(tmp_path)


def test_what_was_reviewed_stays_where_the_log_is_gone(tmp_path: Path, row: Row) -> None:
    Reviewer(tmp_path / "data", "ana").relabel(row.path, "hat", "cap")
    (tmp_path / "data" / REVIEWS).unlink()
    (tmp_path / "source").rename(tmp_path / "elsewhere")  # so the origin is another
    result = import_folder(tmp_path / "data", tmp_path / "elsewhere", About(""))
    assert (result.new, result.known) == (0, 3)


def test_what_a_command_set_aside_stays_out(tmp_path: Path, row: Row) -> None:
    set_aside(tmp_path / "data", [Finding(row.path, "near", "")])
    assert unchanged(tmp_path)


def test_the_photo_for_one_that_was_damaged_comes_in(tmp_path: Path, row: Row) -> None:
    (tmp_path / "data" / row.path).write_bytes(photo(0)[:100])
    set_aside(tmp_path / "data", [Finding(row.path, "broken", "")])
    assert imported(tmp_path).new == 1
    assert row in manifest.require(tmp_path / "data")


def test_a_split_is_taken_where_there_was_none(tmp_path: Path) -> None:
    (row,) = data_set(tmp_path, (photo(1), About("hat")))
    intake = Intake(tmp_path)
    assert intake.put(photo(1), About("hat", split="test")) == (row.model_copy(update={"split": "test"}), False)
    assert intake.put(photo(1), About("hat")) == (row.model_copy(update={"split": "test"}), False)
    intake.save()
    assert [row.split for row in manifest.require(tmp_path)] == ["test"]


def test_a_leak_that_was_settled_does_not_return(tmp_path: Path) -> None:
    """The copy in train is out; the one in test is in, and one in validation would be another leak, which is seen."""
    tested, learned = data_set(tmp_path, *((photo(1), About("hat", split=split)) for split in ("test", "train")))
    set_aside(tmp_path, [Finding(learned.path, "leak", "")])
    intake = Intake(tmp_path)
    assert intake.put(photo(1), About("hat", split="train")) == (tested, False)
    assert intake.put(photo(1), About("hat", split="validation"))[1]


def test_what_is_held_out_is_not_learned_from_when_it_comes_again(tmp_path: Path) -> None:
    (row,) = data_set(tmp_path, (photo(1), About("hat", split="train")))
    held = row.model_copy(update={"split": "held-out"})
    manifest.write(tmp_path, [held])
    intake = Intake(tmp_path)
    assert [intake.put(photo(1), About("hat", split=split)) for split in ("train", "held-out")] == [(held, False)] * 2
    assert intake.put(photo(1), About("hat", split="test"))[1]  # a leak, which must be seen
    intake.save()
    set_aside(tmp_path, [Finding(held.path, "leak", "")])
    assert not Intake(tmp_path).put(photo(1), About("hat", split="train"))[1]

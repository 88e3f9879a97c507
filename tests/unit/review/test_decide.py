"""Decisions: the log, the manifest and the files agree, also after a crash, and everything can be taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.review.made import data_set
from twinlens.dataset import manifest, quarantine
from twinlens.dataset.manifest import EARLIER, MANIFEST, Row
from twinlens.errors import TwinlensError
from twinlens.review import log
from twinlens.review.decide import Reviewer
from twinlens.review.log import REVIEWS


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    return data_set(tmp_path, "cap", "hat", "hat")


def by_path(folder: Path) -> dict[str, Row]:
    return {row.path: row for row in manifest.require(folder)}


def test_confirming_changes_when_it_was_looked_at_and_nothing_else(tmp_path: Path, rows: list[Row]) -> None:
    before = manifest.digest(rows)
    decision = Reviewer(tmp_path, "ana").confirm(rows[0].path, "cap")
    row = by_path(tmp_path)[rows[0].path]
    assert row.reviewed == decision.time[: len(row.reviewed or "")]
    assert row.model_copy(update={"reviewed": None}) == rows[0]
    assert decision.manifest == manifest.digest(manifest.require(tmp_path)) == before
    assert (decision.number, decision.who, decision.action) == (1, "ana", "confirm")


def test_relabelling_is_another_data_set_and_moves_no_file(tmp_path: Path, rows: list[Row]) -> None:
    decision = Reviewer(tmp_path, "ana").relabel(rows[0].path, "cap", "hat ")
    assert by_path(tmp_path)[rows[0].path].label == "hat"
    assert decision.manifest == manifest.digest(manifest.require(tmp_path)) != manifest.digest(rows)
    assert (tmp_path / rows[0].path).is_file()


def test_setting_aside_moves_to_quarantine_with_the_reason(tmp_path: Path, rows: list[Row]) -> None:
    Reviewer(tmp_path, "ana").set_aside(rows[0].path, "cap")
    assert rows[0].path not in by_path(tmp_path)
    assert not (tmp_path / rows[0].path).exists()
    (entry,) = quarantine.entries(tmp_path)
    assert (entry["path"], entry["reason"], entry["detail"]) == (rows[0].path, "reviewed", "ana, decision 1")


def test_everything_is_undone_in_turn(tmp_path: Path, rows: list[Row]) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    reviewer.confirm(rows[0].path, "cap")
    reviewer.relabel(rows[0].path, "cap", "hat")
    reviewer.set_aside(rows[1].path, "hat")
    assert [Reviewer(tmp_path, "bo").undo().undoes for _ in range(3)] == [3, 2, 1]
    assert manifest.require(tmp_path) == rows
    assert (tmp_path / rows[1].path).is_file()
    with pytest.raises(TwinlensError) as caught:
        reviewer.undo()
    assert caught.value.code == "nothing_to_undo"
    assert [(each.action, each.who) for each in log.read(tmp_path)][-1] == ("undo", "bo")


def test_every_manifest_can_be_made_again(tmp_path: Path, rows: list[Row]) -> None:
    reviewer, seen = Reviewer(tmp_path, "ana"), [rows]
    for decide in (
        lambda: reviewer.relabel(rows[0].path, "cap", "hat"),
        lambda: reviewer.set_aside(rows[1].path, "hat"),
        lambda: reviewer.undo(),
        lambda: reviewer.confirm(rows[2].path, "hat"),
    ):
        decide()
        seen.append(manifest.require(tmp_path))
    decisions = log.read(tmp_path)
    for number, expected in enumerate(seen[:-1], 1):
        assert log.manifest_before(seen[-1], decisions, number) == expected
    assert not (tmp_path / EARLIER).exists()  # a log of changes, not a copy of the manifest for each


@pytest.mark.parametrize(("path", "seen"), [("cap/0.png", "hat"), ("cap/9.png", "cap"), ("../cap/0.png", "cap")])
def test_what_is_not_as_it_was_shown_is_refused(tmp_path: Path, rows: list[Row], path: str, seen: str) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    for decide in (
        lambda: reviewer.confirm(path, seen),
        lambda: reviewer.relabel(path, seen, "x"),
        lambda: reviewer.set_aside(path, seen),
    ):
        with pytest.raises(TwinlensError) as caught:
            decide()
        assert caught.value.code == "review_conflict"
    assert manifest.require(tmp_path) == rows and log.read(tmp_path) == []


@pytest.mark.parametrize("label", ["", " ", "a/b", ".hidden", "a\nb", "x" * 201])
def test_what_cannot_be_a_label_is_refused(tmp_path: Path, rows: list[Row], label: str) -> None:
    with pytest.raises(TwinlensError) as caught:
        Reviewer(tmp_path, "ana").relabel(rows[0].path, "cap", label)
    assert caught.value.code == "invalid_arguments"
    assert manifest.require(tmp_path) == rows


@pytest.mark.parametrize("who", ["", "  ", "a\nb", "x" * 101])
def test_a_reviewer_has_a_name(tmp_path: Path, rows: list[Row], who: str) -> None:
    with pytest.raises(TwinlensError, match="--who"):
        Reviewer(tmp_path, who)


def test_a_decision_that_a_crash_cut_off_is_finished_by_the_next_one(tmp_path: Path, rows: list[Row]) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    listed = (tmp_path / MANIFEST).read_bytes()
    reviewer.relabel(rows[0].path, "cap", "hat")
    (tmp_path / MANIFEST).write_bytes(listed)  # as if the process had been killed after the line of the log
    reviewer.confirm(rows[2].path, "hat")
    assert by_path(tmp_path)[rows[0].path].label == "hat"


def test_half_a_line_is_no_decision(tmp_path: Path, rows: list[Row]) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    reviewer.confirm(rows[0].path, "cap")
    with (tmp_path / REVIEWS).open("ab") as stream:
        stream.write(b'{"number": 2, "ti')
    assert len(log.read(tmp_path)) == 1
    assert reviewer.confirm(rows[1].path, "hat").number == 2
    assert [each.number for each in log.read(tmp_path)] == [1, 2]


@pytest.mark.parametrize("line", ["{}", "no json", '{"number": 7}'])
def test_a_damaged_log_is_an_error_that_names_the_line(tmp_path: Path, rows: list[Row], line: str) -> None:
    Reviewer(tmp_path, "ana").confirm(rows[0].path, "cap")
    with (tmp_path / REVIEWS).open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(TwinlensError, match="line 2") as caught:
        log.read(tmp_path)
    assert caught.value.code == "invalid_data"


def test_what_something_else_has_changed_since_is_not_undone(tmp_path: Path, rows: list[Row]) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    reviewer.relabel(rows[0].path, "cap", "hat")
    changed = [row.model_copy(update={"split": "test"}) for row in manifest.require(tmp_path)]
    manifest.write(tmp_path, changed)
    with pytest.raises(TwinlensError) as caught:
        reviewer.undo()
    assert caught.value.code == "review_conflict"
    assert manifest.require(tmp_path) == changed

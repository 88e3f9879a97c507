"""Decisions: the log, the manifest and the files agree, also after a crash, and everything can be taken back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.unit.review.made import Kill, data_set
from twinlens.dataset import manifest, quarantine
from twinlens.dataset.manifest import EARLIER, Row
from twinlens.dataset.quarantine import Finding
from twinlens.errors import TwinlensError
from twinlens.review import log
from twinlens.review.decide import Newcomer, Reviewer
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
    assert caught.value.code == "invalid_request"
    assert manifest.require(tmp_path) == rows


@pytest.mark.parametrize("who", ["", "  ", "a\nb", "x" * 101])
def test_a_reviewer_has_a_name(tmp_path: Path, rows: list[Row], who: str) -> None:
    with pytest.raises(TwinlensError, match="--who"):
        Reviewer(tmp_path, who)


def test_a_decision_that_a_crash_cut_off_is_finished_by_the_next_one(
    tmp_path: Path, rows: list[Row], kill: Kill
) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    kill(lambda: reviewer.relabel(rows[0].path, "cap", "hat"))
    assert by_path(tmp_path)[rows[0].path].label == "cap"
    kill(lambda: reviewer.set_aside(rows[1].path, "hat"))
    assert by_path(tmp_path)[rows[0].path].label == "hat" and rows[1].path in by_path(tmp_path)
    kill(reviewer.undo)
    assert rows[1].path not in by_path(tmp_path) and not (tmp_path / rows[1].path).exists()
    reviewer.confirm(rows[2].path, "hat")
    assert by_path(tmp_path)[rows[1].path] == rows[1] and (tmp_path / rows[1].path).is_file()
    assert quarantine.entries(tmp_path) == []


def test_a_decision_that_a_crash_cut_off_leaves_what_others_did_since(
    tmp_path: Path, rows: list[Row], kill: Kill
) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    kill(lambda: reviewer.relabel(rows[0].path, "cap", "hat"))
    manifest.write(tmp_path, [row.model_copy(update={"split": "test"}) for row in rows])
    kill(lambda: reviewer.relabel(rows[1].path, "hat", "wig"))
    assert (by_path(tmp_path)[rows[0].path].label, by_path(tmp_path)[rows[0].path].split) == ("hat", "test")
    manifest.write(tmp_path, [row.model_copy(update={"label": "fez"}) for row in manifest.require(tmp_path)])
    reviewer.confirm(rows[2].path, "fez")
    assert by_path(tmp_path)[rows[1].path].label == "fez"


def test_a_finished_decision_is_not_done_again(tmp_path: Path, rows: list[Row]) -> None:
    """What was set aside and brought back by `data restore` stays, whatever is decided on others."""
    reviewer = Reviewer(tmp_path, "ana")
    reviewer.set_aside(rows[0].path, "cap")
    assert quarantine.restore(tmp_path, lambda _: True) == [rows[0].path]
    reviewer.confirm(rows[1].path, "hat")
    assert by_path(tmp_path)[rows[0].path] == rows[0] and (tmp_path / rows[0].path).is_file()
    reviewer.relabel(rows[2].path, "hat", "cap")
    manifest.write(tmp_path, rows)
    reviewer.confirm(rows[1].path, "hat")
    assert by_path(tmp_path)[rows[2].path].label == "hat"


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
    changed = [row.model_copy(update={"label": "wig"}) for row in manifest.require(tmp_path)]
    manifest.write(tmp_path, changed)
    with pytest.raises(TwinlensError) as caught:
        reviewer.undo()
    assert caught.value.code == "review_conflict"
    assert manifest.require(tmp_path) == changed


def test_what_the_decision_did_not_change_stays_when_it_is_undone(tmp_path: Path, rows: list[Row]) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    reviewer.relabel(rows[0].path, "cap", "hat")
    manifest.write(tmp_path, [row.model_copy(update={"split": "test"}) for row in manifest.require(tmp_path)])
    reviewer.undo()
    assert by_path(tmp_path)[rows[0].path] == rows[0].model_copy(update={"split": "test"})


def refused(reviewer: Reviewer) -> str:
    """Why nothing is undone; the next decision works all the same."""
    before = log.read(reviewer.folder), manifest.require(reviewer.folder)
    with pytest.raises(TwinlensError) as caught:
        reviewer.undo()
    assert caught.value.code == "review_conflict"
    assert (log.read(reviewer.folder), manifest.require(reviewer.folder)) == before
    row = before[1][-1]
    reviewer.confirm(row.path, row.label)
    return caught.value.detail


def test_nothing_is_undone_over_what_is_there_again(tmp_path: Path, rows: list[Row]) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    reviewer.set_aside(rows[0].path, "cap")
    (tmp_path / rows[0].path).write_bytes(b"another")
    assert "there again" in refused(reviewer)
    assert (tmp_path / rows[0].path).read_bytes() == b"another"


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_what_no_longer_lies_in_quarantine_is_not_listed(tmp_path: Path, rows: list[Row], damage: str) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    reviewer.set_aside(rows[0].path, "cap")
    (entry,) = quarantine.entries(tmp_path)
    if damage == "gone":
        (tmp_path / entry["to"]).unlink()
    else:
        (tmp_path / entry["to"]).write_bytes(b"another")
    assert "no longer in quarantine" in refused(reviewer)


def test_the_very_file_that_was_set_aside_comes_back(tmp_path: Path, rows: list[Row]) -> None:
    reviewer, path = Reviewer(tmp_path, "ana"), tmp_path / rows[0].path
    data = path.read_bytes()
    reviewer.set_aside(rows[0].path, "cap")
    path.write_bytes(b"another")
    quarantine.set_aside(tmp_path, [Finding(rows[0].path, "broken", "")])
    reviewer.undo()
    assert path.read_bytes() == data and manifest.require(tmp_path) == rows
    assert [entry["reason"] for entry in quarantine.entries(tmp_path)] == ["broken"]


def test_nothing_is_moved_out_of_a_folder_that_is_a_link(tmp_path: Path) -> None:
    rows = data_set(tmp_path / "data", "cap", "hat")
    (tmp_path / "data" / "cap").rename(tmp_path / "theirs")
    (tmp_path / "data" / "cap").symlink_to(tmp_path / "theirs")
    with pytest.raises(TwinlensError) as caught:
        Reviewer(tmp_path / "data", "ana").set_aside(rows[0].path, "cap")
    assert caught.value.code == "not_allowed"
    assert manifest.require(tmp_path / "data") == rows and log.read(tmp_path / "data") == []
    assert (tmp_path / "theirs" / "0.png").is_file()


PHOTO = b"what a visitor sent"
SHA256 = hashlib.sha256(PHOTO).hexdigest()
NEWCOMER = Newcomer(f"feedback:{SHA256}", "7", SHA256, ".png", "hat")
PLACE = f"hat/{SHA256[:20]}.png"


def test_a_photo_whose_taking_in_a_crash_cut_off_is_listed_by_the_next_decision(
    tmp_path: Path, rows: list[Row], kill: Kill
) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    kill(lambda: reviewer.take_in(NEWCOMER, "hat", PHOTO))
    assert (tmp_path / PLACE).read_bytes() == PHOTO and manifest.require(tmp_path) == rows
    reviewer.confirm(rows[1].path, "hat")
    assert by_path(tmp_path)[PLACE] == log.read(tmp_path)[0].after
    reviewer.undo()
    kill(reviewer.undo)
    assert PLACE in by_path(tmp_path) and (tmp_path / PLACE).is_file()
    reviewer.confirm(rows[1].path, "hat")
    assert PLACE not in by_path(tmp_path) and not (tmp_path / PLACE).exists()
    (entry,) = quarantine.entries(tmp_path)
    assert (tmp_path / entry["to"]).read_bytes() == PHOTO


def test_a_crash_leaves_what_became_of_a_new_photo_since(tmp_path: Path, rows: list[Row], kill: Kill) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    kill(lambda: reviewer.take_in(NEWCOMER, "hat", PHOTO))
    (tmp_path / PLACE).write_bytes(b"another")
    reviewer.confirm(rows[1].path, "hat")
    assert PLACE not in by_path(tmp_path)
    kill(lambda: reviewer.leave_out(NEWCOMER))
    assert reviewer.undo().shown == NEWCOMER.shown


def test_nothing_is_written_over_for_a_new_photo(tmp_path: Path, rows: list[Row]) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    (tmp_path / PLACE).write_bytes(b"another")
    taken = reviewer.take_in(NEWCOMER, "hat", PHOTO)
    assert taken.path == f"hat/{SHA256[:20]}-2.png" and (tmp_path / taken.path).read_bytes() == PHOTO
    assert (tmp_path / PLACE).read_bytes() == b"another"
    assert reviewer.undo().after is None
    (tmp_path / PLACE).write_bytes(PHOTO)  # what a crash leaves between the file and the log
    assert reviewer.take_in(NEWCOMER, "hat", PHOTO).path == PLACE


def test_what_became_of_a_new_photo_since_is_not_undone(tmp_path: Path, rows: list[Row]) -> None:
    reviewer, told = Reviewer(tmp_path, "ana"), []
    reviewer.take_in(NEWCOMER, "hat", PHOTO)
    divided = by_path(tmp_path)[PLACE].model_copy(update={"split": "test"})
    manifest.write(tmp_path, [*rows, divided.model_copy(update={"label": "wig"})])
    with pytest.raises(TwinlensError) as caught:
        reviewer.undo(told.append)
    assert (caught.value.code, told) == ("review_conflict", [])
    manifest.write(tmp_path, [*rows, divided])
    assert reviewer.undo(told.append).before == divided
    assert [each.number for each in told] == [1] and manifest.require(tmp_path) == rows


def test_no_new_photo_comes_into_a_folder_that_is_a_link(tmp_path: Path) -> None:
    rows = data_set(tmp_path / "data", "cap", "hat")
    (tmp_path / "data" / "hat").rename(tmp_path / "theirs")
    (tmp_path / "data" / "hat").symlink_to(tmp_path / "theirs")
    reviewer = Reviewer(tmp_path / "data", "ana")
    with pytest.raises(TwinlensError) as caught:
        reviewer.take_in(NEWCOMER, "hat", PHOTO)
    assert caught.value.code == "not_allowed"
    assert manifest.require(tmp_path / "data") == rows and log.read(tmp_path / "data") == []
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["1.png"]


def test_nothing_is_taken_back_that_its_source_keeps(tmp_path: Path, rows: list[Row]) -> None:
    reviewer = Reviewer(tmp_path, "ana")
    reviewer.set_aside(rows[0].path, "cap", feedback="7")

    def refuse(_: object) -> None:
        raise TwinlensError("feedback_unavailable", "")

    with pytest.raises(TwinlensError):
        reviewer.undo(refuse)
    assert len(log.read(tmp_path)) == 1 and rows[0].path not in by_path(tmp_path)
    undone = reviewer.undo()
    assert (undone.feedback, undone.undoes, manifest.require(tmp_path)) == ("7", 1, rows)

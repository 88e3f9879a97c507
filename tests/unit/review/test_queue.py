"""Feedback in the review: what waits, what is taken in, and that store and data set agree whatever fails."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.feedback.made import MODEL, encoded
from tests.unit.review.made import Kill, data_set
from twinlens.dataset import manifest, quarantine
from twinlens.errors import TwinlensError
from twinlens.feedback.rows import Decision as Decided
from twinlens.feedback.rows import Feedback
from twinlens.feedback.verdict import Verdict
from twinlens.review import log
from twinlens.review.decide import Reviewer
from twinlens.review.queue import PREFIX, Queue, newcomer

RED = encoded("red", 51, "PNG")
SHA256 = hashlib.sha256(RED).hexdigest()


class Kept:
    """A source in memory, which can be out of reach."""

    def __init__(self) -> None:
        self.words: dict[str, Feedback] = {}
        self.files: dict[str, bytes] = {}
        self.away = False
        self.recorded: list[tuple[str, str]] = []

    def add(self, number: str, data: bytes, label: str | None) -> None:
        sha256 = hashlib.sha256(data).hexdigest()
        self.files[sha256] = data
        self.words[number] = Feedback(
            id=number, sequence=int(number), photo=sha256, format="png", client=number, label=label, predicted="cap",
            score=0.6, model=MODEL, received="2026-11-27T00:00:00+00:00", state="new", decision=None,
        )  # fmt: skip

    def waiting(self) -> Iterator[Feedback]:
        self._reach()
        return iter([word for word in self.words.values() if word.state == "new"])

    def photo(self, sha256: str) -> bytes:
        self._reach()
        return self.files[sha256]

    def record(self, sha256: str, verdict: Verdict) -> None:
        self._reach()
        if sha256 not in {word.photo for word in self.words.values()}:
            raise TwinlensError("not_found", "")
        self.recorded.append((sha256, verdict.action))
        made = Decided(label=verdict.label, who=verdict.who or "", time="") if verdict.action != "reopen" else None
        for each in self.words.values():
            if each.photo == sha256:
                reopened = None if made else log.now()
                change = {"state": "accepted" if made else "new", "decision": made, "reopened": reopened}
                self.words[each.id] = each.model_copy(update=change)

    def _reach(self) -> None:
        if self.away:
            raise TwinlensError("feedback_unavailable", "away")


@pytest.fixture
def kept() -> Kept:
    kept = Kept()
    for number, label in (("1", "hat"), ("2", "hat"), ("3", None)):
        kept.add(number, RED, label)
    return kept


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data_set(tmp_path / "data", "cap", "hat")
    return tmp_path / "data"


def loaded(kept: Kept, data: Path) -> Queue:
    queue = Queue(kept)
    queue.load(log.read(data))
    return queue


def take_in(queue: Queue, data: Path, label: str = "hat") -> log.Decision:
    waiting = queue.named(PREFIX + SHA256)
    assert waiting is not None
    decision = Reviewer(data, "ana").take_in(newcomer(waiting), label, queue.photo(SHA256))
    queue.settle(decision)
    return decision


def test_nothing_comes_into_the_data_set_by_itself(kept: Kept, data: Path) -> None:
    before = manifest.require(data)
    queue = loaded(kept, data)
    (waiting,) = queue.said.values()
    assert (waiting.label, waiting.said) == ("hat", [("hat", 2), (None, 1)])
    assert queue.photo(SHA256) == RED
    assert manifest.require(data) == before and kept.recorded == []


@pytest.mark.parametrize(("label", "action"), [("hat", "confirm"), ("beret", "relabel")])
def test_a_photo_that_is_taken_in_is_a_row_to_learn_from(kept: Kept, data: Path, label: str, action: str) -> None:
    before = manifest.require(data)
    decision = take_in(loaded(kept, data), data, label)
    (row,) = [row for row in manifest.require(data) if row not in before]
    assert row.path == f"{label}/{SHA256[:20]}.png" and (data / row.path).read_bytes() == RED
    assert (row.label, row.split, row.origin, row.sha256) == (label, "train", f"feedback:{SHA256}", SHA256)
    assert row.reviewed is not None
    assert (decision.action, decision.feedback, decision.before) == (action, SHA256, None)
    assert decision.manifest == manifest.digest(manifest.require(data))
    assert {word.decision and word.decision.label for word in kept.words.values()} == {label}
    assert loaded(kept, data).said == {}


def test_a_photo_that_is_left_out_is_nowhere(kept: Kept, data: Path) -> None:
    before, queue = manifest.require(data), loaded(kept, data)
    waiting = queue.named(PREFIX + SHA256)
    assert waiting is not None
    queue.settle(Reviewer(data, "ana").leave_out(newcomer(waiting)))
    assert manifest.require(data) == before and kept.recorded == [(SHA256, "set-aside")]
    with pytest.raises(TwinlensError) as caught:
        queue.named(PREFIX + SHA256)
    assert caught.value.code == "review_conflict"


def test_everything_is_undone_here_and_there_and_can_be_decided_again(kept: Kept, data: Path) -> None:
    before, reviewer = manifest.require(data), Reviewer(data, "ana")
    for label in ("hat", "beret", "hat"):
        queue = loaded(kept, data)
        take_in(queue, data, label)
        undone = reviewer.undo(queue.reopen)
        assert undone.shown == PREFIX + SHA256
        assert manifest.require(data) == before
        assert {word.state for word in kept.words.values()} == {"new"}
        assert list(queue.said) == [SHA256]
    queue = loaded(kept, data)
    waiting = queue.named(PREFIX + SHA256)
    assert waiting is not None
    queue.settle(reviewer.leave_out(newcomer(waiting)))
    reviewer.undo(queue.reopen)
    take_in(queue, data)
    assert SHA256 in {row.sha256 for row in manifest.require(data)}
    # What was taken back lies in quarantine, as everything that leaves a data set does.
    assert {entry["reason"] for entry in quarantine.entries(data)} == {"reviewed"}


def test_every_manifest_before_can_be_made_again(kept: Kept, data: Path) -> None:
    seen = [manifest.require(data)]
    queue = loaded(kept, data)
    take_in(queue, data)
    seen.append(manifest.require(data))
    Reviewer(data, "ana").undo(queue.reopen)
    decisions, now = log.read(data), manifest.require(data)
    assert [log.manifest_before(now, decisions, number) for number in (1, 2)] == seen


def test_a_decision_that_could_not_be_written_back_is_later(kept: Kept, data: Path, caplog) -> None:
    queue = loaded(kept, data)
    data_of_photo = queue.photo(SHA256)
    waiting = queue.named(PREFIX + SHA256)
    assert waiting is not None
    kept.away = True
    queue.settle(Reviewer(data, "ana").take_in(newcomer(waiting), "hat", data_of_photo))
    assert "not written back yet" in caplog.text and queue.said == {}
    kept.away = False
    again = loaded(kept, data)  # another process, which has the log alone
    assert kept.recorded == [(SHA256, "accept")] and again.said == {}
    assert loaded(kept, data).said == {} and len(kept.recorded) == 1


def test_what_cannot_be_taken_back_there_is_not_taken_back_here(kept: Kept, data: Path) -> None:
    queue = loaded(kept, data)
    take_in(queue, data)
    after = manifest.require(data)
    kept.away = True
    with pytest.raises(TwinlensError) as caught:
        Reviewer(data, "ana").undo(queue.reopen)
    assert caught.value.code == "feedback_unavailable"
    assert manifest.require(data) == after and len(log.read(data)) == 1


def test_feedback_that_was_removed_meanwhile_holds_nothing_up(kept: Kept, data: Path) -> None:
    queue = loaded(kept, data)
    data_of_photo = queue.photo(SHA256)
    waiting = queue.named(PREFIX + SHA256)
    assert waiting is not None
    kept.words.clear()
    queue.settle(Reviewer(data, "ana").take_in(newcomer(waiting), "hat", data_of_photo))
    Reviewer(data, "ana").undo(queue.reopen)
    assert SHA256 not in {row.sha256 for row in manifest.require(data)}


def test_a_word_that_was_taken_back_leaves_the_decision_to_the_other_words_on_the_photo(kept: Kept, data: Path) -> None:
    queue = loaded(kept, data)
    waiting = queue.named(PREFIX + SHA256)
    assert waiting is not None
    del kept.words[waiting.words[0].id]
    take_in(queue, data)
    assert {word.state for word in kept.words.values()} == {"accepted"} and len(kept.words) == 2
    Reviewer(data, "ana").undo(queue.reopen)
    assert {word.state for word in kept.words.values()} == {"new"}


def test_a_decision_that_was_taken_back_at_the_source_is_not_written_there_again(kept: Kept, data: Path) -> None:
    take_in(loaded(kept, data), data)
    kept.record(SHA256, Verdict(action="reopen"))
    queue = loaded(kept, data)
    assert list(queue.said) == [SHA256]
    assert [action for _, action in kept.recorded] == ["accept", "reopen"]
    (row,) = [row for row in manifest.require(data) if row.sha256 == SHA256]
    queue.settle(Reviewer(data, "ana").relabel(row.path, row.label, "cap", SHA256))
    assert {word.decision and word.decision.label for word in kept.words.values()} == {"cap"}
    assert loaded(kept, data).said == {}


def test_what_a_crash_cut_off_is_told_and_listed_by_what_comes_next(kept: Kept, data: Path, kill: Kill) -> None:
    kill(lambda: take_in(loaded(kept, data), data))
    assert kept.recorded == [] and SHA256 not in {row.sha256 for row in manifest.require(data)}
    assert loaded(kept, data).said == {} and kept.recorded == [(SHA256, "accept")]
    Reviewer(data, "ana").confirm("hat/1.png", "hat")
    assert SHA256 in {row.sha256 for row in manifest.require(data)}


def test_what_is_in_the_data_set_by_now_is_not_taken_in_again(kept: Kept, data: Path) -> None:
    queue = loaded(kept, data)
    waiting = queue.named(PREFIX + SHA256)
    assert waiting is not None
    take_in(queue, data)
    for decide in (
        lambda: Reviewer(data, "bo").take_in(newcomer(waiting), "cap", RED),
        lambda: Reviewer(data, "bo").leave_out(newcomer(waiting)),
    ):
        with pytest.raises(TwinlensError) as caught:
            decide()
        assert caught.value.code == "review_conflict"


@pytest.mark.parametrize("label", ["", "../x", "a/b", ".hidden", "a\0b"])
def test_a_label_that_is_no_folder_takes_nothing_in(kept: Kept, data: Path, label: str) -> None:
    before = manifest.require(data)
    with pytest.raises(TwinlensError) as caught:
        take_in(loaded(kept, data), data, label)
    assert caught.value.code == "invalid_request"
    assert manifest.require(data) == before and log.read(data) == []


def test_a_photo_of_another_content_than_was_said_is_not_taken_in(kept: Kept, data: Path) -> None:
    kept.files[SHA256] = encoded("blue", 9, "PNG")
    with pytest.raises(TwinlensError) as caught:
        loaded(kept, data).photo(SHA256)
    assert caught.value.code == "not_found"

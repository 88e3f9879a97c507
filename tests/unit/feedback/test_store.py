"""The database, SQLite and PostgreSQL alike: what is kept once, what is refused, and what a decision makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import exc, func, select, text, update

from tests.unit.feedback.made import ROOMY, photo, word
from twinlens.errors import TwinlensError
from twinlens.feedback import connect as connections
from twinlens.feedback import store as stores
from twinlens.feedback.connect import connected, writing
from twinlens.feedback.schema import FEEDBACK, INSTALLATION, METADATA, PHOTOS
from twinlens.feedback.store import Quota, Store
from twinlens.settings import ROOT


def code_of(work, *arguments, **options) -> str:
    with pytest.raises(TwinlensError) as caught:
        work(*arguments, **options)
    return caught.value.code


def written(url: str, statement) -> None:
    engine = connected(url)
    with writing(engine).begin() as connection:
        connection.execute(statement)
    engine.dispose()


def numbers(store: Store) -> tuple[int, int]:
    """How many words, and on how many photos."""
    counts = store.counts()
    return counts["feedback"], counts["photos"]


class TestBoth:
    def test_the_tables_are_those_that_the_migrations_make(self, url: str, store: Store) -> None:
        engine = connected(url)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        engine.dispose()

    def test_processes_that_start_at_once_have_one_key(self, url: str) -> None:
        code = f"from twinlens.feedback.store import Store; print(Store({url!r}).pseudonym('x'))"
        command = [sys.executable, "-c", code]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
        found = {process.communicate(timeout=60)[0] for process in both}
        assert [process.returncode for process in both] == [0, 0] and len(found) == 1

    def test_a_photo_and_a_word_are_kept_once(self, store: Store) -> None:
        first, outcome = store.add(photo(), "ana", word("red"), ROOMY)
        assert (outcome, first.label, first.state, first.decision) == ("accepted", "red", "new", None)
        assert store.find(first.id) == first
        again, outcome = store.add(photo(), "ana", word("red", predicted="green"), ROOMY)
        assert (outcome, again) == ("replayed", first)
        assert numbers(store) == (1, 1)

    def test_the_last_word_of_a_client_counts_under_the_same_id(self, store: Store) -> None:
        first, _ = store.add(photo(), "ana", word("red"), ROOMY)
        for label in ("green", None, "red"):
            last, outcome = store.add(photo(), "ana", word(label), ROOMY)
            assert (outcome, last.id, last.label) == ("replaced", first.id, label)
        assert numbers(store) == (1, 1)

    def test_one_photo_under_different_labels_of_different_clients(self, store: Store) -> None:
        for number, label in enumerate(("red", "green", "blue", None)):
            store.add(photo(), f"client{number}", word(label), ROOMY)
        assert numbers(store) == (4, 1)
        assert [each.label for each in store.page("new", 10)] == ["red", "green", "blue", None]

    def test_a_thousand_wrong_labels_of_one_client_are_few(self, store: Store) -> None:
        quota = Quota(20, 1 << 40)
        refused = []
        for number in range(1000):
            try:
                store.add(photo(number), "flood", word("red"), quota)
            except TwinlensError as error:
                refused.append(error)
        assert {error.code for error in refused} == {"feedback_quota"} and len(refused) == 980
        assert refused[0].status == 429 and refused[0].retry_seconds
        assert numbers(store) == (20, 20)
        store.add(photo(0), "flood", word("green"), quota)  # its last word on what it spoke of may still change
        store.add(photo("other"), "someone else", word("red"), quota)

    def test_a_quota_is_of_the_last_day(self, url: str, store: Store) -> None:
        quota = Quota(1, 1 << 40)
        store.add(photo(1), "ana", word(), quota)
        assert code_of(store.add, photo(2), "ana", word(), quota) == "feedback_quota"
        written(url, update(FEEDBACK).values(received=datetime.now(UTC) - timedelta(hours=25)))
        store.add(photo(2), "ana", word(), quota)

    def test_a_client_has_so_many_bytes_a_day(self, store: Store) -> None:
        quota = Quota(100, 1 << 40, bytes_per_day=2500)
        for number in (1, 2):
            store.add(photo(number), "ana", word(), quota)
        assert code_of(store.add, photo(3), "ana", word(), quota) == "feedback_quota"
        store.add(photo(3, 500), "ana", word(), quota)
        store.add(photo(1), "ana", word("green"), quota)
        store.add(photo(3), "bo", word(), quota)

    def test_a_file_is_written_once_there_is_room_and_before_its_row(self, store: Store) -> None:
        written: list[str] = []

        def fails() -> None:
            raise TwinlensError("feedback_unavailable", "")

        assert code_of(store.add, photo(1), "ana", word(), ROOMY, fails) == "feedback_unavailable"
        assert numbers(store) == (0, 0)
        quota = Quota(1, 1 << 40)
        store.add(photo(1), "ana", word(), quota, lambda: written.append("first"))
        assert code_of(store.add, photo(2), "ana", word(), quota, lambda: written.append("too many")) == (
            "feedback_quota"
        )
        assert written == ["first"]

    def test_what_was_decided_on_long_ago_makes_room_and_the_decision_stays(self, store: Store) -> None:
        quota, removed = Quota(100, 1500), []
        number = store.add(photo(1), "ana", word("red"), quota)[0].id
        assert store.prune(datetime.now(UTC), removed.append) == 0
        store.decide(number, "red", "bo")
        assert store.prune(datetime.now(UTC) - timedelta(days=1), removed.append) == 0
        assert code_of(store.add, photo(2), "ana", word(), quota) == "feedback_full"

        def fails(_: object) -> None:
            raise TwinlensError("feedback_unavailable", "")

        assert code_of(store.prune, datetime.now(UTC), fails) == "feedback_unavailable"
        assert store.counts()["bytes"] == 1000
        assert store.prune(datetime.now(UTC), removed.append) == 1
        assert (removed, store.counts()["bytes"]) == ([photo(1)], 0)
        store.add(photo(2), "ana", word(), quota)
        assert store.find(number).state == "accepted"
        assert code_of(store.reopen, number) == "review_conflict"
        again, outcome = store.add(photo(1), "bo", word("green"), quota, lambda: removed.append("written again"))
        assert (outcome, again.state, len(removed)) == ("accepted", "relabelled", 1)
        assert store.prune(datetime.now(UTC), removed.append) == 0

    def test_the_photos_together_have_a_bound(self, store: Store) -> None:
        quota = Quota(100, 2500)
        store.add(photo(1), "ana", word(), quota)
        store.add(photo(2), "ana", word(), quota)
        assert code_of(store.add, photo(3), "bo", word(), quota) == "feedback_full"
        store.add(photo(1), "bo", word(), quota)  # is there already, and takes no room
        store.add(photo(4, 500), "bo", word(), quota)
        assert store.counts()["bytes"] == 2500

    def test_at_the_same_time_quotas_are_exact_and_replays_are_one(self, store: Store) -> None:
        quota = Quota(5, 1 << 40)

        def speak(number: int) -> str:
            try:
                return store.add(photo(number % 12), "flood", word(), quota)[1]
            except TwinlensError as error:
                return error.code

        with ThreadPoolExecutor(6) as pool:
            outcomes = list(pool.map(speak, range(36)))
        assert outcomes.count("accepted") == 5
        assert set(outcomes) <= {"accepted", "replayed", "feedback_quota"}
        assert numbers(store) == (5, 5)

    def test_pages_have_everything_once_whatever_becomes_of_it_meanwhile(self, store: Store) -> None:
        kept = [store.add(photo(number), "ana", word(), ROOMY)[0] for number in range(7)]
        first = store.page(None, 3)
        # What is said anew stays where it was, and the last one of a page may go.
        store.add(photo(0), "ana", word("green"), ROOMY)
        store.remove(first[-1].id)
        found, after = first, first[-1].sequence
        while page := store.page(None, 3, after):
            found, after = found + page, page[-1].sequence
        assert found == kept
        store.remove(kept[-1].id)
        late, _ = store.add(photo("late"), "ana", word(), ROOMY)
        assert store.page(None, 9, after) == [late]
        for unknown in ("00000000-0000-0000-0000-000000000000", "nonsense", "'; DROP TABLE feedback; --", "\0"):
            assert code_of(store.find, unknown) == "not_found"

    def test_a_photo_is_known_by_its_digest_whoever_takes_back_what_they_said(self, store: Store) -> None:
        one, other = (store.add(photo(), name, word("red"), ROOMY)[0].id for name in "ab")
        assert store.find(photo().sha256).id == one
        assert code_of(store.remove, photo().sha256) == "not_found"  # that is nobody's word
        store.remove(one)
        assert store.decide(photo().sha256, "red", "ana").id == other
        assert store.find(other).state == "accepted"
        reopened = store.reopen(photo().sha256)
        assert (reopened.state, reopened.reopened is not None) == ("new", True)
        assert store.decide(photo().sha256, None, "ana").reopened is None
        assert code_of(store.decide, photo("none").sha256, "red", "ana") == "not_found"

    def test_a_decision_is_on_the_photo_and_says_who_was_right(self, store: Store) -> None:
        red, green, none = (
            store.add(photo(), name, word(label), ROOMY)[0].id
            for name, label in (("a", "red"), ("b", "green"), ("c", None))
        )
        other = store.add(photo("other"), "a", word("red"), ROOMY)[0].id

        def states() -> list[str]:
            return [store.find(each).state for each in (red, green, none, other)]

        decided = store.decide(green, "red", "ana")
        assert decided.decision is not None
        assert (decided.id, decided.state, decided.decision.label, decided.decision.who) == (
            green,
            "relabelled",
            "red",
            "ana",
        )
        assert states() == ["accepted", "relabelled", "relabelled", "new"]
        assert [each.id for each in store.page("new", 9)] == [other]
        late, _ = store.add(photo(), "d", word("red"), ROOMY)
        assert late.state == "accepted"  # the photo is decided on, whoever speaks of it later
        store.decide(red, None, "bo")
        assert states() == ["set-aside"] * 3 + ["new"]
        assert {each.state for each in store.page("set-aside", 9)} == {"set-aside"}
        assert store.reopen(none).decision is None
        assert states() == ["new"] * 4
        unknown = "00000000-0000-0000-0000-000000000000"
        assert {code_of(store.decide, unknown, "x", "ana"), code_of(store.reopen, unknown)} == {"not_found"}

    def test_what_is_removed_leaves_the_photo_to_those_who_spoke_of_it_too(self, store: Store) -> None:
        one, other = (store.add(photo(), name, word(), ROOMY)[0].id for name in "ab")
        removed: list[object] = []
        store.remove(one, removed.append)
        assert removed == []

        def fails(_: object) -> None:
            raise TwinlensError("feedback_unavailable", "")

        assert code_of(store.remove, other, fails) == "feedback_unavailable"
        assert store.find(other).id == other
        store.remove(other, removed.append)
        assert removed == [photo()]
        assert numbers(store) == (0, 0)
        assert code_of(store.remove, other) == "not_found"

    def test_how_much_there_is(self, store: Store) -> None:
        assert store.counts() == {
            "feedback": 0,
            "right": 0,
            "clients": 0,
            "photos": 0,
            "bytes": 0,
            "states": {"new": 0, "accepted": 0, "relabelled": 0, "set-aside": 0},
        }
        for name, label in (("a", "blue"), ("b", "red"), ("c", None)):
            number = store.add(photo(), name, word(label), ROOMY)[0].id
        store.add(photo("x"), "a", word("blue"), ROOMY)
        store.decide(number, "blue", "ana")
        counts = store.counts()
        assert (counts["feedback"], counts["right"], counts["clients"], counts["photos"]) == (4, 2, 3, 2)
        assert counts["states"] == {"new": 1, "accepted": 1, "relabelled": 2, "set-aside": 0}

    def test_a_client_has_one_pseudonym_which_says_nothing(self, url: str, store: Store) -> None:
        name = store.pseudonym("192.0.2.7")
        again = Store(url)
        assert again.pseudonym("192.0.2.7") == name != again.pseudonym("192.0.2.8")
        again.close()
        assert "192" not in name and len(name) == 32

    def test_tables_of_a_newer_version_are_left_alone(self, url: str, store: Store) -> None:
        store.add(photo(), "ana", word(), ROOMY)
        written(url, text("UPDATE alembic_version SET version_num = '999'"))
        with pytest.raises(TwinlensError, match="newer") as caught:
            Store(url)
        assert caught.value.code == "feedback_unavailable"
        assert numbers(store) == (1, 1)

    def test_a_label_may_be_any_text(self, store: Store) -> None:
        for label in ("<script>alert(1)</script>", "'; DROP TABLE photos; --", "帽子", "🧢" * 20, "%s {x}"):
            kept, _ = store.add(photo(label), "ana", word(label), ROOMY)
            assert store.find(kept.id).label == label

    def test_rows_do_not_outlive_their_photo(self, url: str, store: Store) -> None:
        store.add(photo(), "ana", word(), ROOMY)
        engine = connected(url)
        with pytest.raises(Exception, match=r"(?i)foreign key"), writing(engine).begin() as connection:
            connection.execute(PHOTOS.delete())
        with engine.connect() as connection:
            assert connection.execute(select(func.count()).select_from(PHOTOS)).scalar_one() == 1
        engine.dispose()


def test_a_database_that_cannot_be_opened_says_so_and_not_where(tmp_path: Path, caplog) -> None:
    (tmp_path / "file").write_text("no database, and longer than the head of one would be " * 9)
    for path in (tmp_path / "file" / "x.db", tmp_path / "file", tmp_path):
        with pytest.raises(TwinlensError) as caught:
            Store(f"sqlite:///{path}")
        assert (caught.value.code, caught.value.status) == ("feedback_unavailable", 503)
        assert str(tmp_path) not in caught.value.detail
    assert (tmp_path / "file").read_text().startswith("no database")
    assert caplog.text.count("cannot be reached") == 3


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql+psycopg://ana:hunter2hunter2@127.0.0.1:1/x", "feedback_unavailable"),
        ("postgresql+psycopg://ana:hunter2hunter2@[::1/x", "invalid_setting"),
        ("postgresql+psycopg://ana:hunter2hunter2@127.0.0.1:port/x", "invalid_setting"),
    ],
)
def test_a_password_is_in_no_error_and_no_log(url: str, code: str, caplog) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(TwinlensError) as caught:
        Store(url)
    assert caught.value.code == code
    assert "hunter2" not in caught.value.detail + caplog.text


def test_tables_that_are_gone_or_closed_have_the_databases_code(caplog) -> None:
    for error in (exc.ProgrammingError, exc.OperationalError):
        with pytest.raises(TwinlensError) as caught, stores._reached():
            raise error("SELECT", {}, Exception("permission denied for table feedback"))
        assert caught.value.code == "feedback_unavailable" and "permission" not in caught.value.detail
    assert "permission denied" in caplog.text


def test_who_waits_for_another_one_too_long_is_told_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_PATIENCE_SECONDS", 1)
    store, other = Store(url), connected(url)
    with writing(other).begin() as holding:
        holding.execute(select(INSTALLATION.c.id).with_for_update())
        started = time.monotonic()
        assert code_of(store.add, photo(), "ana", word(), ROOMY) == "feedback_unavailable"
        assert time.monotonic() - started < 5
    store.add(photo(), "ana", word(), ROOMY)
    store.close()
    other.dispose()

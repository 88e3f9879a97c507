"""A load test that was stopped goes on where it was, and only with what it measured under the same conditions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.kept import Kept, key_of
from loadtest.plan import Shot


def test_a_step_is_measured_once(tmp_path: Path) -> None:
    said: list[str] = []
    for turn in range(3):
        kept = Kept(tmp_path, "key", said.append)
        assert kept.step("one", lambda turn=turn: {"turn": turn}) == {"turn": 0}
    assert said == ["one", "one: kept from an earlier run", "one: kept from an earlier run"]
    assert Kept(tmp_path, "other", said.append).step("one", lambda: 7) == 7
    assert Kept(tmp_path, "key", said.append, fresh=True).step("one", lambda: 8) == 8


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "key", lambda line: None)

    def fail() -> int:
        raise OSError("cut off")

    with pytest.raises(OSError, match="cut off"):
        kept.step("one", fail)
    assert kept.step("one", lambda: 1) == 1


def test_the_key_hangs_on_bytes_answers_pages_and_facts(tmp_path: Path) -> None:
    page, photo = tmp_path / "page", tmp_path / "photo.jpg"
    page.mkdir()
    (page / "index.html").write_text("page")
    photo.write_bytes(b"photo")
    shot = Shot(str(photo), "photo", "image/jpeg", "red", 0.9)

    def key(shots: list[Shot] | None = None, facts: list[object] | None = None) -> str:
        return key_of([shot] if shots is None else shots, [page], ["digest", 1] if facts is None else facts)

    first = key()
    assert key() == first
    others = {key([shot, shot]), key([replace(shot, label="blue")]), key(facts=["digest", 2])}
    photo.write_bytes(b"other")
    others.add(key())
    photo.write_bytes(b"photo")
    (page / "index.html").write_text("another")
    others.add(key())
    assert first not in others
    assert len(others) == 5


def test_a_result_that_is_not_to_last_is_measured_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "key", lambda line: None)
    assert kept.step("one", lambda: 1, lasts=lambda found: found > 1) == 1
    assert kept.step("one", lambda: 2, lasts=lambda found: found > 1) == 2
    assert kept.step("one", lambda: 3) == 2

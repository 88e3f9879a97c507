"""``twinlens feedback``: what it shows, and what it forgets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.feedback.made import encoded, word
from training.rules import standard
from twinlens.cli import main
from twinlens.feedback.desk import Desk
from twinlens.settings import Settings


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of two words on one photo, of which one is decided on, and of one on another."""
    monkeypatch.setenv("TWINLENS_FEEDBACK", f"sqlite:///{tmp_path}/x.db")
    desk, rules = Desk(Settings.from_environment()), standard(64, 64)
    first = desk.take(encoded("red"), "192.0.2.7", word("red", "red"), rules)[0].id
    none = desk.take(encoded("red"), "192.0.2.8", word(None), rules)[0].id
    last = desk.take(encoded("blue"), "192.0.2.7", word("blue"), rules)[0].id
    desk.store.decide(first, "red", "ana")
    desk.close()
    return [first, none, last]


def test_the_list(kept: list[str], capsys) -> None:
    assert main(["feedback", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == kept
    assert "accepted -> red by ana: says red, the model red 75.0%" in lines[0]
    assert "relabelled -> red by ana: says none of the labels" in lines[1]
    assert main(["feedback", "list", "--state", "new", "--json"]) == 0
    (only,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (only["id"], only["state"], only["decision"]) == (kept[2], "new", None)


def test_the_counts(kept: list[str], capsys) -> None:
    assert main(["feedback", "stats"]) == 0
    assert capsys.readouterr().out.startswith("3 words of 2 clients on 2 photos (0.0 MiB): 1 new, 1 accepted")
    assert main(["feedback", "stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["right"] == 2


def test_what_is_removed_is_gone(kept: list[str], tmp_path: Path, capsys) -> None:
    photos = [path for path in (tmp_path / "x-photos").rglob("*") if path.is_file()]
    assert main(["feedback", "remove", kept[2]]) == 0
    assert len([path for path in photos if path.is_file()]) == len(photos) - 1 == 1
    assert main(["feedback", "remove", kept[2]]) == 2
    assert capsys.readouterr().err.startswith("twinlens: not_found: ")


@pytest.mark.parametrize("what", [["stats"], ["list"], ["remove", "7"]])
def test_a_path_that_is_mistyped_makes_no_database(
    what: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("TWINLENS_FEEDBACK", f"sqlite:///{tmp_path}/mistyped/x.db")
    assert main(["feedback", *what]) == 2
    assert capsys.readouterr().err.startswith("twinlens: invalid_setting: ")
    assert list(tmp_path.iterdir()) == []


def test_where_none_is_kept_that_is_said(capsys) -> None:
    assert main(["feedback", "stats"]) == 2
    assert capsys.readouterr().err.startswith("twinlens: invalid_setting: No feedback is kept")

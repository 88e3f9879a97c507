"""The command line, the order of a round, and where the result goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.page.options import parse
from benchmarks.page.plan import OURS, PAGES, minutes, order
from twinlens.errors import TwinlensError


def test_by_default_everything_is_measured(tmp_path: Path) -> None:
    options = parse([], results=tmp_path)
    assert (options.only, options.rounds, options.warm, options.photos) == (list(PAGES), 7, 25, None)
    assert (options.command, options.whole, options.out) == ("make bench-page", True, tmp_path / "page.json")


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["--only", "litert_js, twinlens"], "--only litert_js,twinlens"),
        (["--rounds", "2"], "--rounds 2"),
        (["--warm", "3"], "--warm 3"),
    ],
)
def test_a_partial_run_stays_in_the_work_folder(arguments: list[str], command: str, tmp_path: Path) -> None:
    options = parse([*arguments, "--work", str(tmp_path / "work"), "--fresh"], results=tmp_path)
    assert (options.out, options.whole) == (tmp_path / "work" / "page.json", False)
    assert options.command == f'make bench-page ARGS="{command}"'


def test_photos_are_named_in_the_command(tmp_path: Path) -> None:
    options = parse([str(tmp_path), "--rounds", "9"], results=tmp_path)
    assert options.whole and options.command.startswith("make bench-page PHOTOS=")
    assert options.command.endswith(' ARGS="--rounds 9"')


def test_photos_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(TwinlensError, match="is not a folder") as caught:
        parse([str(tmp_path / "nothing")])
    assert caught.value.code == "invalid_data"


def test_ours_is_always_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--only", "litert_js"])
    assert caught.value.code == 2
    assert "--only needs twinlens" in capsys.readouterr().err


def test_every_page_is_first_once_and_none_is_left_out() -> None:
    rounds = [order(PAGES, number) for number in range(2 * len(PAGES))]
    assert all(sorted(names) == sorted(PAGES) for names in rounds)
    assert {names[0] for names in rounds} == set(PAGES)
    assert rounds[0] == list(PAGES) and rounds[1] == [PAGES[1], PAGES[0], *PAGES[:1:-1]]


def test_more_of_anything_takes_longer() -> None:
    assert minutes(PAGES, 7) > minutes(PAGES, 1) > minutes((OURS,), 1) > 0

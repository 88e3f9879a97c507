"""The command line, the command that a result names, and where the result goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.serving.options import parse
from benchmarks.serving.plan import SERVERS
from twinlens.errors import TwinlensError


def test_by_default_everything_is_measured(tmp_path: Path) -> None:
    options = parse([], results=tmp_path)
    assert options.only == list(SERVERS)
    assert (options.rounds, options.seconds, options.photos, options.command) == (7, 5, None, "make bench-server")
    assert options.out == tmp_path / "server.json"


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["--only", "litserve, twinlens"], "--only litserve,twinlens"),
        (["--rounds", "2"], "--rounds 2"),
        (["--seconds", "1"], "--seconds 1"),
    ],
)
def test_a_partial_run_stays_in_the_work_folder(arguments: list[str], command: str, tmp_path: Path) -> None:
    options = parse([*arguments, "--work", str(tmp_path / "work"), "--fresh"], results=tmp_path)
    assert options.out == tmp_path / "work" / "server.json"
    assert options.command == f'make bench-server ARGS="{command}"'


def test_servers_keep_their_order(tmp_path: Path) -> None:
    assert parse(["--only", "litserve,twinlens"]).only == ["twinlens", "litserve"]


def test_more_rounds_are_a_whole_run(tmp_path: Path) -> None:
    options = parse([str(tmp_path), "--rounds", "9", "--seconds", "8"], results=tmp_path)
    assert options.out == tmp_path / "server.json"
    assert options.command.startswith("make bench-server PHOTOS=")
    assert options.command.endswith(' ARGS="--rounds 9 --seconds 8"')


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "twinlens,nginx"], "nginx: choose from twinlens, "),
        (["--rounds", "0"], "'0' is no whole number from 1 up"),
        (["--seconds", "1.5"], "'1.5' is no whole number from 1 up"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_the_help_says_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "500x375 with 128, 500x375 with 1 just after, 1600x1200 with 8, 4000x3000 with 4" in text
    assert "minutes, in which nothing else should run" in text


def test_photos_that_are_not_there() -> None:
    with pytest.raises(TwinlensError, match="is not a folder") as caught:
        parse(["not there"])
    assert caught.value.code == "invalid_data"

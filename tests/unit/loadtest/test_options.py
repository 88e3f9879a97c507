"""The command line, and the command that a result names."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.options import parse
from twinlens.errors import TwinlensError


def test_by_default_everything_is_compared() -> None:
    options = parse([])
    assert [network.name for network in options.networks] == ["fibre", "4g", "slow-3g"]
    assert [device.factor for device in options.devices] == [1, 0.25, 0.125]
    assert (options.photos, options.count, options.command) == (None, 100, "make loadtest")


def test_the_command_names_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    options = parse(
        ["photos", "--networks", "4g,fibre", "--count", "20", "--phone-size", "40x30", "--fresh", "--out", "x"]
    )
    assert options.command.endswith('/photos ARGS="--count 20 --phone-size 40x30 --networks 4g,fibre"')
    assert options.command.startswith("make loadtest PHOTOS=")
    assert [network.name for network in options.networks] == ["4g", "fibre"]
    assert options.phone_size == (40, 30)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--networks", "5g"], "5g: choose from fibre, 4g, slow-3g"),
        (["--devices", "desktop,watch"], "watch: choose from desktop, phone, slow-phone"),
        (["--count", "0"], "'0' is no whole number from 1 up"),
        (["--phone-share", "1.5"], "'1.5' is no number from 0 to 1"),
        (["--limit", "hope"], "invalid choice"),
        (["--phone-size", "big"], "invalid"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_photos_that_are_not_there() -> None:
    with pytest.raises(TwinlensError, match="is not a folder") as caught:
        parse(["not there"])
    assert caught.value.code == "invalid_data"


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        ([], True),
        (["--count", "200", "--core-hour", "0.1", "--networks", "slow-3g,fibre,4g"], True),
        (["--networks", "fibre"], False),
        (["--devices", "desktop,phone"], False),
        (["--count", "99"], False),
        (["--phone-size", "800x600"], False),
        (["--load-seconds", "2"], False),
    ],
)
def test_the_result_of_a_partial_run_stays_in_its_folder(arguments: list[str], whole: bool, tmp_path: Path) -> None:
    options = parse([*arguments, "--work", str(tmp_path / "work")], results=tmp_path)
    assert options.out == (tmp_path if whole else tmp_path / "work") / "loadtest.json"
    assert parse([*arguments, "--out", "here.json"]).out == Path("here.json")

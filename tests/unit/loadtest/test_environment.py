"""Locust's environment: apart from the server's, whose requirements have nothing of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loadtest import environment
from twinlens import isolated
from twinlens.errors import TwinlensError
from twinlens.isolated import Environment, Recipe

ROOT = Path(__file__).parents[3]


def names(requirements: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / requirements).read_text(), re.MULTILINE))


def test_gevent_is_in_no_environment_but_locust_s() -> None:
    assert {"locust", "gevent"} <= names("loadtest.txt")
    for path in (ROOT / "requirements").glob("*.txt"):
        if path.name != "loadtest.txt":
            assert not names(path.name) & {"locust", "gevent"}, path.name


def test_the_pinned_version_is_known() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", environment.locust_version())


def test_the_pinned_environment_s_interpreter_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(recipe: Recipe, cache: Path | None) -> Environment:
        assert (recipe, cache) == (environment.RECIPE, tmp_path)
        return Environment(tmp_path / "made", 1.0, "3.11")

    monkeypatch.setattr(isolated, "prepare", make)
    assert environment.prepare(tmp_path) == tmp_path / "made" / "bin" / "python"


def test_the_command_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: object) -> Environment:
        raise TwinlensError("download_failed", "There is no network.")

    monkeypatch.setattr(isolated, "prepare", fail)
    assert environment.main() == 2
    assert capsys.readouterr() == ("", "There is no network.\n")

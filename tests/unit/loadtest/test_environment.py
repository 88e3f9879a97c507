"""Locust's environment: apart from the server's, whose requirements have nothing of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from loadtest import environment
from twinlens.errors import TwinlensError

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


def test_it_is_made_once_and_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        python = next(tmp_path.glob("loadtest-*[0-9a-f]"), tmp_path / "none") / "bin" / "python"
        if "venv" in command:
            (Path(command[-1]) / "bin").mkdir(parents=True)
            (Path(command[-1]) / "bin" / "python").touch()
        failed = len(ran) == 2 and python.is_file()
        return subprocess.CompletedProcess(command, int(failed), "", "no network")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(TwinlensError, match="no network") as caught:
        environment.prepare(tmp_path)
    assert caught.value.code == "download_failed"
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    python = environment.prepare(tmp_path)
    assert python.is_file()
    made = len(ran)
    assert environment.prepare(tmp_path) == python
    assert len(ran) == made == 4
    assert "--require-hashes" in ran[-1]


def test_nothing_of_this_python_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere")
    monkeypatch.setenv("HOME", "/home/someone")
    assert {"PYTHONPATH", "VIRTUAL_ENV", "HOME"} & set(environment.variables()) == {"HOME"}

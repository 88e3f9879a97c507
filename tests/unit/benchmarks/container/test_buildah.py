"""Buildah, by a stand-in for its program: what it does when it cannot begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.container import buildah
from benchmarks.container.buildah import Buildah
from twinlens.errors import TwinlensError

SAYS = "Close_Fd sealing memfd copy: Device or resource busy"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(buildah, "_BUSY_SECONDS", 0.3)
    return tmp_path / "calls"


def engine(calls: Path, busy: int, says: str = SAYS) -> Buildah:
    """One whose `run` cannot begin the first so many times."""
    program = calls.with_name("buildah")
    program.write_text(
        f"""#!/bin/sh
case "$*" in
*inspect*) echo '{{"Docker": {{"config": {{"Entrypoint": ["serve"], "Cmd": null}}}}}}' ;;
*from*) echo made ;;
*" run "*)
    echo x >>{calls}
    [ "$(wc -l <{calls})" -gt {busy} ] || {{ echo "{says}" >&2; exit 1; }}
    echo begun
    [ "${{*##*-- }}" != serve ] || sleep 60 ;;
esac
"""
    )
    program.chmod(0o755)
    return Buildah(str(program), "1")


def test_a_command_that_could_not_begin_is_run_again(calls: Path) -> None:
    container = engine(calls, busy=2).create("image", {}, 1)
    assert container.execute(["true"]) == "begun\n"
    container.remove()
    assert calls.read_text() == "x\n" * 3


def test_it_is_given_up_in_the_end(calls: Path) -> None:
    container = engine(calls, busy=100).create("image", {}, 1)
    with pytest.raises(TwinlensError, match="sealing memfd copy"):
        container.execute(["true"])
    container.remove()
    assert calls.read_text() == "x\n" * buildah._BUSY_TRIES


def test_another_failure_is_one_at_once(calls: Path) -> None:
    container = engine(calls, busy=100, says="no such file").create("image", {}, 1)
    with pytest.raises(TwinlensError, match="no such file"):
        container.execute(["true"])
    container.remove()
    assert calls.read_text() == "x\n"


def test_a_server_that_could_not_begin_is_started_again(calls: Path) -> None:
    container = engine(calls, busy=1).create("image", {}, 1)
    container.start()
    try:
        assert container.is_running()
        assert container.log() == "begun\n"
        assert calls.read_text() == "x\n" * 2
    finally:
        container.remove()
    assert not container.is_running()

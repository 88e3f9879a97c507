import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.process import answer, step
from twinlens.isolated import Environment

pytestmark = pytest.mark.alone


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a module for a step to run."""
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))

    def write(code: str) -> str:
        (tmp_path / "a_step.py").write_text(f"import os, sys, subprocess, time\n{code}\n")
        return "a_step"

    return write


def test_the_last_line_is_what_was_found(module) -> None:
    code = "from benchmarks.process import answer\nprint('Converting')\nanswer({'seconds': float(sys.argv[1])})"
    assert step(module(code), ["1.5"], 60) == {"seconds": 1.5}


def test_an_exception_is_a_failure_with_its_message(module) -> None:
    found = step(module("raise MemoryError('Unable to allocate 9 GiB')"), [], 60)
    assert found == {"failed": "ended with status 1: MemoryError: Unable to allocate 9 GiB"}


def test_a_crash_is_a_failure(module) -> None:
    assert step(module("os.kill(os.getpid(), 11)"), [], 60) == {"failed": "ended with status -11: it said nothing"}


@pytest.mark.parametrize("code", ["", "print('done')", "print('[1]')"])
def test_an_end_without_an_answer_is_a_failure(module, code: str) -> None:
    assert "ended with status 0" in step(module(code), [], 60)["failed"]


def test_one_that_does_not_end_is_ended_with_its_children(module, tmp_path: Path) -> None:
    child = (
        f"import time; open({str(tmp_path / 'child')!r}, 'w').write(str(__import__('os').getpid())); time.sleep(600)"
    )
    code = f"subprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(600)"
    assert step(module(code), [], 3) == {"failed": "not within 3 s"}
    pid = int((tmp_path / "child").read_text())
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child is still there")


def test_an_answer_is_one_line_whatever_came_before(capsys: pytest.CaptureFixture[str]) -> None:
    sys.stdout.write("no newline")
    answer({"error": 1e-6})
    assert capsys.readouterr().out.splitlines()[-1] == '{"error": 1e-06}'


def test_a_step_runs_in_the_environment_that_it_is_given(module, tmp_path: Path) -> None:
    python = tmp_path / "made" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    name = module("from benchmarks.process import answer\nanswer({'path': os.environ['PATH']})")
    found = step(name, [], 60, Environment(tmp_path / "made", 1.0, "3.11"))
    assert found["path"].split(os.pathsep)[0] == str(python.parent)

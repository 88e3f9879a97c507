"""Who descends from whom, and the processor time that they took, by the kernel's account."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from loadtest import processes
from loadtest.processes import children, cpu_seconds, descendants, require_proc
from twinlens.errors import TwinlensError

# A process with a name that would confuse a careless reader of /proc, which starts another one and waits for it.
PARENT = (
    "import ctypes, subprocess, sys\n"
    "ctypes.CDLL(None).prctl(15, b'a ) (b', 0, 0, 0)\n"
    "child = subprocess.Popen([sys.executable, '-c', 'sum(range(3_000_000)); print(1, flush=True); input()'],\n"
    "                         stdin=subprocess.PIPE)\n"
    "input(); child.communicate(b'x')\n"
)


def test_a_tree_is_found_and_its_time_counted() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        below = descendants(parent.pid)
        assert len(below) == 1
        assert parent.pid in children(os.getpid())
        assert children(parent.pid) == below
        assert {parent.pid, *below} <= descendants(os.getpid())
        assert os.getpid() not in descendants(os.getpid())
        assert cpu_seconds(below) > 0
        assert cpu_seconds({parent.pid, *below}) >= cpu_seconds(below)
        parent.communicate(b"x")
    assert below & descendants(os.getpid()) == set()


def test_processes_that_have_ended_took_no_time_that_can_be_read() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert cpu_seconds({done.pid}) == 0


def test_a_system_without_proc_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    require_proc()
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    with pytest.raises(TwinlensError, match="Run it on Linux") as caught:
        require_proc()
    assert caught.value.code == "missing_requirement"

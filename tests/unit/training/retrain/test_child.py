"""A process that is started must not outlive the one that started it, which may be a service for weeks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from training.retrain import child

ROOT = Path(__file__).parents[4]
CHILD = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
PARENT = f"""
import os, sys
from training.retrain.child import ended_by_sigterm, run
with ended_by_sigterm():
    run([sys.executable, "-c", {CHILD!r}], os.environ)
"""


def ended(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("how", "status"),
    [
        (signal.SIGTERM, 143),
        pytest.param(
            signal.SIGKILL,
            -signal.SIGKILL,
            marks=pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends the child then"),
        ),
    ],
)
def test_a_child_ends_with_its_parent(how, status):
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent:
        pid = int(parent.stderr.readline())
        assert not ended(pid)
        parent.send_signal(how)
        assert parent.wait(20) == status
        until = time.monotonic() + 20
        while not ended(pid):
            assert time.monotonic() < until, "the child goes on"
            time.sleep(0.02)


def test_what_a_child_prints_is_no_part_of_what_came_of_it(capfd):
    assert child.run([sys.executable, "-c", "print('epoch 1'); raise SystemExit(3)"], os.environ) == 3
    out, err = capfd.readouterr()
    assert (out, err) == ("", "epoch 1\n")


def test_sigterm_is_what_it_was_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught, child.ended_by_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before

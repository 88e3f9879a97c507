import os
import signal
import time
from contextlib import ExitStack

import pytest

from benchmarks.arguments import reported
from twinlens.errors import TwinlensError


def test_a_measurement_that_is_ended_from_outside_ends_what_it_started(capsys: pytest.CaptureFixture[str]) -> None:
    ended: list[str] = []

    def run() -> int:
        with ExitStack() as stack:
            stack.callback(ended.append, "server")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        return 0

    before = signal.getsignal(signal.SIGTERM)
    assert reported(run) == 130
    assert ended == ["server"]
    assert "before it was done" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_is_wrong_is_said_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        raise TwinlensError("invalid_data", "No photos.")

    assert reported(run) == 2
    assert capsys.readouterr().err == "error [invalid_data]: No photos.\n"

"""One step of a benchmark in a process of its own: whatever it ends with, the benchmark goes on.

A browser that crashes, a converter that never comes back or one that the system kills for its memory counts as a
failure of that step, with what was said last.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from benchmarks.results import ROOT
from twinlens.isolated import Environment

FAILED: Final = "failed"
_RUNNING: Final[set[int]] = set()
_SHOWN: Final = 400


def step(module: str, arguments: Sequence[str], limit: float, environment: Environment | None = None) -> dict[str, Any]:
    """Run ``python -m MODULE ARGUMENTS`` and read the JSON object on the last line of its output.

    :param limit: seconds after which the process and its children are ended.
    :param environment: what it runs in, by default this one.
    :return: that object; ``{"failed": why}`` if there is none.
    """
    with subprocess.Popen(
        [str(environment.python) if environment else sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment.variables() if environment else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        _RUNNING.add(process.pid)
        try:
            output, complaints = process.communicate(timeout=limit)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                return {FAILED: f"not within {limit:g} s"}
            raise
        finally:
            _RUNNING.discard(process.pid)
    if process.returncode == 0:
        try:
            found = json.loads(output.splitlines()[-1])
        except (ValueError, IndexError):
            found = None
        if isinstance(found, dict):
            return found
    last = (complaints.strip().splitlines() or ["it said nothing"])[-1]
    return {FAILED: f"ended with status {process.returncode}: {last[:_SHOWN]}"}


def end_all() -> None:
    """End every step that runs now, in whatever thread it was started."""
    for pid in list(_RUNNING):
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def answer(found: dict[str, Any]) -> None:
    """Print what a step has found, for :func:`step` to read."""
    sys.stdout.write(f"\n{json.dumps(found, allow_nan=False)}\n")
    sys.stdout.flush()

"""A process that ends when the one that started it does, however that ends.

Ctrl-C reaches both, since they share a terminal. SIGTERM, which is what a service manager sends, reaches the parent
alone, and would end it on the spot: :func:`ended_by_sigterm` makes an exception of it, so that the child is ended on
the way out. Where the parent is killed outright, the kernel ends the child, on Linux; elsewhere nothing can.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_STDERR: Final = 2


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end. What it prints goes to stderr: stdout is for what came of the whole.

    :return: its exit status.
    """
    process = subprocess.Popen(command, env=dict(environment), stdout=_STDERR, preexec_fn=_dies_with_parent())
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Have SIGTERM raise ``SystemExit`` (143, as a shell says it) in the block; in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _dies_with_parent() -> Callable[[], object] | None:
    """What the child does before it becomes the command; nothing where the system has no such thing."""
    if not sys.platform.startswith("linux"):
        return None
    # Loaded before the fork: afterwards no lock may be waited for that another thread held.
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

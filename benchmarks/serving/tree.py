"""What a server's whole process tree holds in memory while it is busy, and when it is idle again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psutil  # type: ignore[import-untyped]

from loadtest.processes import descendants, tree_seconds

_SAMPLE_SECONDS: Final = 1.0
_STEP_SECONDS: Final = 0.25
_IDLE_SHARE: Final = 0.1
_LONGEST_SECONDS: Final = 30.0


class Peak:
    """The largest sum of memory seen so far, in MiB; 0 before the first look."""

    mib: float = 0.0


@contextmanager
def peak_memory(root: int) -> Iterator[Peak]:
    """Look at a tree's memory once a second while the block lasts, and once at its end.

    Counted are proportional set sizes, so that memory which processes share counts once.
    """
    peak, ended = Peak(), threading.Event()

    def look() -> None:
        peak.mib = max(peak.mib, memory_mib(root))

    def watch() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()
        look()


def memory_mib(root: int) -> float:
    """The proportional set sizes of a process and all that descend from it, together, in MiB."""
    total = 0
    for pid in {root, *descendants(root)}:
        with suppress(psutil.Error):  # it has ended meanwhile
            total += psutil.Process(pid).memory_full_info().pss
    return total / 2**20


def wait_until_idle(root: int) -> None:
    """Wait until a tree takes less than a tenth of a core, half a minute at most: what wrk left behind is over."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    used = tree_seconds(root)
    while time.monotonic() < deadline:
        time.sleep(_STEP_SECONDS)
        before, used = used, tree_seconds(root)
        if used - before < _IDLE_SHARE * _STEP_SECONDS:
            return

"""When a model's ``current`` is to be read again: it or the index was written since, or it could not be used then."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from twinlens.store import CURRENT

LOOK_SECONDS: Final = 0.5
"""How often a server looks whether another version was published: one ``stat``, some microseconds."""
_RETRY_SECONDS: Final = 30.0
_MOST_RETRY_SECONDS: Final = 960.0


class Follower:
    """Watches one model's ``current`` for the price of a ``stat``, and of another one where there is an index.

    :param model: the model's folder, ``MODELS/NAME``.
    :param index: file that is replaced when the index is made anew, which lets a model be used that could not before.
    :param clock: seconds that only grow.
    """

    def __init__(self, model: Path, index: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._paths = [model / CURRENT, *([] if index is None else [index])]
        self._clock = clock
        self._seen: tuple[tuple[int, ...], ...] | None = None
        self._again: float | None = None
        self._wait = _RETRY_SECONDS

    def due(self) -> bool:
        """Whether ``current`` should be read; asked again, it is due only when something has changed.

        What could not be used is due again after half a minute, since whoever copies a model file by file may copy
        ``current`` before what it names; then after twice as long each time, up to a quarter of an hour, since a try
        reads all of the model.
        """
        now = self._signature()
        if now != self._seen:
            self._wait = _RETRY_SECONDS
        elif self._again is None or self._clock() < self._again:
            return False
        self._seen, self._again = now, None
        return True

    def failed(self) -> None:
        """Have what was due last tried again some time."""
        self._again = self._clock() + self._wait
        self._wait = min(2 * self._wait, _MOST_RETRY_SECONDS)

    def _signature(self) -> tuple[tuple[int, ...], ...]:
        """Other numbers whenever one of the files was written or replaced; none for one that is not there."""
        return tuple(_signature(path) for path in self._paths)


def _signature(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_ino, status.st_size

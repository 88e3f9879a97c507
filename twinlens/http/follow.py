"""When a model's ``current`` is to be read again: it was written since, or what it named then could not be used."""

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
    """Watches one model's ``current`` for the price of a ``stat``.

    :param model: the model's folder, ``MODELS/NAME``.
    :param clock: seconds that only grow.
    """

    def __init__(self, model: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = model / CURRENT
        self._clock = clock
        self._seen: tuple[int, ...] | None = None
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

    def _signature(self) -> tuple[int, ...]:
        """Other numbers whenever the file was written or replaced; none where it is not there."""
        try:
            status = self._path.stat()
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_ino, status.st_size

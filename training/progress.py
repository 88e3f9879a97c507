"""Progress of long work: a bar on stderr in a terminal, a line now and then where stderr is a file or a pipe."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

from tqdm import tqdm

_SECONDS_BETWEEN_LINES: Final = 20.0


def bar(total: int, what: str, unit: str = "photo") -> tqdm[Any]:
    """A bar with rate and time left; it disappears when it is closed.

    :param total: how many units there are.
    :param what: what is being done.
    """
    terminal = sys.stderr.isatty()
    interval = 0.1 if terminal else _SECONDS_BETWEEN_LINES
    return tqdm(
        total=total, desc=what, unit=unit, leave=False, mininterval=interval, dynamic_ncols=terminal, disable=_silent()
    )


def say(line: str) -> None:
    """Write one line to stdout at once, above any bar."""
    if not _silent():
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()


def _silent() -> bool:
    """Of several processes that ``torchrun`` started, only the first one speaks."""
    return int(os.environ.get("RANK", "0")) > 0

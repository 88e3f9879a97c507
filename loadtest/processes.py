"""Processes by the kernel's own account, ``/proc``: who descends from whom, and the processor time they took."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from twinlens.errors import TwinlensError

_PROC: Final = Path("/proc")


def require_proc() -> None:
    """See that there is a ``/proc`` to read.

    :raises TwinlensError: ``missing_requirement`` if there is none.
    """
    if not (_PROC / "self" / "stat").is_file():
        raise TwinlensError(
            "missing_requirement",
            "The load test reads processor time and holds browsers back through Linux's /proc, which this system does "
            "not have. Run it on Linux, or in a container.",
        )


def descendants(pid: int) -> set[int]:
    """The processes that descend from one, itself not among them."""
    parents = {child: int(fields[1]) for child, fields in _stats()}
    found, new = set[int](), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def children(pid: int) -> set[int]:
    """The processes that one has started itself."""
    return {child for child, fields in _stats() if int(fields[1]) == pid}


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor seconds, user's and system's, that processes and those of their children that have ended took."""
    wanted, ticks = set(pids), os.sysconf("SC_CLK_TCK")
    return sum(sum(map(int, fields[11:15])) for pid, fields in _stats() if pid in wanted) / ticks


def tree_seconds(root: int) -> float:
    """The same of a process and all that descend from it."""
    return cpu_seconds({root, *descendants(root)})


def _stats() -> Iterator[tuple[int, list[str]]]:
    """Every process with the fields of its ``stat`` after the command's name; see proc(5)."""
    for entry in os.scandir(_PROC):
        if entry.name.isdigit():
            try:
                text = (_PROC / entry.name / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:  # it has ended meanwhile
                continue
            # The name may hold blanks and brackets, so what follows its last bracket is read.
            yield int(entry.name), text.rpartition(")")[2].split()

"""Hold a whole tree of processes, every thread of it, to a share of one core: what makes a slower device of a browser.

DevTools' throttling slows the main thread only, and the page infers in a worker. A cgroup's CPU quota holds all of
them; where none can be made, the tree is stopped and continued in turns, as ``cpulimit`` does it. Which one it was is
part of the result, and a loop in a worker has to show that it worked (``loadtest.calibration``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, Protocol

from twinlens.errors import TwinlensError

Method = Literal["auto", "cgroup", "signals"]
_PERIOD_US: Final = 100_000
"""The kernel hands a quota out to processors in slices of 5 ms; of a shorter period's, much is lost between them."""
_LEAST_QUOTA_US: Final = 1_000
"""The kernel takes no smaller one."""
_TURN_SECONDS: Final = 0.05
_LOOK_SECONDS: Final = 0.5


class Limit(Protocol):
    """A limit that can be changed while it holds."""

    @property
    def name(self) -> str:
        """Which kind it is."""

    def set(self, share: float | None) -> None:
        """Hold the tree to a share of one core; None lets go of it."""


@contextmanager
def limiting(tree: Callable[[], set[int]], method: Method = "auto") -> Iterator[Limit]:
    """Hold a tree of processes while the block lasts; no share is set at first.

    :param tree: gives the ids of the processes that are in the tree now.
    :raises TwinlensError: ``missing_requirement`` if a cgroup is asked for and none can be made.
    """
    group = None if method == "signals" else _make_group()
    if group is None and method == "cgroup":
        raise TwinlensError(
            "missing_requirement",
            "No cgroup with a CPU quota can be made here: that takes root, or a delegated cgroup with the cpu "
            "controller. Use --limit signals, which needs neither.",
        )
    limit: _Quota | _Turns = _Turns(tree) if group is None else _Quota(tree, group)
    try:
        yield limit
    finally:
        limit.close()


class _Group:
    """A cgroup of our own, below the one that this process is in."""

    def __init__(self, parent: Path, folder: Path, version: int) -> None:
        self.parent, self.folder, self.version = parent, folder, version

    def write(self, quota: int | None) -> None:
        """Set the quota of each period, in microseconds; None for none.

        :raises OSError: if the kernel refuses.
        """
        if self.version == 1:
            (self.folder / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (self.folder / "cpu.cfs_quota_us").write_text(str(-1 if quota is None else quota))
        else:
            (self.folder / "cpu.max").write_text(f"{'max' if quota is None else quota} {_PERIOD_US}")

    def take(self, pids: set[int]) -> None:
        """Put processes into the group; what they start later is in it too."""
        _move(pids, self.folder)

    def remove(self) -> None:
        """Put what still runs back, and remove the group."""
        self.write(None)
        for _ in range(20):
            with contextlib.suppress(OSError):
                _move({int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()}, self.parent)
                self.folder.rmdir()
                return
            time.sleep(0.1)


def _move(pids: set[int], folder: Path) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            (folder / "cgroup.procs").write_text(str(pid))


def _make_group() -> _Group | None:
    """A new group, if one can be made whose quota can be set."""
    for parent, version in _parents():
        folder = parent / f"twinlens-{os.getpid()}-{time.monotonic_ns()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        group = _Group(parent, folder, version)
        try:
            group.write(_PERIOD_US)
            group.write(None)
        except OSError:
            folder.rmdir()
            continue
        return group
    return None


def _parents() -> Iterator[tuple[Path, int]]:
    """This process's own cgroups that may have a CPU quota, with their version; see cgroups(7)."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except OSError:
        return
    paths = {controller: path for _, listed, path in own for controller in listed.split(",")}
    for fields in mounts:
        kind, options = fields[fields.index("-") + 1], fields[-1].split(",")
        version = 1 if kind == "cgroup" and "cpu" in options else 2 if kind == "cgroup2" else None
        path = paths.get("cpu" if version == 1 else "")
        if version is not None and path is not None:
            yield Path(fields[4]) / Path(path).relative_to("/"), version


class _Quota:
    name = "cgroup quota"

    def __init__(self, tree: Callable[[], set[int]], group: _Group) -> None:
        self._tree, self._group = tree, group

    def set(self, share: float | None) -> None:
        self._group.take(self._tree())
        self._group.write(None if share is None else max(round(share * _PERIOD_US), _LEAST_QUOTA_US))

    def close(self) -> None:
        self._group.remove()


class _Turns:
    """Stop and continue the tree in turns of a twentieth of a second, from a thread."""

    name = "stop and continue"

    def __init__(self, tree: Callable[[], set[int]]) -> None:
        self._tree = tree
        self._share: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="limit", daemon=True)
        self._thread.start()

    def set(self, share: float | None) -> None:
        self._share = share

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        pids, looked = self._tree(), time.monotonic()
        while not self._ended.is_set():
            share = self._share
            if share is None:
                self._ended.wait(_TURN_SECONDS)
                continue
            if time.monotonic() - looked > _LOOK_SECONDS:
                pids, looked = self._tree(), time.monotonic()
            _signal(pids, signal.SIGSTOP)
            try:
                self._ended.wait(_TURN_SECONDS * (1 - share))
            finally:
                _signal(pids, signal.SIGCONT)
            self._ended.wait(_TURN_SECONDS * share)


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

"""What holds a tree of processes back: both kinds let go of it in the end. That they hold is tests/e2e's to show."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest import limit
from loadtest.limit import limiting
from twinlens.errors import TwinlensError

pytestmark = pytest.mark.alone

BUSY = "while True: pass"


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", BUSY]) as process:
        yield process
        process.kill()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_signals_stop_and_continue_and_leave_it_running(busy: subprocess.Popen[bytes]) -> None:
    seen = set()
    with limiting(lambda: {busy.pid}, "signals") as held:
        assert held.name == "stop and continue"
        held.set(0.2)
        deadline = time.monotonic() + 20
        while not {"T", "R"} <= seen and time.monotonic() < deadline:
            seen.add(state(busy.pid))
            time.sleep(0.003)
    assert {"T", "R"} <= seen
    assert state(busy.pid) != "T"


def test_signals_are_told_of_processes_that_have_ended(busy: subprocess.Popen[bytes]) -> None:
    with limiting(lambda: {busy.pid}, "signals") as held:
        held.set(0.5)
        busy.kill()
        busy.wait()
        time.sleep(0.2)
        held.set(None)


class FakeKernel:
    """Files as a cgroup has them, in a folder."""

    def __init__(self, folder: Path, version: int) -> None:
        self.parent, self.version = folder, version
        (folder / "cgroup.procs").touch()

    def made(self) -> Path:
        (group,) = (path for path in self.parent.iterdir() if path.is_dir())
        return group


@pytest.mark.parametrize("version", [1, 2])
def test_a_quota_is_written_as_the_kernel_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    kernel = FakeKernel(tmp_path, version)
    monkeypatch.setattr(limit, "_parents", lambda: iter([(tmp_path, version)]))
    with limiting(lambda: {17}, "cgroup") as held:
        assert held.name == "cgroup quota"
        group = kernel.made()
        quota = group / ("cpu.cfs_quota_us" if version == 1 else "cpu.max")
        assert quota.read_text() == ("-1" if version == 1 else "max 100000")
        held.set(0.25)
        assert (group / "cgroup.procs").read_text() == "17"
        assert quota.read_text() == ("25000" if version == 1 else "25000 100000")
        held.set(0.001)
        assert quota.read_text().split()[0] == "1000"  # the least that the kernel takes
        held.set(None)
        assert quota.read_text() == ("-1" if version == 1 else "max 100000")
        # The kernel's files go with the folder; those of this stand-in have to be moved out of the way.
        monkeypatch.setattr(Path, "rmdir", lambda folder: folder.rename(folder.with_name("removed")))
    assert not group.exists()
    assert (tmp_path / "cgroup.procs").read_text() == "17"


def test_without_a_cgroup_signals_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "_parents", lambda: iter([(tmp_path / "not there", 2)]))
    with limiting(lambda: set(), "auto") as held:
        assert held.name == "stop and continue"
    with pytest.raises(TwinlensError, match="--limit signals") as caught, limiting(lambda: set(), "cgroup"):
        pass
    assert caught.value.code == "missing_requirement"


def test_a_real_cgroup_is_removed_and_its_processes_go_back(busy: subprocess.Popen[bytes]) -> None:
    before = Path(f"/proc/{busy.pid}/cgroup").read_text()
    with limiting(lambda: {busy.pid}, "auto") as held:
        held.set(0.5)
        inside = Path(f"/proc/{busy.pid}/cgroup").read_text()
        assert (inside != before) == (held.name == "cgroup quota")
    assert Path(f"/proc/{busy.pid}/cgroup").read_text() == before
    used = ticks(busy.pid)
    deadline = time.monotonic() + 20
    while ticks(busy.pid) == used and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ticks(busy.pid) > used

"""Real servers for tests: a process tree on a free port, ended as a whole, with its log."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psutil

from benchmarks.server import free_port, is_free

ROOT: Final = Path(__file__).resolve().parent.parent
SERVE: Final = (sys.executable, "-m", "twinlens", "serve")
_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 30.0


@dataclass(frozen=True)
class RunningServer:
    """A server that answers."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def worker(self) -> psutil.Process:
        """The process that answers requests; the others supervise."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(child for child in children if "_bentoml_impl.worker.service" in " ".join(child.cmdline()))


@contextlib.contextmanager
def running(
    environment: Mapping[str, str],
    command: Sequence[str] = SERVE,
    *,
    ready: bool = True,
    cwd: Path = ROOT,
    stop: signal.Signals = signal.SIGINT,
) -> Iterator[RunningServer]:
    """Run a server while the block lasts.

    :param environment: the settings, beside what this process has of others than ours.
    :param command: what starts it; ``--port PORT`` is added.
    :param ready: wait for /readyz; otherwise for /livez only.
    :param stop: the signal that ends it, sent to the whole group as a terminal's Ctrl-C is.
    """
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TWINLENS_", "BENTOML_"))}
    with tempfile.TemporaryDirectory(prefix="twinlens-test-") as temporary:
        log = Path(temporary) / "log"
        home = {"BENTOML_HOME": f"{temporary}/home", "BENTOML_DO_NOT_TRACK": "true", "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*command, "--port", str(port)],
                env={**inherited, **home, **environment},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        server = RunningServer(f"http://127.0.0.1:{port}", port, process, log)
        try:
            _wait_until(server, "/readyz" if ready else "/livez")
            yield server
        finally:
            _end(server, stop)


def _wait_until(server: RunningServer, path: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(server.url + path, timeout=5).is_success:
                return
        time.sleep(0.1)
    raise AssertionError(f"The server did not answer {path}:\n{server.log.read_text(errors='replace')}")


def _end(server: RunningServer, stop: signal.Signals) -> None:
    """End the tree, by force if need be, and hold it to having ended and let go of its port."""
    group = server.process.pid
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, stop)
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline and (server.process.poll() is None or _alive(group)):
        time.sleep(0.05)
    left = _alive(group)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    server.process.wait()
    assert not left, f"{stop.name} left these running: {left}\n{server.log.read_text(errors='replace')}"
    assert is_free(server.port), f"port {server.port} is still taken"


def _alive(group: int) -> list[str]:
    """The commands of a process group's processes that have not ended."""
    alive = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                alive.append(" ".join(process.info["cmdline"] or ["?"]))
    return alive

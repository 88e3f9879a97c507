"""A real ``twinlens serve`` in a process of its own, for end-to-end tests and measurements."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from benchmarks.results import ROOT
from twinlens.errors import TwinlensError
from twinlens.settings import PREFIX

_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 30.0


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Served:
    """A server that is ready: its address, without a trailing slash, and the process at the root of its tree."""

    url: str
    pid: int


@contextmanager
def serving(settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address alone of what :func:`served` runs."""
    with served(settings) as server:
        yield server.url


@contextmanager
def served(settings: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Run ``twinlens serve`` from the repository's root on a free port until the block ends.

    :param settings: environment variables ``TWINLENS_...`` to set; no other setting is taken from this process.
    :raises TwinlensError: ``not_ready`` if it ends, or is not ready within two minutes, with the end of its output.
    """
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {**(settings or {}), "TWINLENS_HOST": "127.0.0.1", "TWINLENS_PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("twinlens"), "serve"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_ready(process, url, log)
            yield Served(url, process.pid)
        finally:
            _end(process)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    log.seek(0)
    output = log.read()[-4000:].decode(errors="replace")
    state = "is not ready" if process.returncode is None else f"ended with status {process.returncode}"
    raise TwinlensError("not_ready", f"`twinlens serve` {state}. The end of what it said:\n{output}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole process tree: politely, then for good."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue

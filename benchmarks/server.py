"""A real server in a process of its own, ``twinlens serve`` above all, for end-to-end tests and measurements."""

from __future__ import annotations

import functools
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psutil  # type: ignore[import-untyped]

from benchmarks.results import ROOT
from twinlens.errors import TwinlensError
from twinlens.settings import PREFIX

_START_SECONDS: Final = 300.0
_STOP_SECONDS: Final = 30.0
_KILL_SECONDS: Final = 5.0
_SHOWN: Final = 4000
# Below the ports that a kernel gives to connections by itself, so that none of those takes one just found free.
_PORTS: Final = range(20_000, 30_000)
_SHARES: Final = 16
# In the environment of a server and of whatever it starts, so that what has left its session is found as well.
_MARK: Final = "SERVER_RUN"


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on: another one at every call.

    Tests that run side by side, in processes that pytest-xdist numbers, each draw from ports of their own.
    """
    return next(filter(is_free, _own_ports(os.environ.get("PYTEST_XDIST_WORKER", ""))))


@functools.cache
def _own_ports(worker: str) -> Iterator[int]:
    """The ports of a process of the tests, again and again; ``gw1`` is the second one."""
    ports = _PORTS[int(worker.removeprefix("gw") or 0) % _SHARES :: _SHARES]
    return itertools.cycle(random.sample(ports, len(ports)))


def is_free(port: int) -> bool:
    """Whether a loopback port can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@dataclass(frozen=True)
class Served:
    """A server that is ready: its address, without a trailing slash, and its first process."""

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
    :raises TwinlensError: as :func:`running` does.
    """
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    # It ends when nobody asks any more: there is nothing to drain.
    ours = {"TWINLENS_HOST": "127.0.0.1", "TWINLENS_PORT": str(port), "TWINLENS_DRAIN_S": "0"}
    environment |= {**(settings or {}), **ours}
    command = [str(Path(sys.executable).with_name("twinlens")), "serve"]
    with running("`twinlens serve`", command, port, "/readyz", environment, ROOT) as pid:
        yield Served(f"http://127.0.0.1:{port}", pid)


@contextmanager
def running(
    name: str, command: Sequence[str], port: int, ready_path: str, environment: Mapping[str, str], folder: Path
) -> Iterator[int]:
    """Run a server until the block ends; then end every process that it has started, and see its port free again.

    :param name: what it is called in errors.
    :param port: the loopback port that the command makes it listen on.
    :param ready_path: answers GET with 200 once it is ready.
    :param environment: all of its environment variables.
    :param folder: where it is started.
    :return: the id of its first process, the leader of its session, once it is ready.
    :raises TwinlensError: ``not_ready`` if it ends, or is not ready within five minutes, with the end of its output;
        ``port_in_use`` if something still listens on the port afterwards.
    """
    mark = uuid.uuid4().hex
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_ready(process, name, f"http://127.0.0.1:{port}{ready_path}", log)
            yield process.pid
        finally:
            _end(process, mark)
    _wait_until_free(port, name)


def _wait_until_ready(process: subprocess.Popen[bytes], name: str, url: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    log.seek(0)
    output = log.read()[-_SHOWN:].decode(errors="replace")
    state = "is not ready" if process.returncode is None else f"ended with status {process.returncode}"
    raise TwinlensError("not_ready", f"{name} {state}. The end of what it said:\n{output}")


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """End the whole process tree: politely, then for good."""
    for number, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
        members = _members(process.pid, mark)
        for member in members:
            with suppress(psutil.NoSuchProcess):
                member.send_signal(number)
        psutil.wait_procs(members, seconds)
    process.wait()


def _members(leader: int, mark: str) -> list[psutil.Process]:
    """The processes of a server: those of its session, those that descend from it, and those that bear its mark."""
    members = set[psutil.Process]()
    with suppress(psutil.NoSuchProcess):
        members |= set(psutil.Process(leader).children(recursive=True))
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == leader or process.environ().get(_MARK) == mark:
                members.add(process)
    return list(members)


def _wait_until_free(port: int, name: str) -> None:
    deadline = time.monotonic() + _KILL_SECONDS
    while not is_free(port):
        if time.monotonic() > deadline:
            raise TwinlensError("port_in_use", f"{name} was ended, but something still listens on its port {port}.")
        time.sleep(0.05)

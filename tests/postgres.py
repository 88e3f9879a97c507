"""A PostgreSQL of a test's own: a cluster in a folder, on a free port and a socket, ended and removed afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from benchmarks.server import free_port

_PLACES: Final = "/usr/lib/postgresql/*/bin"
_OTHER_USER: Final = "nobody"
"""Whom the server runs as where the tests run as root, which PostgreSQL refuses to be."""


def _program(name: str) -> str:
    found = shutil.which(name)
    installed = [*sorted(Path("/").glob(f"{_PLACES[1:]}/{name}")), *([Path(found)] if found else [])]
    if not installed:
        pytest.skip(f"PostgreSQL is not installed: there is no {name} in the path nor in {_PLACES}")
    return str(installed[-1])


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """A running PostgreSQL, as the address of its database without a name: add one with ``/NAME``.

    Skips the test where none is installed.
    """
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    user = _OTHER_USER if os.geteuid() == 0 else None

    def run(*command: str) -> None:
        done = subprocess.run(command, user=user, group=None, cwd="/", capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    folder = Path(tempfile.mkdtemp(prefix="twinlens-postgres-", dir="/tmp"))
    try:
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        data, port = folder / "data", free_port()
        run(initdb, "--pgdata", str(data), "--username", "twinlens", "--auth", "trust", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
        log = str(folder / "log")
        run(pg_ctl, "start", "--pgdata", str(data), "--log", log, "--wait", "--silent", "--options", options)
        try:
            yield f"postgresql+psycopg://twinlens@127.0.0.1:{port}"
        finally:
            run(pg_ctl, "stop", "--pgdata", str(data), "--mode", "immediate", "--wait", "--silent")
    finally:
        shutil.rmtree(folder)

"""wrk, the client: one run against one address, and what came of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from twinlens.errors import TwinlensError

SCRIPT: Final = Path(__file__).with_name("wrk.lua")
_TIMEOUT_SECONDS: Final = 30
"""wrk's own, 2 seconds, would count the answers of a slow server as failed."""
_SLACK_SECONDS: Final = 60


class Load(NamedTuple):
    """What came of a run: answers of status 200, everything else, and percentiles in ms over all that was answered."""

    answered: int
    failed: int
    seconds: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


def find() -> str:
    """The path of wrk.

    :raises TwinlensError: ``missing_requirement`` if it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise TwinlensError(
            "missing_requirement",
            "The server is measured with wrk, which is not on the PATH. Install it, on Debian and Ubuntu as root: "
            "apt-get install wrk",
        )
    return found


def version() -> str:
    """wrk's version.

    :raises TwinlensError: as :func:`find` does.
    """
    # It ends with status 1, as it does after its help.
    said = subprocess.run([find(), "-v"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"^wrk (?:debian/)?(\S+)", said)
    return found[1] if found else "unknown"


def run(url: str, bodies: Sequence[Path], connections: int, seconds: int) -> Load:
    """Post bodies, in turn, over connections that each wait for their answer before they send the next.

    :param url: the whole address that is posted to.
    :param bodies: files of multipart bodies.
    :param seconds: how long.
    :raises TwinlensError: ``missing_requirement`` if there is no wrk, ``internal`` if it does not end, or without a
        result.
    """
    # One thread: a client that had two would take more of the cores that it shares with the server.
    command = [find(), "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={_TIMEOUT_SECONDS}s", "-s", str(SCRIPT)]
    try:
        done = subprocess.run(
            [*command, url, "--", *map(str, bodies)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + _SLACK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        limit = f"{error.timeout:g} s of a run of {seconds} s"
        raise TwinlensError("internal", f"wrk did not end within {limit}.") from None
    last = (done.stdout.strip().splitlines() or [""])[-1]
    if done.returncode != 0 or not last.startswith("{"):
        said = (done.stderr.strip() or last)[-400:]
        raise TwinlensError("internal", f"wrk ended with status {done.returncode} and without a result: {said}")
    return parse(last, connections)


def parse(line: str, connections: int) -> Load:
    """Read what the script prints.

    Failed are answers of another status than 200, socket errors, and requests to which nothing came back: wrk says
    nothing of a connection that is closed before the answer.

    :param line: the JSON.
    :param connections: how many of the requests may still have been waiting at the end.
    """
    found = json.loads(line)
    errors = sum(found[name] for name in ("connect", "read", "write", "timeout"))
    # wrk asks the script for one request that it does not send.
    silent = max(found["sent"] - 1 - found["answered"] - connections - errors, 0)
    percentiles = [found[f"p{number}_us"] / 1e3 if found["answered"] else None for number in (50, 95, 99)]
    return Load(
        found["answered"] - found["other_status"],
        found["other_status"] + errors + silent,
        found["microseconds"] / 1e6,
        *percentiles,
    )

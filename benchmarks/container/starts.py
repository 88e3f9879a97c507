"""How long the image's server takes to be ready, beside an empty BentoML service in the same image."""

from __future__ import annotations

import time
from typing import Any, Final

from benchmarks.container.engine import Container, Engine
from benchmarks.container.server import wait_until_ready
from benchmarks.results import significant
from benchmarks.server import free_port
from twinlens.errors import TwinlensError

_EMPTY: Final = """
import bentoml

@bentoml.service
class Empty:
    @bentoml.api
    def nothing(self) -> str:
        return ""
"""
# The arguments of a shell: the service's source. Its host and port are those that the server would take.
_SERVE_EMPTY: Final = (
    'mkdir -p /tmp/empty && cd /tmp/empty && printf %s "$0" >empty.py && '
    'exec python -m bentoml serve empty:Empty --host "$TWINLENS_HOST" --port "$PORT"'
)
_END_SECONDS: Final = 120.0


def measure(engine: Engine, image: str, rounds: int) -> list[dict[str, Any]]:
    """Let both start in turns.

    :param rounds: starts of each that are counted; one more of each, before them, is not.
    :return: a row for each round: ``twinlens`` and ``empty`` in seconds, and their ``ratio``.
    :raises TwinlensError: ``not_ready`` if one does not become ready, or does not end.
    """
    containers: dict[str, tuple[Container, str]] = {}
    try:
        for name, command in (("twinlens", ()), ("empty", ("/bin/sh", "-c", _SERVE_EMPTY, _EMPTY))):
            port = free_port()
            environment = {"PORT": str(port), "TWINLENS_DRAIN_S": "0"}
            container = engine.create(image, environment, port, command=command)
            containers[name] = container, f"http://127.0.0.1:{port}"
        rows = []
        for number in range(rounds + 1):
            seconds = {name: _start(*containers[name]) for name in containers}
            if number:
                row = {**seconds, "ratio": seconds["twinlens"] / seconds["empty"]}
                rows.append({"round": number, **{name: significant(value) for name, value in row.items()}})
        return rows
    finally:
        for container, _ in containers.values():
            container.remove()


def _start(container: Container, url: str) -> float:
    """Seconds from a container's start to its server's being ready; the server is ended afterwards."""
    began = time.monotonic()
    container.start()
    wait_until_ready(container, url)
    seconds = time.monotonic() - began
    container.terminate()
    if container.wait(_END_SECONDS) is None:
        raise TwinlensError("not_ready", f"A server did not end within {_END_SECONDS:g} s of SIGTERM.")
    return seconds

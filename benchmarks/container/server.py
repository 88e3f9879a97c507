"""The server in a container: started, asked, and waited for."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.container import inside
from benchmarks.container.engine import Container, Engine
from benchmarks.server import free_port
from twinlens.errors import TwinlensError

_INSIDE: Final = Path(inside.__file__).read_text(encoding="utf-8")
_READY_SECONDS: Final = 300.0
_TICK_SECONDS: Final = 0.02
_SHOWN: Final = 3000


@dataclass(frozen=True)
class Server:
    """A server that was ready: its container, its address, and when it was started, in seconds since the epoch."""

    container: Container
    url: str
    started: float


@contextlib.contextmanager
def running(engine: Engine, image: str, environment: Mapping[str, str], **options: Any) -> Iterator[Server]:
    """Run an image until the block ends.

    :param environment: variables; ``{port}`` in a value becomes a free port, where the server is expected.
    :param options: of :meth:`benchmarks.container.engine.Engine.create`.
    :return: the server, once it is ready.
    :raises TwinlensError: as :func:`wait_until_ready` does.
    """
    port = free_port()
    given = {name: value.format(port=port) for name, value in environment.items()}
    container, url = engine.create(image, given, port, **options), f"http://127.0.0.1:{port}"
    try:
        started = time.time()
        container.start()
        wait_until_ready(container, url)
        yield Server(container, url, started)
    finally:
        container.remove()


def wait_until_ready(container: Container, url: str) -> None:
    """Wait until /readyz answers 200.

    :raises TwinlensError: ``not_ready`` if the command ends, or is not ready in five minutes, with the end of its log.
    """
    deadline = time.monotonic() + _READY_SECONDS
    looked = time.monotonic()
    while time.monotonic() < deadline:
        if status(url, "/readyz") == 200:
            return
        if time.monotonic() - looked > 1:  # asking an engine takes longer than asking the server
            looked = time.monotonic()
            if not container.is_running():
                break
        time.sleep(_TICK_SECONDS)
    state = "is not ready" if container.is_running() else "has ended"
    raise TwinlensError(
        "not_ready", f"The server in the container {state}. The end of what it said:\n{container.log()[-_SHOWN:]}"
    )


def status(url: str, path: str) -> int | None:
    """The status of a GET request's answer; None if there is no answer."""
    try:
        return httpx.get(url + path, timeout=5).status_code
    except httpx.HTTPError:
        return None


def ask(container: Container, question: str, **arguments: Any) -> dict[str, Any]:
    """Ask from within the container.

    :param question: ``facts`` or ``kill_worker``, the functions of :mod:`benchmarks.container.inside`.
    :param arguments: theirs.
    """
    given = json.dumps({"do": question, **arguments})
    answer: dict[str, Any] = json.loads(container.execute(["python", "-c", _INSIDE, given]))
    return answer

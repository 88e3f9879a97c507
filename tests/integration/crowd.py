"""Clients that ask a server again and again, and what became of each request."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import psutil

from tests import images, models
from tests.servers import RunningServer

PHOTOS: Final = {colour: images.encoded(models.picture(colour), "JPEG") for colour in models.LABELS}
SLOW_PHOTO: Final = images.png(4_900, 4_900, images.zeros(4_900 * 14_701))
"""24 million black pixels in 70 kB: hardly anything to send, and work for a decoder."""


@dataclass
class Crowd:
    """What became of the requests: answers by their status or code, and what else happened, by its kind."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, outcome: str, wrong: str | None = None) -> None:
        with self._lock:
            self.outcomes[outcome] += 1
            if wrong:
                self.wrong.append(wrong)


class Clients:
    """Threads that send photos while the block lasts, each on connections of its own.

    :param photos: the files by the label that each must be answered with.
    :param pause: seconds between an answer and the next request.
    :param keep_alive: whether a client goes on using its connection.
    """

    def __init__(
        self,
        server: RunningServer,
        count: int,
        photos: Mapping[str, bytes] = PHOTOS,
        *,
        pause: float = 0.0,
        keep_alive: bool = True,
    ) -> None:
        self.crowd = Crowd()
        self._url = f"{server.url}/v1/classify"
        self._photos = list(photos.items())
        self._pause = pause
        self._keep_alive = keep_alive
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,), daemon=True) for number in range(count)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self.crowd

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads), "a request was neither answered nor refused"

    def _ask(self, number: int) -> None:
        headers = {} if self._keep_alive else {"Connection": "close"}
        with httpx.Client(timeout=50, headers=headers) as client:
            while not self._ended.is_set():
                label, photo = self._photos[number % len(self._photos)]
                number += 1
                try:
                    self._check(client.post(self._url, content=photo), label)
                except httpx.ConnectError:
                    self.crowd.note("refused")
                except httpx.HTTPError as error:
                    self.crowd.note(type(error).__name__)
                self._ended.wait(self._pause)

    def _check(self, answer: httpx.Response, label: str) -> None:
        if answer.status_code != 200:
            code = answer.json()["code"]
            retry = code != "overloaded" or "retry-after" in answer.headers
            self.crowd.note(code, None if retry else "a 429 without Retry-After")
            return
        found = answer.json()["predictions"][0]["label"]
        self.crowd.note("200", None if found == label else f"{label} was answered {found}")


def memory(server: RunningServer) -> int:
    """Bytes that the server's processes hold."""
    supervisor = psutil.Process(server.process.pid)
    return sum(each.memory_info().rss for each in (supervisor, *supervisor.children(recursive=True)))


def peak_memory(server: RunningServer) -> int:
    """The most bytes that the server's worker has held so far; Linux only."""
    status = Path(f"/proc/{server.worker.pid}/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

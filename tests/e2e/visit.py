"""One visit to the built page: a host of its own under a sub-path, a browser context, and a record of what happened."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, FileChooser, FilePayload, Locator, Page

from browser.static import Headers, Request, StaticServer
from tests import models

SUB_PATH = "/some/path/"
SERVICE_WORKER = f"{SUB_PATH}sw.js"

Publish = Callable[[Path, Path], dict[str, Path]]


@dataclass
class Visit:
    """``complaints``: the console's errors and warnings, broken security policies among them, and uncaught errors."""

    page: Page
    server: StaticServer
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def wait_until_ready(self) -> None:
        self.page.locator("body[data-state=ready]").wait_for()

    def since(self, count: int) -> list[Request]:
        """What the host was asked for after so many requests.

        Some time after a visit the browser looks by itself whether the service worker has changed. That is left out.
        """
        return [request for request in self.server.requests[count:] if request != (request.method, SERVICE_WORKER, 304)]

    def give(self, files: Sequence[FilePayload]) -> list[Locator]:
        """Choose files and wait for all of the page's results."""
        before = self.page.get_by_test_id("result").count()
        self.page.get_by_test_id("file-input").set_input_files(files)
        self.page.wait_for_function(
            "count => document.querySelectorAll('[data-testid=result]').length === count", arg=before + len(files)
        )
        return self.page.get_by_test_id("result").all()[before:]


def separate(dist: Path, model: Path) -> dict[str, Path]:
    """Folders by URL prefix: the page as it was built, and a model published beside it."""
    return {SUB_PATH: dist, f"{SUB_PATH}model/": model}


publish: Publish = separate
"""How page and model are put on the host; a module of tests may put another way in its place."""


@contextmanager
def visit(
    browser: Browser,
    dist: Path,
    model: Path,
    *,
    query: str = "",
    quiet: bool = True,
    host: str = "",
    headers: Headers | None = None,
    **context: Any,
) -> Iterator[Visit]:
    """Open the page, served from :data:`SUB_PATH` of a plain file host.

    :param quiet: whether a complaint of the browser fails the test.
    :param host: a host name to open it under, instead of the loopback address.
    :param headers: what the host sends beside the files.
    :param context: options of the browser context.
    """
    with StaticServer(publish(dist, model), headers) as server:
        opened = browser.new_context(**({"locale": "en-GB"} | context))
        try:
            page = opened.new_page()
            found = Visit(page, server)
            page.on("console", lambda message: _note(found, message.type, message.text))
            page.on("pageerror", lambda error: found.complaints.append(str(error)))
            page.on("request", lambda request: found.asked.append(request.url))
            url = server.url.replace("127.0.0.1", host) if host else server.url
            page.goto(f"{url}{SUB_PATH}{query}")
            yield found
            if quiet:
                assert found.complaints == [], found.complaints
        finally:
            opened.close()


def _note(found: Visit, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        found.complaints.append(text)


def with_prelude(dist: Path, folder: Path, script: str) -> Path:
    """A copy of the page whose worker runs a script of ours first, to stand for another kind of browser."""
    copy = Path(shutil.copytree(dist, folder / "dist"))
    (worker,) = (copy / "assets").glob("worker-*.js")
    worker.write_text(script + worker.read_text(encoding="utf-8"), encoding="utf-8")
    return copy


def file(name: str, data: bytes) -> FilePayload:
    """A file to choose. The declared type is one that says nothing: the page must look at the bytes."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def photo(colour: str) -> bytes:
    """An image file of one colour, which the made model knows."""
    return models.encoded(models.picture(colour), "PNG")


def picture(colour: str) -> FilePayload:
    """The same to choose."""
    return file(f"{colour}.png", photo(colour))


def painted(colour: Sequence[int], seed: int, size: int = 96) -> FilePayload:
    """A picture of nearly this colour (red, green and blue, 0 to 255), with noise; of each seed another."""
    rng = np.random.default_rng(seed)
    tint = np.asarray(colour) + rng.integers(-18, 19, 3)
    pixels = np.clip(tint + rng.integers(-30, 31, (size, size, 3)), 0, 255).astype(np.uint8)
    return file(f"{seed}.png", models.encoded(Image.fromarray(pixels), "PNG"))


def top_label(result: Locator) -> str | None:
    """The contract's name of the top label."""
    return result.get_by_test_id("top-label").get_attribute("data-label")


def scores(result: Locator) -> NDArray[np.float64]:
    """The score of every label, in the contract's order."""
    return np.asarray(json.loads(result.get_attribute("data-scores") or "null"), np.float64)


class Choosers:
    """The file choosers that a page opens from now on.

    Chromium is told to report choosers when the first listener comes, without the caller waiting for it: Playwright's
    ``expect_file_chooser``, right before the key or click that opens one, is sometimes too late.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._opened: list[FileChooser] = []
        page.on("filechooser", lambda chooser: self._opened.append(chooser))

    def only(self) -> FileChooser:
        """The one chooser that was opened, waited for."""
        for _ in range(200):
            if self._opened:
                break
            self._page.wait_for_timeout(50)
        (chooser,) = self._opened
        return chooser

"""What a visitor waits for, in a real Chromium: a first visit with all photos at once, a second one, single photos.

The real page and the upload page have the same hooks, so that one script drives all three ways. Times are the page's
own, from the start of its navigation, or from a photo's being chosen.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypedDict
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Request
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from benchmarks.results import ROOT
from browser.built import PAGE, require_built
from browser.chromium import chromium
from loadtest.calibration import Loop
from loadtest.limit import Method, limiting
from loadtest.plan import Shot
from loadtest.processes import children, descendants
from loadtest.profiles import Device, Network, Way
from loadtest.proxy import Proxy, Traffic
from twinlens.errors import TwinlensError

UPLOAD_PAGE: Final = ROOT / "web" / "dist-upload"
ADDRESSES: Final[dict[Way, str]] = {
    "device": "/",
    "original": "/upload/?way=original",
    "shrunk": "/upload/?way=shrunk",
}
SINGLE_CYCLES: Final = 2
LEAST_ANSWERS: Final = 2
"""What a first visit is not cut off before, since the pace of its answers has to be known."""
_PATIENCE_MS: Final = 900_000
_POLL_MS: Final = 250

_WATCH: Final = """
(() => {
  const seen = { answers: [], chosen: 0 };
  globalThis.loadtest = seen;
  new MutationObserver(() => {
    const count = document.querySelectorAll('[data-testid=result]').length;
    while (seen.answers.length < count) seen.answers.push(performance.now());
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-testid'] });
  document.addEventListener('change', () => { seen.chosen = performance.now(); }, true);
})()
"""
_READ: Final = """
() => [...document.querySelectorAll('#results > li')].map((li) => li.dataset.testid !== 'result' ? null : {
  label: li.querySelector('[data-testid=top-label]')?.dataset.label ?? null,
  score: Number(li.querySelector('[data-testid=top-score]')?.dataset.value ?? NaN),
  error: li.dataset.error ?? null,
})
"""
# The page answers before it has all that it will ask for; the upload page asks for nothing more.
_SETTLED: Final = "() => !['loading', 'busy'].includes(document.body.dataset.state)"


class Visited(TypedDict):
    """What was measured in one cell; milliseconds and bytes.

    ``answers_ms`` are the times of the first visit's answers, first to last; ``cold_bytes`` and ``single_bytes`` are
    bytes up and down, of the whole first visit, and of all of the single photos. ``share`` is the share of one core
    that the browser was held to, for the loop in a worker to show ``factors``.
    """

    answers_ms: list[float]
    warm_first_ms: float
    single_ms: list[float]
    cold_bytes: list[int]
    single_bytes: list[int]
    wrong: list[str]
    errors: list[str]
    score_differences: list[float]
    share: float | None
    factors: list[float]
    limit: str
    chromium: str


def write_site(folder: Path) -> Path:
    """A folder with the real page, and the upload page below it, for the server to serve.

    :raises TwinlensError: ``missing_page`` if one of them is not built.
    """
    for page in (PAGE, UPLOAD_PAGE):
        require_built(page)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PAGE, folder)
    shutil.copytree(UPLOAD_PAGE, folder / "upload")
    return folder


def measure(
    way: Way,
    network: Network,
    device: Device,
    server: str,
    shots: Sequence[Shot],
    cycle: int,
    seconds: float,
    method: Method = "auto",
) -> Visited:
    """Measure one cell, in a browser of its own.

    :param server: address of the server, whose page is :func:`write_site`'s.
    :param shots: the photos of a visit.
    :param cycle: how many photos hold the whole mix.
    :param seconds: when to give up on further answers of the first visit, once two have come, and on further single
        photos once one cycle of them was measured.
    """
    with _browser() as (browser, tree), limiting(tree, method) as limit, Proxy(network, server, shared=True) as proxy:
        bench = browser.new_page()
        bench.goto(f"{server}/livez")
        loop = Loop(bench, limit)
        share, before = loop.set(device.factor, device.share)
        context = browser.new_context()
        context.set_default_timeout(_PATIENCE_MS)
        context.add_init_script(_WATCH)
        found = _Visitor(context, proxy, way, shots).visit(cycle, seconds)
        context.close()
        factors = [before, loop.factor(share)]
        limit.set(None)
        held = {"share": share, "factors": factors, "limit": limit.name}
        return {**found, **held, "chromium": browser.version}  # type: ignore[typeddict-item]


def shrunk_bodies(server: str, shots: Sequence[Shot]) -> list[bytes]:
    """What the upload page sends for each photo when it shrinks them first.

    :raises TwinlensError: ``internal`` if it fails on one.
    """
    with _browser() as (browser, _):
        page = browser.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.add_init_script(_WATCH)
        page.goto(f"{server}{ADDRESSES['shrunk']}", wait_until="domcontentloaded")
        page.get_by_test_id("file-input").set_input_files([shot.path for shot in shots])
        _wait(page, len(shots), _PATIENCE_MS)
        for entry in page.evaluate(_READ):
            if entry["error"]:
                raise TwinlensError("internal", f"The upload page failed: {entry['error']}")
        read = "async (at) => Array.from(new Uint8Array(await sent[at].arrayBuffer()))"
        return [bytes(page.evaluate(read, index)) for index in range(len(shots))]


def requests(server: str, way: Way, shot: Shot) -> list[str]:
    """The paths that a first visit fetches until its first answer, the page's own first."""
    paths: list[str] = []

    def note(request: Request) -> None:
        address = urlsplit(request.url)
        if request.method == "GET" and address.scheme == "http":
            paths.append(address.path)

    with _browser() as (browser, _):
        context = browser.new_context()
        context.on("request", note)
        context.add_init_script(_WATCH)
        page = context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(f"{server}{ADDRESSES[way]}", wait_until="domcontentloaded")
        page.get_by_test_id("file-input").set_input_files([shot.path])
        _wait(page, 1, _PATIENCE_MS)
        context.close()
    return list(dict.fromkeys(paths))


@contextmanager
def _browser() -> Iterator[tuple[Browser, Any]]:
    """Chromium, and what gives the ids of its processes; Playwright's own driver is not among them."""
    before = children(os.getpid())
    with chromium() as browser:
        drivers = children(os.getpid()) - before
        yield browser, lambda: {pid for driver in drivers for pid in descendants(driver)}


class _Visitor:
    """Someone with a browser, photos, and a way to have them answered."""

    def __init__(self, context: BrowserContext, proxy: Proxy, way: Way, shots: Sequence[Shot]) -> None:
        self._context, self._proxy, self._shots = context, proxy, shots
        self._url = f"{proxy.url}{ADDRESSES[way]}"
        self._wrong: list[str] = []
        self._errors: list[str] = []
        self._differences: list[float] = []

    def visit(self, cycle: int, seconds: float) -> dict[str, Any]:
        start, deadline = self._proxy.traffic, time.monotonic() + seconds
        page = self._open(self._shots)
        _wait(page, min(LEAST_ANSWERS, len(self._shots)), _PATIENCE_MS)
        _wait(page, len(self._shots), 1000 * max(deadline - time.monotonic(), 0.001))
        answers = self._read(page, self._shots)
        cold = self._proxy.traffic.since(start)
        page.close()
        page = self._open(self._shots[:1])
        _wait(page, 1, _PATIENCE_MS)
        (warm_first,) = page.evaluate("() => loadtest.answers")
        page.wait_for_function(_SETTLED, polling=_POLL_MS)
        singles, traffic = self._singles(page, cycle, seconds)
        return {
            "answers_ms": answers,
            "warm_first_ms": warm_first,
            "single_ms": singles,
            "cold_bytes": list(cold),
            "single_bytes": list(traffic),
            "wrong": self._wrong,
            "errors": self._errors,
            "score_differences": self._differences,
        }

    def _open(self, shots: Sequence[Shot]) -> Page:
        page = self._context.new_page()
        page.goto(self._url, wait_until="domcontentloaded")
        page.get_by_test_id("file-input").set_input_files([shot.path for shot in shots])
        return page

    def _singles(self, page: Page, cycle: int, seconds: float) -> tuple[list[float], Traffic]:
        """Photos one by one, the next when the last was answered."""
        cycle = min(cycle, len(self._shots))
        start, deadline = self._proxy.traffic, time.monotonic() + seconds
        taken: list[float] = []
        while len(taken) < cycle or (len(taken) < SINGLE_CYCLES * cycle and time.monotonic() < deadline):
            for shot in self._shots[:cycle]:
                page.get_by_test_id("file-input").set_input_files([shot.path])
                _wait(page, len(taken) + 2, _PATIENCE_MS)
                taken.append(page.evaluate("() => loadtest.answers.at(-1) - loadtest.chosen"))
        shots = [self._shots[0], *(self._shots[index % cycle] for index in range(len(taken)))]
        self._read(page, shots)
        return taken, self._proxy.traffic.since(start)

    def _read(self, page: Page, shots: Sequence[Shot]) -> list[float]:
        """Check every answer on the page, and give their times."""
        for shot, entry in zip(shots, page.evaluate(_READ), strict=True):
            name = Path(shot.path).name
            if entry is None:
                continue
            if entry["error"]:
                self._errors.append(f"{name}: {entry['error']}")
            elif entry["label"] != shot.label:
                self._wrong.append(f"{name}: {entry['label']}, not {shot.label}")
            elif shot.score is not None:
                self._differences.append(abs(entry["score"] - shot.score))
        answers: list[float] = page.evaluate("() => loadtest.answers")
        return answers


def _wait(page: Page, count: int, milliseconds: float) -> None:
    """Wait for so many answers, but no longer than so; to look often would take what a slow device has."""
    try:
        page.wait_for_function(
            "count => loadtest.answers.length >= count", arg=count, polling=_POLL_MS, timeout=milliseconds
        )
    except PlaywrightTimeout:
        if milliseconds == _PATIENCE_MS:
            raise

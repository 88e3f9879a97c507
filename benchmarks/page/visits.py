"""Open a page in a browser of its own, give it a photo, and read when the answer came.

Times are the page's own clock. An answer is there when an element with ``data-testid="result"`` shows its top label, or
an error; our page and the peers' have these marks in common.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypedDict

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page

from benchmarks.page.plan import WARM_UP
from browser.chromium import chromium
from loadtest.profiles import Network
from loadtest.proxy import Proxy
from twinlens.errors import TwinlensError

_PATIENCE_MS: Final = 120_000
_POLL_MS: Final = 20
_SAMPLE_SECONDS: Final = 0.002
_SETTLE_MS: Final = 500
_WATCH: Final = """
(() => {
  const seen = new WeakSet();
  const bench = { chosen: 0, answers: [] };
  globalThis.bench = bench;
  new MutationObserver(() => {
    const now = performance.now();
    for (const result of document.querySelectorAll('[data-testid=result]')) {
      if (seen.has(result)) continue;
      if (!result.dataset.error && !result.querySelector('[data-testid=top-label]')) continue;
      seen.add(result);
      bench.answers.push(now);
    }
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-testid'] });
  document.addEventListener('change', () => { bench.chosen = performance.now(); }, true);
})()
"""
_ANSWERED: Final = "count => bench.answers.length >= count"
_TOLD: Final = """
() => {
  const result = [...document.querySelectorAll('[data-testid=result]')].at(-1);
  return {
    label: result.querySelector('[data-testid=top-label]')?.dataset.label ?? null,
    error: result.dataset.error ?? null,
  };
}
"""
_DROP: Final = """
async (data) => {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], 'photo.jpg', { type: 'image/jpeg' }));
  const event = new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true });
  bench.chosen = performance.now();
  document.body.dispatchEvent(event);
}
"""
_DECODE: Final = """
async (data) => {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const file = new Blob([bytes], { type: 'image/jpeg' });
  const start = performance.now();
  const bitmap = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data: pixels } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const end = performance.now();
  bitmap.close();
  return { milliseconds: end - start, bytes: pixels.length };
}
"""
_FORGET: Final = "() => { document.querySelector('[data-testid=file-input]').value = ''; }"
_TENSORS: Final = "() => Number(document.body.dataset.tensors)"


class First(TypedDict):
    """A first visit: milliseconds from the start of the navigation to the answer, and bytes down the line until then.

    ``bytes`` is None without a line.
    """

    milliseconds: float
    bytes: int | None


class Large(TypedDict):
    """A large photo: milliseconds from its being dropped to its label, and of the browser's own decoding."""

    answer_ms: list[float]
    decode_ms: list[float]


def down_by(counts: Sequence[tuple[float, int]], moment: float) -> int:
    """Bytes that had come down a line by a moment.

    :param counts: seconds, and all bytes until then, in order.
    """
    return max((count for when, count in counts if when <= moment), default=0)


def first(url: str, photo: Path, label: str, line: Network | None) -> First:
    """A first visit with a new profile and an empty cache; the photo is chosen as soon as there is something to choose.

    :param url: the page's host, without a slash at the end, on the far side of the line.
    :param label: what the page has to answer.
    :param line: None for no line: the host directly.
    :raises TwinlensError: ``internal`` if the page answers something else, or not at all.
    """
    if line is None:
        with _opened(url, photo) as page:
            return First(milliseconds=_first_answer(page, label)[0], bytes=None)
    with Proxy(line, url, shared=True) as proxy, _opened(proxy.url, photo) as page, _counting(proxy) as counts:
        milliseconds, moment = _first_answer(page, label)
        return First(milliseconds=milliseconds, bytes=down_by(counts, moment))


def warm(url: str, photo: Path, label: str, count: int) -> list[float]:
    """Milliseconds from a photo's being chosen to its answer, on a page that has answered some.

    :param url: as for :func:`first`, with the query.
    :param count: how many times the same photo is timed.
    :raises TwinlensError: ``internal`` as :func:`first` does.
    """
    with _opened(url, photo) as page:
        _first_answer(page, label)
        _settle(page)
        return [_again(page, photo, label) for _ in range(WARM_UP + count)][WARM_UP:]


def leaked(url: str, photo: Path, label: str, count: int) -> int:
    """How many more tensors our page holds after so many more photos.

    :raises TwinlensError: ``internal`` as :func:`first` does.
    """
    with _opened(url, photo) as page:
        _first_answer(page, label)
        _settle(page)
        for _ in range(WARM_UP):
            _again(page, photo, label)
        before = int(page.evaluate(_TENSORS))
        for _ in range(count):
            _again(page, photo, label)
        return int(page.evaluate(_TENSORS)) - before


def large(url: str, photo: Path, big: Path, label: str, count: int) -> Large:
    """Time a large photo on our page, each time beside ``createImageBitmap`` and reading the pixels back in its worker.

    :param photo: a small one that warms the page up; ``label`` is the large one's.
    :raises TwinlensError: ``internal`` as :func:`first` does.
    """
    data = base64.b64encode(big.read_bytes()).decode()
    found = Large(answer_ms=[], decode_ms=[])
    with _opened(url, photo) as page:
        _first_answer(page, None)
        _settle(page)
        worker = page.workers[0]
        for turn in range(count + 1):
            decoded = worker.evaluate(_DECODE, data)["milliseconds"]
            before = page.evaluate("() => bench.answers.length")
            page.evaluate(_DROP, data)
            _wait(page, before + 1)
            _check(page, label)
            if turn > 0:  # the first of each is not warm
                found["decode_ms"].append(decoded)
                found["answer_ms"].append(page.evaluate("() => bench.answers.at(-1) - bench.chosen"))
            _clear(page)
    return found


@contextmanager
def _opened(url: str, photo: Path) -> Iterator[Page]:
    """A page in a browser of its own whose photo is chosen; a browser's error is told as ours."""
    address, query, asked = url.partition("?")
    try:
        with chromium() as browser:
            page = browser.new_page()
            page.set_default_timeout(_PATIENCE_MS)
            page.add_init_script(_WATCH)
            page.goto(f"{address}/{query}{asked}", wait_until="domcontentloaded")
            page.get_by_test_id("file-input").set_input_files(photo)
            yield page
    except PlaywrightError as error:
        raise TwinlensError("internal", f"The page did not get through: {error.message.splitlines()[0]}") from None


def _first_answer(page: Page, label: str | None) -> tuple[float, float]:
    """Milliseconds of the first answer since the navigation began, and seconds since the epoch."""
    _wait(page, 1)
    _check(page, label)
    milliseconds, origin = page.evaluate("() => [bench.answers[0], performance.timeOrigin]")
    return milliseconds, (origin + milliseconds) / 1000


def _again(page: Page, photo: Path, label: str) -> float:
    _clear(page)
    before = page.evaluate("() => bench.answers.length")
    page.get_by_test_id("file-input").set_input_files(photo)
    _wait(page, before + 1)
    _check(page, label)
    return float(page.evaluate("() => bench.answers.at(-1) - bench.chosen"))


def _wait(page: Page, count: int) -> None:
    page.wait_for_function(_ANSWERED, arg=count, polling=_POLL_MS)


def _check(page: Page, label: str | None) -> None:
    told: dict[str, Any] = page.evaluate(_TOLD)
    if told["error"] is not None:
        raise TwinlensError("internal", f"The page answers with an error: {told['error']}")
    if label is not None and told["label"] != label:
        raise TwinlensError("internal", f"The page answers {told['label']}, not {label}.")


def _clear(page: Page) -> None:
    """Take answers off our page, so that a hundred earlier ones cost the next nothing; a peer's shows one only.

    No photo is chosen afterwards, since a browser does not say that one was chosen which was before.
    """
    page.evaluate(_FORGET)
    clear = page.locator("#clear")
    if clear.count() and clear.is_visible():
        clear.click()


def _settle(page: Page) -> None:
    """Wait until our page has fetched all that it fetches; a peer's has, since it has answered."""
    if page.locator("body[data-state]").count():
        page.locator("body[data-state=ready]").wait_for()
    page.wait_for_timeout(_SETTLE_MS)


@contextmanager
def _counting(proxy: Proxy) -> Iterator[list[tuple[float, int]]]:
    """Bytes down the line so far, looked at all the time: by seconds since the epoch."""
    counts: list[tuple[float, int]] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            counts.append((time.time(), proxy.traffic.down))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield counts
    finally:
        ended.set()
        thread.join()

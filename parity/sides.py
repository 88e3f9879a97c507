"""The two sides that answer: the server over HTTP, the page in Chromium. Each gives all scores of each photo."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.sync_api import Browser

from twinlens.decode import MEDIA_TYPES, sniff

# A fresh page for every so many photos, as a visitor would; it also bounds what one page holds in memory.
_PHOTOS_PER_PAGE: Final = 24
_SERVER_SECONDS: Final = 60.0
_PAGE_SECONDS: Final = 60.0
_PHOTO_SECONDS: Final = 10.0

# Every result of the page, once each of them holds scores or an error.
_FINISHED: Final = """count => {
  const results = [...document.querySelectorAll('[data-testid="result"]')];
  const done = results.filter(one => one.dataset.scores || one.dataset.error);
  if (done.length < count) return null;
  return results.map(({ dataset }) => [dataset.scores ?? null, dataset.inputSha256 ?? null, dataset.error ?? null]);
}"""


@dataclass(frozen=True)
class Answer:
    """What one side says of one photo: the score of every label, or the error that stands in their place."""

    scores: dict[str, float] | None
    error: str | None = None
    input_sha256: str | None = None
    """Only the page tells: SHA-256 of the (height, width, 3) uint8 input."""

    @property
    def label(self) -> str | None:
        """The label with the highest score."""
        return max(self.scores, key=self.scores.__getitem__) if self.scores else None


def ask_server(url: str, paths: Sequence[Path], labels: Sequence[str]) -> Iterator[Answer]:
    """Send photos to the server, one by one.

    :param url: its address.
    :param labels: the labels of its model, so that all scores are asked for.
    """
    with httpx.Client(base_url=url, timeout=_SERVER_SECONDS) as client:
        for path in paths:
            data = path.read_bytes()
            response = client.post(
                "/v1/classify",
                params={"top_k": len(labels)},
                files={"image": (path.name, data, MEDIA_TYPES[sniff(data)])},
            )
            body: dict[str, Any] = response.json()
            if response.is_success:
                yield Answer({entry["label"]: entry["score"] for entry in body["predictions"]})
            else:
                yield Answer(None, error=body["code"])


def ask_page(browser: Browser, url: str, paths: Sequence[Path], labels: Sequence[str]) -> Iterator[Answer]:
    """Choose photos in the page, a page full at a time, and read what it shows.

    :param url: the address of the page.
    :param labels: the labels of its model, in the contract's order, in which the page gives the scores.
    """
    for start in range(0, len(paths), _PHOTOS_PER_PAGE):
        some = paths[start : start + _PHOTOS_PER_PAGE]
        context = browser.new_context()
        try:
            page = context.new_page()
            page.goto(url)
            page.get_by_test_id("file-input").set_input_files(some)
            timeout = _PAGE_SECONDS + _PHOTO_SECONDS * len(some)
            found = page.wait_for_function(_FINISHED, arg=len(some), timeout=timeout * 1000).json_value()
        finally:
            context.close()
        for scores, input_sha256, error in found:
            named = dict(zip(labels, json.loads(scores), strict=True)) if scores else None
            yield Answer(named, error, input_sha256)

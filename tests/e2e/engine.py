"""The page's worker, started by itself in the page's place and asked with the messages of ``web/src/protocol.ts``.

What the page does not show in full (maps, boxes, embeddings, the standing of backends) is asked of it here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from playwright.sync_api import Browser, JSHandle

from tests import models
from tests.e2e.visit import Visit, visit

# A network's sums differ in their last bits from one runtime to the other.
SAME: Final = 1e-4

_START: Final = """
({ worker, model, backend }) => {
  const port = new Worker(worker, { type: 'module' });
  const seen = [];
  const waiting = [];
  port.onmessage = ({ data }) => {
    seen.push(data);
    for (const look of [...waiting]) look();
  };
  port.postMessage({ kind: 'start', model, backend });
  const wait = (fits, from = 0) => new Promise((resolve) => {
    const look = () => {
      const found = seen.slice(from).find(fits);
      if (!found) return;
      waiting.splice(waiting.indexOf(look), 1);
      resolve(found);
    };
    waiting.push(look);
    look();
  });
  let last = 0;
  return {
    seen,
    wait,
    use(backend) {
      const from = seen.length;
      port.postMessage({ kind: 'use', backend });
      return wait((one) => one.asked === backend || one.kind === 'backend-refused', from);
    },
    async classify(photo) {
      const id = last++;
      const bytes = Uint8Array.from(atob(photo), (character) => character.charCodeAt(0));
      port.postMessage({ kind: 'classify', id, file: new Blob([bytes]), thumbnail: false });
      const { answer, failure } = await wait((one) => one.id === id);
      if (failure) throw new Error(JSON.stringify(failure));
      return JSON.stringify(answer, (_, value) => (value instanceof Float32Array ? [...value] : value));
    },
    end: () => port.terminate(),
  };
}
"""


class Engine:
    """A worker of the page's, beside the page's own; gone at the end of the ``with`` block."""

    def __init__(self, visited: Visit, backend: str | None = None) -> None:
        self._page = visited.page
        (worker,) = {request.path for request in visited.server.requests if "/worker-" in request.path}
        model = f"{self._page.url.split('?')[0]}model/"
        self._handle: JSHandle = self._page.evaluate_handle(
            _START, {"worker": worker, "model": model, "backend": backend}
        )

    def ready(self) -> dict[str, Any]:
        """What the page is told once everything is loaded."""
        return dict(self._call("wait((one) => one.kind === 'ready' || one.kind === 'not-ready')")["ready"])

    def settled(self) -> list[dict[str, Any]]:
        """The standing of the backends once one was chosen."""
        return list(self._call("wait((one) => one.kind === 'backends')")["backends"])

    def backends(self, state: str) -> dict[str, Any]:
        """The message that says of some backend that it is in a state."""
        found = f"one.kind === 'backends' && one.backends.some(({{ state }}) => state === {state!r})"
        return dict(self._call(f"wait((one) => {found})"))

    def use(self, backend: str) -> dict[str, Any]:
        """Ask for a backend; the message that answers."""
        return dict(self._call(f"use({backend!r})"))

    def classify(self, photo: bytes) -> dict[str, Any]:
        """The answer for an image file."""
        return dict(json.loads(self._call(f"classify({base64.b64encode(photo).decode()!r})")))

    def accident(self, script: str) -> None:
        """Run a script within the worker, which has to be the page's newest."""
        self._page.workers[-1].evaluate(script)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self._call("end()")

    def _call(self, expression: str) -> Any:
        return self._handle.evaluate(f"(engine) => engine.{expression}")


@contextmanager
def open_page(browser: Browser, dist: Path, model: Path, **options: Any) -> Iterator[Visit]:
    """A page that is ready, its own worker left on WebAssembly, so that engines can be started beside that."""
    with visit(browser, dist, model, query="?backend=wasm", **options) as visited:
        visited.wait_until_ready()
        yield visited


def label(answer: dict[str, Any]) -> str:
    """The best label of an answer of the made model's."""
    return models.LABELS[int(np.argmax(answer["scores"]))]


def assert_near(found: Any, expected: Any) -> None:
    """The same but for the last bits of float32 sums."""
    expected = np.asarray(expected, np.float64).ravel()
    assert np.asarray(found).shape == expected.shape
    assert np.abs(np.asarray(found) - expected).max() <= SAME * np.abs(expected).max()

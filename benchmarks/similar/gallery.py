"""The page's side: a gallery of 100,000 photos searched in a worker in Chromium, beside the page's own inference."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Error as PlaywrightError

from benchmarks.results import ROOT, significant
from browser.chromium import chromium
from browser.latency import page_latency
from browser.static import ISOLATION_HEADERS, StaticServer
from twinlens.errors import TwinlensError
from twinlens.similar import gallery as galleries
from twinlens.similar.folder import Model, Photo
from twinlens.similar.projection import Projection
from twinlens.store import ModelVersion, write_atomically

Floats = NDArray[np.float32]

_SITE: Final = Path(__file__).parent / "site"
_WEB: Final = ROOT / "web"
_FILE: Final = "gallery.bin"
_WARM: Final = 20
_SEARCHES: Final = 100
_INFERENCES: Final = 40
_NEAREST: Final = 10
_LIMIT_SECONDS: Final = 300


def measure(
    version: ModelVersion,
    projection: Projection,
    vectors: Floats,
    embeddings: Floats,
    photos: Sequence[Path],
    rounds: int,
    work: Path,
) -> dict[str, Any]:
    """Write a gallery of made vectors and search it, by turns with the page's inference.

    :param vectors: of the gallery's photos, float32 (N, dimensions).
    :param embeddings: what is asked, as the network gives it, float32 (Q, size).
    :param photos: files that the page classifies.
    :param work: folder of the gallery and of the page that searches it.
    :raises TwinlensError: ``missing_requirement`` if the page's code cannot be built or there is no Chromium;
        ``export_mismatch`` if the page finds something else than the server's code.
    """
    written = _write(version, projection, vectors, work)
    _build(work / "built")
    wanted = galleries.read_gallery(work / _FILE, version.digest)
    turns: dict[str, list[float]] = {"search_ms": [], "inference_ms": []}
    opened = 0.0
    browser_version = ""
    for _ in range(rounds):
        turns["inference_ms"].append(page_latency(version, photos, _INFERENCES)["network"]["median_ms"])
        found = _search(work, version.digest, embeddings)
        _same(found["found"], wanted, embeddings)
        turns["search_ms"].append(float(np.median(found["milliseconds"])))
        opened, browser_version = found["opened"], found["browser"]
    return {
        "photos": len(vectors),
        "dimensions": written.dimensions,
        "bytes": (work / _FILE).stat().st_size,
        "recall_at_10": significant(written.recall_at_10 or 0.0),
        "open_ms": significant(opened),
        "browser": browser_version,
        **{name: [significant(each) for each in values] for name, values in turns.items()},
    }


def _write(version: ModelVersion, projection: Projection, vectors: Floats, work: Path) -> galleries.Header:
    """A gallery as ``twinlens index gallery`` writes it, of photos with names such as phones and shops give."""
    labels = version.contract.label_names
    rng = np.random.default_rng(0)
    named = [
        Photo(f"{label}/{uuid.UUID(bytes=rng.bytes(16))}.jpg", "0" * 64, label)
        for label in (labels[number % len(labels)] for number in range(len(vectors)))
    ]
    model = version.contract.model
    about = Model(name=model.name, version=model.version, digest=version.digest)
    data, header = galleries.encode(about, projection, vectors, named, galleries.fitting(named, projection))
    write_atomically(work / _FILE, data)
    return header


def _build(out: Path) -> None:
    command = [_WEB / "node_modules" / ".bin" / "vite", "build", "--config", "vite.similar.config.ts", "--outDir"]
    try:
        done = subprocess.run(
            [*map(str, command), str(out.absolute()), "--emptyOutDir"],
            cwd=_WEB,
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except OSError as error:
        raise TwinlensError(
            "missing_requirement", f"Vite cannot be run ({error.strerror}). Run `make setup`."
        ) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise TwinlensError("missing_requirement", f"The page's code could not be built: {last}. Run `make setup`.")
    for file in _SITE.iterdir():
        shutil.copy(file, out.parent)


def _search(work: Path, digest: str, embeddings: Floats) -> dict[str, Any]:
    asked = [embeddings[number % len(embeddings)].tolist() for number in range(_WARM + _SEARCHES)]
    with chromium() as browser, StaticServer({"/": work}, ISOLATION_HEADERS) as server:
        page = browser.new_page()
        try:
            page.goto(f"{server.url}/index.html")
            page.wait_for_function("() => window.ask")
            opened = page.evaluate("(file) => ask({action: 'open', ...file})", {"url": f"/{_FILE}", "digest": digest})
            message = {"action": "search", "embeddings": asked, "count": _NEAREST, "warm": _WARM}
            found: dict[str, Any] = page.evaluate("(message) => ask(message)", message)
        except PlaywrightError as error:
            first = error.message.splitlines()[0]
            raise TwinlensError("export_mismatch", f"The page could not search the gallery: {first}") from None
        return {**found, "opened": opened["milliseconds"], "browser": f"Chromium {browser.version}"}


def _same(found: Sequence[Any], wanted: galleries.Gallery, embeddings: Floats) -> None:
    """Hold the page's answers to those of the server's code."""
    for number in range(min(len(embeddings), len(found))):
        exact = wanted.search(embeddings[number], _NEAREST)
        if [name for name, _ in found[number]] != [wanted.photos[place][0] for place, _ in exact]:
            raise TwinlensError(
                "export_mismatch", f"The page finds other photos than the server's code (question {number})."
            )

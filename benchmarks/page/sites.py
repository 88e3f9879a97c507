"""What each page is served from: the built page with its model, or a peer's page with its packages and weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.page.plan import OURS
from benchmarks.results import ROOT
from browser.static import ISOLATION_HEADERS, StaticServer
from twinlens.errors import TwinlensError

PAGE: Final = ROOT / "web" / "dist"
PEERS_PAGES: Final = ROOT / "benchmarks" / "page_peers"
Mounts = Mapping[str, Path]


def ours(model: Path) -> dict[str, Path]:
    """Our page, and a model beside it, by URL prefix.

    :param model: the model's folder, ``MODELS/NAME``.
    :raises TwinlensError: ``missing_page`` if the page is not built.
    """
    if not (PAGE / "index.html").is_file():
        raise TwinlensError("missing_page", f"{PAGE} has no page in it: it was not built. Run: make page")
    return {"/": PAGE, "/model/": model}


def peer(name: str, packages: Path, weights: Path) -> dict[str, Path]:
    """A peer's page, by URL prefix.

    :param packages: the installed ``node_modules``.
    :param weights: the folder of its model, see :mod:`benchmarks.page.weights`.
    """
    own = packages / "@huggingface" / "transformers" / "node_modules" / "onnxruntime-web" / "dist"
    return {
        "/": PEERS_PAGES / name,
        "/shared/": PEERS_PAGES / "shared",
        "/packages/": packages,
        "/model/": weights,
        "/wasm/": own if own.is_dir() else packages / "onnxruntime-web" / "dist",
    }


def serve(mounts: Mounts, *, isolated: bool = False) -> StaticServer:
    """A host that compresses text and WebAssembly and nothing else, with the headers for threads if that is asked."""
    return StaticServer(mounts, ISOLATION_HEADERS if isolated else None, compress=True)


def query(name: str, *, threads: int | None) -> str:
    """How a page is told to run on WebAssembly with so many threads; None: as it does by itself."""
    if threads is None:
        return ""
    # Ours takes every thread that an isolated page can have, and one where it has none.
    return "?backend=wasm" if name == OURS else f"?threads={threads}" if threads > 1 else ""

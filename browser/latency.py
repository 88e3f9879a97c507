"""How long the built page takes for one photo in Chromium: :func:`twinlens.footprint.latencies` is for the server."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page
from tqdm import tqdm

from browser.built import PAGE, require_built, visit
from browser.chromium import chromium
from browser.static import StaticServer
from twinlens.errors import TwinlensError
from twinlens.footprint import ROUNDS, summary
from twinlens.store import CURRENT, ModelVersion

BACKEND: Final = "wasm"
_PHOTOS: Final = 25
_WARM_UP: Final = 5
_PATIENCE_MS: Final = 120_000
# The page holds one photo at a time here, so that a hundred earlier ones cost the next nothing.
_ONLY: Final = """() => {
  const result = document.querySelector('[data-testid="result"]');
  return result && [result.dataset.milliseconds ?? null];
}"""


def page_latency(version: ModelVersion, photos: Sequence[Path], rounds: int = ROUNDS) -> dict[str, Any]:
    """How long the page takes for one photo, one photo at a time, on the wasm backend with one thread.

    :param version: the model that the page runs.
    :param photos: files, at least one; at most 25 are used, again and again. Those that the page cannot read are
        left out.
    :param rounds: how many photos the page is given, after a few that do not count.
    :return: ``photo`` (from the file to the scores: decode, resize, network) and ``network`` (the network alone), as
        :func:`twinlens.footprint.latencies` gives them, ``backend``, and ``browser``, its version.
    :raises TwinlensError: ``missing_page`` if the page is not built, ``missing_requirement`` if there is no Chromium,
        ``export_mismatch`` if the page cannot run the model or reads none of the photos.
    """
    require_built(PAGE)
    step = math.ceil(len(photos) / _PHOTOS)  # from all over the list, which is often sorted by label
    chosen = list(photos[::step])
    taken: list[tuple[float, float]] = []
    try:
        with ExitStack() as running:
            browser = running.enter_context(chromium())
            name = running.enter_context(tempfile.TemporaryDirectory())
            # Published as the current one, whichever that is where the version lies.
            Path(name, CURRENT).write_text(f"{version.path.name}\n", encoding="utf-8")
            mounts = {"/": PAGE, "/model/": Path(name), f"/model/{version.path.name}/": version.path}
            server = running.enter_context(StaticServer(mounts))
            page = browser.new_page()
            page.set_default_timeout(_PATIENCE_MS)
            visit(page, f"{server.url}/?backend={BACKEND}")
            given = 0
            bar = running.enter_context(
                tqdm(total=_WARM_UP + rounds, desc="Timing the page", unit="photo", disable=None)
            )
            while chosen and len(taken) < _WARM_UP + rounds:
                path = chosen[given % len(chosen)]
                given += 1
                times = _classify(page, path)
                if times is None:
                    chosen.remove(path)
                else:
                    taken.append(times)
                    bar.update()
            known = browser.version
    except PlaywrightError as error:
        raise TwinlensError(
            "export_mismatch", f"Chromium did not get through: {error.message.splitlines()[0]}"
        ) from None
    if not taken:
        raise TwinlensError("export_mismatch", "The page reads none of the photos.")
    decode, network = np.array(taken[_WARM_UP:]).T
    return {
        "photo": summary(decode + network),
        "network": summary(network),
        "backend": BACKEND,
        "browser": f"Chromium {known}",
    }


def _classify(page: Page, path: Path) -> tuple[float, float] | None:
    """Milliseconds of decoding and of the network for one photo, or nothing if the page cannot read it."""
    page.get_by_test_id("file-input").set_input_files(path)
    (found,) = page.wait_for_function(_ONLY).json_value()
    page.locator("#clear").click()
    if found is None:
        return None
    times = json.loads(found)
    return times["decode"], times["inference"]

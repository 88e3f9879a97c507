"""What the built page answers with one version of a model, in Chromium: the other half of a parity check."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.sync_api import Error as PlaywrightError

from browser.built import PAGE, require_built, visit
from browser.chromium import chromium
from browser.static import StaticServer
from twinlens.errors import TwinlensError
from twinlens.store import CURRENT, ModelVersion

_PATIENCE_MS: Final = 120_000
# Every result of the page, once each of them holds scores or an error.
_FINISHED: Final = """count => {
  const results = [...document.querySelectorAll('[data-testid="result"]')];
  if (results.filter(({ dataset }) => dataset.scores || dataset.error).length < count) return null;
  return results.map(({ dataset }) => [dataset.scores ?? null, dataset.inputSha256 ?? null]);
}"""


@dataclass(frozen=True)
class PageAnswer:
    """What the page says of one file."""

    scores: list[float] | None
    """Of each label, in the contract's order; ``None`` where it cannot read the file."""
    input_sha256: str | None
    """Of the (height, width, 3) uint8 input."""


def require_page() -> None:
    """See early that there is a built page and a Chromium that starts.

    :raises TwinlensError: ``missing_page`` or ``missing_requirement``.
    """
    require_built(PAGE)
    with chromium(webgl=True):
        pass


def page_answers(version: ModelVersion, files: Sequence[Path]) -> list[PageAnswer]:
    """Give files to the page, with a version as the model in use.

    :param files: a page full, two dozen at most.
    :return: one answer a file, in their order.
    :raises TwinlensError: ``missing_page`` or ``missing_requirement``; ``export_mismatch`` if the page cannot run the
        model, with what it says.
    """
    require_built(PAGE)
    try:
        with chromium(webgl=True) as browser, tempfile.TemporaryDirectory() as name:
            # Published as the current one, whichever that is where the version lies.
            Path(name, CURRENT).write_text(f"{version.path.name}\n", encoding="utf-8")
            mounts = {"/": PAGE, "/model/": Path(name), f"/model/{version.path.name}/": version.path}
            with StaticServer(mounts) as server:
                page = browser.new_page()
                page.set_default_timeout(_PATIENCE_MS)
                visit(page, f"{server.url}/")
                page.get_by_test_id("file-input").set_input_files([str(file) for file in files])
                found = page.wait_for_function(_FINISHED, arg=len(files)).json_value()
    except PlaywrightError as error:
        raise TwinlensError(
            "export_mismatch", f"Chromium did not get through: {error.message.splitlines()[0]}"
        ) from None
    return [PageAnswer(json.loads(scores) if scores else None, digest) for scores, digest in found]

"""``python -m browser.pictures``: take README's pictures of the page anew, into ``docs/``."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from PIL import Image
from playwright.sync_api import Browser

from browser.built import PAGE, require_built, visit
from browser.chromium import chromium
from browser.static import StaticServer
from twinlens.errors import TwinlensError
from twinlens.settings import Settings
from twinlens.store import write_atomically

DOCS: Final = Path(__file__).parent.parent / "docs"


class Shot(NamedTuple):
    """A picture: its file, how many of the page's drawings are in it, whether with heat maps; the browser's options."""

    name: str
    drawings: int
    heat_map: bool
    context: dict[str, Any]


SHOTS: Final = (
    Shot("page.png", 6, False, {"viewport": {"width": 1180, "height": 1040}, "color_scheme": "light"}),
    Shot(
        "page-phone.png",
        4,
        True,
        {
            "viewport": {"width": 390, "height": 844},
            "color_scheme": "dark",
            "device_scale_factor": 2,
            "has_touch": True,
            "is_mobile": True,
        },
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the pictures; status 2 if the page is not built, or there is no Chromium or no model."""
    parser = argparse.ArgumentParser(prog="python -m browser.pictures", description=__doc__)
    parser.add_argument("--out", type=Path, default=DOCS, metavar="FOLDER", help="where they go (docs)")
    out: Path = parser.parse_args(arguments).out
    settings = Settings.from_environment()
    try:
        require_built(PAGE)
        mounts = {"/": PAGE, "/model/": settings.model_folder}
        with chromium() as browser, StaticServer(mounts) as server:
            for shot in SHOTS:
                write_atomically(out / shot.name, take(browser, server.url, shot))
                sys.stdout.write(f"{out / shot.name}\n")
    except TwinlensError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def take(browser: Browser, url: str, shot: Shot) -> bytes:
    """A picture of the page with its own drawings answered, as PNG without alpha."""
    context = browser.new_context(locale="en-GB", reduced_motion="reduce", **shot.context)
    try:
        page = context.new_page()
        visit(page, url)
        for index in range(shot.drawings):
            # The row of drawings goes once there are results; its buttons are still in the page.
            page.locator(".sample").nth(index).evaluate("button => button.click()")
            page.get_by_test_id("result").nth(index).wait_for()
        if shot.heat_map:
            page.locator("#map").click()
            page.locator("#map[aria-pressed=true]").wait_for()
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        taken = page.screenshot(animations="disabled")
    finally:
        context.close()
    written = io.BytesIO()
    Image.open(io.BytesIO(taken)).convert("RGB").save(written, "PNG", optimize=True)
    return written.getvalue()


if __name__ == "__main__":
    sys.exit(main())

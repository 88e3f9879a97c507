"""The built page, as measurements of it open it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from playwright.sync_api import Page

from twinlens.errors import TwinlensError

PAGE: Final = Path(__file__).parent.parent / "web" / "dist"


def require_built(folder: Path) -> None:
    """See that a folder holds a page.

    :raises TwinlensError: ``missing_page`` if it does not, with the command that builds it.
    """
    if not (folder / "index.html").is_file():
        raise TwinlensError("missing_page", f"{folder} has no page in it: it was not built. Run: make page")


def visit(page: Page, url: str) -> None:
    """Open the built page, and wait until it has all that it will ask for.

    :raises TwinlensError: ``export_mismatch`` with the page's own words if it cannot run the model.
    """
    page.goto(url)
    page.locator("body[data-state=ready], body[data-state=failed]").wait_for()
    if page.locator("body").get_attribute("data-state") == "failed":
        raise TwinlensError("export_mismatch", f"The page says: {page.locator('#notice').inner_text()}")

"""axe in an open page: what of WCAG 2.2 AA, and of good practice, a program can see broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

_AXE: Final = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


def broken(page: Page) -> list[str]:
    """Every rule that the page breaks as it is now, with the elements that break it; nothing if there is none."""
    page.evaluate(_AXE.read_text(encoding="utf-8") + "; undefined")
    found: dict[str, Any] = page.evaluate("axe.run()")
    return [f"{each['id']}: {each['help']}: {node['target']}" for each in found["violations"] for node in each["nodes"]]

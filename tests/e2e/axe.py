"""axe in an open page: what of WCAG 2.2 AA, and of good practice, a program can see broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

_AXE: Final = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
_RUN: Final = """async (runOnly) => {
    const found = await axe.run(document, { runOnly });
    const told = ({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html}`);
    return { passed: found.passes.length, broken: found.violations.flatMap(told) };
}"""
_ALL: Final = {
    "type": "tag",
    "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
_COLOURS: Final = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}


def broken(page: Page) -> list[str]:
    """Every rule that the page breaks as it is now, with the elements that break it; nothing if there is none."""
    return _found(page, _ALL, 10)


def broken_in_both_themes(page: Page) -> list[str]:
    """The same in the light and in the dark, which differ in their colours only."""
    page.emulate_media(color_scheme="light")
    found = broken(page)
    page.emulate_media(color_scheme="dark")
    return found + _found(page, _COLOURS, 1)


def _found(page: Page, rules: dict[str, Any], least: int) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(_AXE.read_text(encoding="utf-8") + "; undefined")
    found: dict[str, Any] = page.evaluate(_RUN, rules)
    assert found["passed"] >= least, "axe has looked at next to nothing"
    return list(found["broken"])

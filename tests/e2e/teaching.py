"""Teaching the page labels of one's own, as a visitor does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.e2e.visit import Visit, file, painted

SUNSET = (240, 120, 30)
SEA = (20, 130, 170)
NIGHT = (25, 15, 60)


def photos(colour: Sequence[int], count: int, first: int = 0) -> list[FilePayload]:
    return [painted(colour, first + index) for index in range(count)]


def panel(page: Page) -> Locator:
    return page.get_by_test_id("teach")


def row(page: Page, label: str) -> Locator:
    return page.locator(f"[data-testid=teach-row][data-label='{label}']")


def open_panel(visited: Visit) -> None:
    visited.wait_until_ready()
    panel(visited.page).locator("summary").first.click()


def teach(page: Page, label: str, files: Sequence[FilePayload]) -> None:
    page.get_by_test_id("teach-name").fill(label)
    page.get_by_test_id("teach-photos").set_input_files(files)
    expect(page.get_by_test_id("teach-status")).to_contain_text(f"added to “{label}”")


def teach_two(visited: Visit, each: int = 6) -> None:
    open_panel(visited)
    teach(visited.page, "Sunset", photos(SUNSET, each))
    teach(visited.page, "Sea", photos(SEA, each, 100))


def taught_answer(result: Locator) -> tuple[str | None, float | None]:
    """The taught label on a card, and its score; empty and None where it is like none of them."""
    label = result.get_by_test_id("taught-label").get_attribute("data-label")
    score = result.get_by_test_id("taught-score")
    return label, float(score.get_attribute("data-value") or "nan") if score.count() else None


def saved(page: Page) -> bytes:
    """What is saved to a file."""
    with page.expect_download() as download:
        page.get_by_test_id("teach-export").click()
    return Path(download.value.path()).read_bytes()


def load(page: Page, data: bytes) -> None:
    page.get_by_test_id("teach-import").set_input_files([file("taught.json", data)])


def delete_all(page: Page) -> None:
    page.get_by_test_id("teach-remove-all").click()
    page.get_by_test_id("teach-confirm").click()
    expect(page.get_by_test_id("teach-row")).to_have_count(0)


def kept(page: Page) -> int:
    """How many examples the browser holds, of whatever model."""
    return int(
        page.evaluate(
            """() => new Promise((resolve, reject) => {
                const opening = indexedDB.open('twinlens-taught');
                opening.onerror = () => reject(opening.error);
                opening.onsuccess = () => {
                    const counting = opening.result.transaction('examples').objectStore('examples').count();
                    counting.onsuccess = () => { opening.result.close(); resolve(counting.result); };
                };
            })"""
        )
    )

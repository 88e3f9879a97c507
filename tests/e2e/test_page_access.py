"""For everyone: nothing for axe to find in any state, in both languages and themes; the keyboard; nothing that moves.

The comparison with the server is looked at where there is one: test_page_compare.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from browser.chromium import chromium
from tests import models
from tests.e2e.axe import broken_in_both_themes
from tests.e2e.visit import Choosers, file, painted, visit, with_prelude

SHIPPED = Path(__file__).parents[2] / "bentos" / "clothing"
# Each state is looked at in both themes, each language in one of two widths.
each_language = pytest.mark.parametrize(
    ("language", "viewport"), [("en", {"width": 1280, "height": 800}), ("zh", {"width": 390, "height": 800})]
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(webgl=True, arguments=["--use-fake-device-for-media-stream"]) as browser:
        yield browser


@each_language
def test_axe_finds_nothing_from_the_first_look_to_the_last(
    browser: Browser, dist: Path, language: str, viewport: Any
) -> None:
    with visit(browser, dist, SHIPPED, query=f"?lang={language}", permissions=["camera"], viewport=viewport) as visited:
        page = visited.page
        visited.wait_until_ready()
        expect(page.locator(".sample")).to_have_count(6)
        assert broken_in_both_themes(page) == [], "empty"
        page.locator("#open-settings").click()
        assert broken_in_both_themes(page) == [], "settings"
        page.keyboard.press("Escape")
        page.get_by_test_id("camera-button").click()
        expect(page.locator("#live .bar")).to_have_count(3, timeout=30_000)
        page.locator("#pause").click()
        assert broken_in_both_themes(page) == [], "camera"
        page.keyboard.press("Escape")

        page.locator(".sample").first.click()
        expect(page.get_by_test_id("result")).to_have_count(1)
        # As near to one label as to another, and what is no picture.
        doubtful = models.encoded(Image.new("RGB", (96, 80), (128, 128, 128)), "PNG")
        visited.give([file("grey.png", doubtful), file("notes.txt", b"text")])
        expect(page.locator(".card.not-sure")).to_have_count(1)
        page.locator("#privacy summary").click()
        assert broken_in_both_themes(page) == [], "results and an error"
        page.locator("#map").click()
        expect(page.locator(".map").first).to_be_visible()
        assert broken_in_both_themes(page) == [], "map"


@each_language
def test_axe_finds_nothing_while_the_page_is_taught(
    browser: Browser, dist: Path, colours: Path, language: str, viewport: Any
) -> None:
    with visit(browser, dist, colours, query=f"?lang={language}", viewport=viewport) as visited:
        page = visited.page
        visited.wait_until_ready()
        page.get_by_test_id("teach").locator("summary").first.click()
        page.get_by_test_id("teach-choose").click()
        expect(page.get_by_test_id("teach-problem")).not_to_be_empty()
        assert broken_in_both_themes(page) == [], "nothing is taught"
        for label, colour in (("Sunset", (240, 120, 30)), ("Sea", (20, 130, 170))):
            page.get_by_test_id("teach-name").fill(label)
            page.get_by_test_id("teach-photos").set_input_files([painted(colour, seed) for seed in range(2)])
            expect(page.locator(f"[data-label='{label}'] .teach-photo img")).to_have_count(2)
        one, two = visited.give([painted((240, 120, 30), 900), painted((20, 230, 20), 901)])
        expect(one.get_by_test_id("taught-label")).to_have_attribute("data-label", "Sunset")
        two.locator(".taught-use summary").click()
        assert broken_in_both_themes(page) == [], "taught"
        page.get_by_test_id("teach-remove-all").click()
        assert broken_in_both_themes(page) == [], "before all is deleted"


@each_language
def test_axe_finds_nothing_while_it_is_busy_stopped_loading_or_failed(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path, language: str, viewport: Any
) -> None:
    query = f"?lang={language}"
    with visit(browser, dist, colours, query=query, viewport=viewport) as visited:
        visited.wait_until_ready()
        never_answered(visited.page)
        assert broken_in_both_themes(visited.page) == [], "busy"
        visited.page.locator("#stop").click()
        assert broken_in_both_themes(visited.page) == [], "stopped"
    slow = with_prelude(dist, tmp_path / "slow", "self.fetch = () => new Promise(() => undefined);")
    with visit(browser, slow, colours, query=query, viewport=viewport) as visited:
        assert visited.page.locator("body").get_attribute("data-state") == "loading"
        assert broken_in_both_themes(visited.page) == [], "loading"
    with visit(browser, dist, tmp_path, query=query, viewport=viewport, quiet=False) as visited:
        visited.page.locator("body[data-state=failed]").wait_for()
        visited.give([file("notes.txt", b"text")])
        assert broken_in_both_themes(visited.page) == [], "failed"


def never_answered(page: Page) -> None:
    """Choose photos that the worker is never told of; nothing moves, so that axe sees colours that stay."""
    page.emulate_media(reduced_motion="reduce")
    page.evaluate("() => Worker.prototype.postMessage = () => undefined")
    page.get_by_test_id("file-input").set_input_files([painted((255, 0, 0), seed) for seed in range(4)])
    expect(page.locator(".card[data-state=reading]")).to_have_count(2)


def test_nothing_moves_for_those_who_do_not_want_it(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        visited.wait_until_ready()
        never_answered(page)
        page.emulate_media(reduced_motion="no-preference")
        page.wait_for_function("() => document.getAnimations().length > 0")
        page.emulate_media(reduced_motion="reduce")
        page.wait_for_function("() => document.getAnimations().length === 0")


def test_the_keyboard_is_enough(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        choosers = Choosers(page)
        visited.wait_until_ready()
        reached = []
        for _ in range(5):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.dataset.language ?? document.activeElement.id"))
            outlined = page.evaluate(
                """() => {
                    const focused = document.activeElement;
                    const shown = focused.matches('.hidden-input') ? focused.nextElementSibling : focused;
                    return getComputedStyle(shown).outlineStyle;
                }"""
            )
            assert outlined == "solid"
        assert reached == ["en", "zh", "file", "open-camera", "folder"]
        page.get_by_test_id("file-input").focus()
        page.keyboard.press("Enter")
        choosers.only().set_files([file("red.png", models.encoded(models.picture("red"), "PNG"))])
        expect(page.get_by_test_id("top-label")).to_have_text("Red")

        page.get_by_test_id("teach").locator("summary").first.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_test_id("teach-name")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("teach-problem")).to_contain_text("Write the label first")
        expect(page.get_by_test_id("teach-name")).to_be_focused()
        page.keyboard.type("Sea")
        choosers = Choosers(page)
        page.keyboard.press("Enter")
        choosers.only().set_files([painted((20, 130, 170), seed) for seed in range(2)])
        expect(page.locator("[data-label=Sea] .teach-photo img")).to_have_count(2)
        page.locator("[data-label=Sea] .teach-delete").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator("[data-label=Sea] .teach-photo")).to_have_count(1)
        expect(page.locator("[data-label=Sea] .teach-delete")).to_be_focused()


def test_nothing_is_wider_than_the_screen(browser: Browser, dist: Path, colours: Path) -> None:
    name = "a-very-long-name-without-any-space-in-it" * 4
    with visit(browser, dist, colours) as visited:
        page = visited.page
        visited.wait_until_ready()
        page.get_by_test_id("teach").locator("summary").first.click()
        page.get_by_test_id("teach-name").fill("W" * 40)
        page.get_by_test_id("teach-photos").set_input_files([painted((20, 130, 170), seed) for seed in range(9)])
        expect(page.locator(".teach-photo img")).to_have_count(9)
        one, _ = visited.give([file(name, models.encoded(models.picture("red"), "PNG")), file("notes.txt", b"text")])
        one.locator(".taught-use summary").click()
        page.locator("#privacy summary").click()
        for language in ("English", "中文"):
            page.get_by_role("button", name=language).click()
            for width in (320, 390, 1280):
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate(STICKS_OUT) == []
                assert page.evaluate("document.documentElement.scrollWidth") <= width


STICKS_OUT = """() => [...document.querySelectorAll('button, input, select, .label, .score')]
    .filter((one) => one.checkVisibility() && !one.matches('.hidden-input, input[type=file]'))
    .filter((one) => { const { left, right } = one.getBoundingClientRect(); return left < 0 || right > innerWidth; })
    .map((one) => one.outerHTML)"""


def test_no_word_is_left_in_the_other_language(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, query="?lang=zh") as visited:
        page = visited.page
        visited.wait_until_ready()
        words = page.locator("[data-text]").all_text_contents()
        words += page.locator("[data-text-label]").evaluate_all("all => all.map(one => one.ariaLabel)")
        assert len(words) > 8
        panel = page.get_by_test_id("teach")
        panel.locator("summary").first.click()
        for label, colour in (("Sunset", (240, 120, 30)), ("Sea", (20, 130, 170))):
            page.get_by_test_id("teach-name").fill(label)
            page.get_by_test_id("teach-photos").set_input_files([painted(colour, seed) for seed in range(2)])
            expect(page.locator(f"[data-label='{label}'] .teach-photo img")).to_have_count(2)
        (result,) = visited.give([painted((20, 230, 20), 902)])
        expect(result.get_by_test_id("taught-label")).to_contain_text("都不是")
        words += panel.evaluate(
            """panel => {
                const walker = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
                const found = [];
                while (walker.nextNode()) found.push(walker.currentNode.data.trim());
                for (const element of panel.querySelectorAll('[aria-label], [placeholder], [title]')) {
                    found.push(element.ariaLabel ?? '', element.placeholder ?? '', element.title);
                }
                return found;
            }"""
        )
        own = {"", "Sunset", "Sea", "×"}
        assert [word for word in words if word not in own and not re.search("[\u4e00-\u9fff]", word)] == []

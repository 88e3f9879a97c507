"""Teaching the page labels of one's own: in the browser, kept there, saved to a file, deleted, sent nowhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from tests import models
from tests.e2e.visit import Choosers, Visit, file, visit

WEB = Path(__file__).parents[2] / "web"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
SUNSET = (240, 120, 30)
SEA = (20, 130, 170)
NIGHT = (25, 15, 60)


def photo(colour: Sequence[int], seed: int, size: int = 96) -> FilePayload:
    """A picture of nearly this colour, with noise; of each seed another."""
    rng = np.random.default_rng(seed)
    tint = np.asarray(colour) + rng.integers(-18, 19, 3)
    pixels = np.clip(tint + rng.integers(-30, 31, (size, size, 3)), 0, 255).astype(np.uint8)
    return file(f"{seed}.png", models.encoded(Image.fromarray(pixels), "PNG"))


def photos(colour: Sequence[int], count: int, first: int = 0) -> list[FilePayload]:
    return [photo(colour, first + index) for index in range(count)]


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


def test_two_labels_are_taught_answered_kept_saved_deleted_and_loaded(
    browser: Browser, dist: Path, colours: Path
) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        visited.wait_until_ready()
        loaded, seen = len(visited.server.requests), len(visited.asked)
        teach_two(visited)
        expect(page.get_by_test_id("teach-quality")).to_contain_text("12 of 12 right")
        expect(row(page, "Sea")).to_contain_text("6 photos · 6 of 6 right")

        asked = [photo(SUNSET, 900), photo(SEA, 901), photo((20, 230, 20), 902)]
        results = visited.give(asked)
        answers = [taught_answer(result) for result in results]
        assert [label for label, _ in answers] == ["Sunset", "Sea", ""]
        assert all(score is not None and 0.5 < score < 1 for _, score in answers[:2])
        expect(results[2].get_by_test_id("taught-label")).to_contain_text("none of these")
        assert visited.server.requests[loaded:] == []
        # Thumbnails have addresses too, which lead nowhere.
        assert [url for url in visited.asked[seen:] if not url.startswith("blob:")] == []

        page.reload()
        visited.wait_until_ready()
        open_panel(visited)
        expect(page.get_by_test_id("teach-quality")).to_contain_text("12 of 12 right")
        expect(row(page, "Sunset").locator("img")).to_have_count(6)
        assert [taught_answer(result) for result in visited.give(asked)] == answers

        loaded = len(visited.server.requests)
        content = saved(page)
        delete_all(page)
        assert kept(page) == 0
        expect(page.get_by_test_id("taught-label")).to_have_count(0)
        load(page, content)
        expect(page.get_by_test_id("teach-status")).to_have_text("12 photos loaded from the file.")
        assert [taught_answer(result) for result in page.get_by_test_id("result").all()] == answers
        load(page, content)
        expect(page.get_by_test_id("teach-status")).to_contain_text("12 more were here already")
        assert kept(page) == 12
        assert visited.server.requests[loaded:] == []


def test_the_file_holds_pictures_only_if_they_are_asked_for(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        teach_two(visited, 2)
        content = json.loads(saved(visited.page))["content"]
        assert [label["name"] for label in content["labels"]] == ["Sunset", "Sea"]
        assert {key for label in content["labels"] for each in label["photos"] for key in each} == {
            "input",
            "embedding",
        }
        visited.page.get_by_test_id("teach-thumbnails").check()
        whole = saved(visited.page)
        delete_all(visited.page)
        load(visited.page, whole)
        expect(visited.page.locator(".teach-photo img")).to_have_count(4)
        assert (
            visited.page.locator(".teach-photo img").evaluate_all(
                "all => Promise.all(all.map(one => one.decode().then(() => one.naturalWidth)))"
            )
            == [96] * 4
        )


def test_files_that_cannot_be_loaded_say_why(browser: Browser, dist: Path, colours: Path, tmp_path: Path) -> None:
    other = models.write(tmp_path, version="v2")
    with visit(browser, dist, other) as visited:
        teach_two(visited, 2)
        foreign = saved(visited.page)
    with visit(browser, dist, colours) as visited:
        teach_two(visited, 2)
        content = saved(visited.page)
        problem = visited.page.get_by_test_id("teach-problem")
        for data, words in {
            foreign: "another model (colours v2)",
            content[: len(content) // 2]: "damaged",
            content.replace(b'"Sea"', b'"Tea"'): "damaged (sha256)",
            b"Dear diary": "not a file of taught labels",
        }.items():
            load(visited.page, data)
            expect(problem).to_contain_text(words)
        expect(visited.page.get_by_test_id("teach-row")).to_have_count(2)


def test_what_another_model_was_taught_is_told_of_and_can_be_deleted(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path
) -> None:
    """One folder, in which a new version is published."""
    model = models.write(tmp_path)
    with visit(browser, dist, model) as visited:
        teach_two(visited, 2)
        models.write(tmp_path, version="v2")
        visited.page.reload()
        open_panel(visited)
        expect(visited.page.get_by_test_id("teach-row")).to_have_count(0)
        expect(panel(visited.page)).to_contain_text("4 photos taught to another model")
        visited.page.get_by_role("button", name="Delete these").click()
        visited.page.get_by_test_id("teach-confirm").click()
        expect(visited.page.get_by_test_id("teach-status")).to_have_text("Deleted.")
        assert kept(visited.page) == 0


def test_one_photo_or_one_label_is_deleted(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        teach_two(visited, 3)
        row(page, "Sea").get_by_test_id("teach-remove-photo").nth(1).click()
        expect(row(page, "Sea").locator("img")).to_have_count(2)
        expect(row(page, "Sea").get_by_test_id("teach-remove-photo").nth(1)).to_be_focused()
        assert kept(page) == 5
        row(page, "Sunset").get_by_test_id("teach-remove-label").click()
        page.get_by_role("button", name="Keep").click()
        expect(row(page, "Sunset")).to_be_visible()
        row(page, "Sunset").get_by_test_id("teach-remove-label").click()
        page.get_by_test_id("teach-confirm").click()
        expect(page.get_by_test_id("teach-row")).to_have_count(1)
        expect(page.get_by_test_id("teach-name")).to_be_focused()
        expect(page.get_by_test_id("teach-quality")).to_contain_text("One more label")
        assert kept(page) == 2


def test_tabs_of_one_browser_share_what_is_taught(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        teach_two(visited, 2)
        other = visited.page.context.new_page()
        other.goto(visited.page.url)
        other.locator("body[data-state=ready]").wait_for()
        panel(other).locator("summary").first.click()
        expect(other.get_by_test_id("teach-row")).to_have_count(2)
        delete_all(visited.page)
        expect(other.get_by_test_id("teach-row")).to_have_count(0)


def test_an_answered_photo_becomes_an_example_and_back(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        teach_two(visited, 2)
        one, two = visited.give([photo(SUNSET, 900), photo(NIGHT, 901)])
        assert taught_answer(two)[0] == ""
        two.get_by_text("Use as an example").click()
        name = two.get_by_role("combobox")
        expect(name).to_be_focused()
        name.fill("Night")
        page.keyboard.press("Enter")
        expect(two).to_contain_text("An example of “Night”")
        expect(two.get_by_test_id("taught-label")).to_have_count(0)
        expect(row(page, "Night").locator("img")).to_have_count(1)
        expect(row(page, "Night")).to_contain_text("1 photo · not tested: one photo")
        assert taught_answer(one)[0] == "Sunset"
        two.get_by_role("button", name="Delete").click()
        expect(row(page, "Night")).to_have_count(0)
        expect(two.get_by_text("Use as an example")).to_be_visible()
        one.get_by_text("Use as an example").click()
        one.get_by_role("button", name="Add").click()
        expect(one.get_by_role("alert")).to_contain_text("Write the label first")


def test_cards_say_nothing_of_it_to_those_who_teach_nothing(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        (result,) = visited.give([photo(SUNSET, 1)])
        expect(result.get_by_test_id("taught")).to_be_hidden()
        open_panel(visited)
        expect(result.get_by_text("Use as an example")).to_be_visible()


def test_photos_that_are_of_no_use_are_named(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        open_panel(visited)
        teach(visited.page, "Sea", [photo(SEA, 1), photo(SEA, 1), file("notes.txt", b"text")])
        status = visited.page.get_by_test_id("teach-status")
        expect(status).to_contain_text("1 photo added to “Sea”. 1 photo was there already")
        expect(status).to_contain_text("notes.txt: This file is not an image")


def test_many_photos_can_be_stopped_and_what_is_done_stays(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        open_panel(visited)
        page.get_by_test_id("teach-name").fill("Sea")
        # Large ones: they must not all be done before the button is pressed.
        large = [photo(SEA, seed, 300) for seed in range(4)]
        page.get_by_test_id("teach-photos").set_input_files(
            [{**each, "name": f"{turn}-{each['name']}"} for turn in range(15) for each in large]
        )
        page.get_by_test_id("teach-cancel").click()
        expect(page.get_by_test_id("teach-status")).to_contain_text("Stopped")
        expect(page.get_by_test_id("teach-cancel")).to_be_hidden()
        assert kept(page) == page.locator(".teach-photo").count() <= 4
        teach(page, "Night", photos(NIGHT, 2))
        expect(row(page, "Night")).to_be_visible()


def test_photos_are_dropped_on_a_label(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        teach_two(visited, 2)
        row(page, "Sea").evaluate(
            """async (row) => {
                const canvas = new OffscreenCanvas(80, 80);
                const context = canvas.getContext('2d');
                context.fillStyle = 'rgb(0 150 190)';
                context.fillRect(0, 0, 80, 80);
                const transfer = new DataTransfer();
                transfer.items.add(new File([await canvas.convertToBlob()], 'dropped.png'));
                const options = { bubbles: true, cancelable: true, dataTransfer: transfer };
                for (const kind of ['dragenter', 'dragover', 'drop']) row.dispatchEvent(new DragEvent(kind, options));
            }"""
        )
        expect(row(page, "Sea").locator("img")).to_have_count(3)
        expect(page.locator("body")).not_to_have_class(re.compile("dropping"))
        expect(page.locator(".card")).to_have_count(0)


def test_the_keyboard_is_enough(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        choosers = Choosers(page)
        visited.wait_until_ready()
        panel(page).locator("summary").first.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_test_id("teach-name")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("teach-problem")).to_contain_text("Write the label first")
        expect(page.get_by_test_id("teach-name")).to_be_focused()
        page.keyboard.type("Sea")
        page.keyboard.press("Enter")
        choosers.only().set_files(photos(SEA, 2))
        expect(row(page, "Sea").locator("img")).to_have_count(2)


def test_a_browser_that_keeps_nothing_says_so_and_learns_all_the_same(
    browser: Browser, dist: Path, colours: Path
) -> None:
    with visit(browser, dist, colours) as visited:
        visited.page.add_init_script(
            "IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError'); }"
        )
        visited.page.reload()
        teach_two(visited)
        expect(panel(visited.page)).to_contain_text("gone once you close it")
        (result,) = visited.give([photo(SEA, 901)])
        assert taught_answer(result)[0] == "Sea"


def test_everything_is_said_in_chinese_too(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        teach_two(visited, 2)
        visited.give([photo((20, 230, 20), 902)])
        page.get_by_role("button", name="中文").click()
        expect(panel(page).get_by_role("heading", level=2)).to_have_text("教它认识您自己的标签")
        words = panel(page).evaluate(
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
        expect(page.get_by_test_id("taught-label")).to_contain_text("都不是")


def test_nothing_is_wider_than_a_phone(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, viewport={"width": 320, "height": 700}) as visited:
        open_panel(visited)
        teach(visited.page, "W" * 40, photos(SEA, 9))
        visited.give([photo(SEA, 900)])
        assert visited.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_golden_answers_of_learning_are_fresh() -> None:
    command = [sys.executable, str(WEB / "tests" / "golden" / "teach.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _violations(page: Page) -> list[Any]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    return list(page.evaluate("axe.run().then(found => found.violations.map(({id, nodes}) => [id, nodes[0].html]))"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("query", ["", "?lang=zh"])
def test_axe_finds_nothing(browser: Browser, dist: Path, colours: Path, scheme: Any, query: str) -> None:
    with visit(browser, dist, colours, color_scheme=scheme) as visited:
        page = visited.page
        teach_two(visited, 3)
        _, two = visited.give([photo(SEA, 900), photo((20, 230, 20), 901)])
        two.get_by_text("Use as an example").click()
        if query:
            page.get_by_role("button", name="中文").click()
        assert _violations(page) == []
        page.get_by_test_id("teach-choose").click()
        expect(page.get_by_test_id("teach-problem")).not_to_be_empty()
        page.get_by_test_id("teach-remove-all").click()
        assert _violations(page) == []

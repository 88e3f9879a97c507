"""Teaching the page labels of one's own: in the browser, kept there, saved to a file, deleted, sent nowhere."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e.teaching import (
    NIGHT,
    SEA,
    SUNSET,
    delete_all,
    kept,
    load,
    open_panel,
    panel,
    photos,
    row,
    saved,
    taught_answer,
    teach,
    teach_two,
)
from tests.e2e.visit import file, painted, visit


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

        asked = [painted(SUNSET, 900), painted(SEA, 901), painted((20, 230, 20), 902)]
        results = visited.give(asked)
        answers = [taught_answer(result) for result in results]
        assert [label for label, _ in answers] == ["Sunset", "Sea", ""]
        assert all(score is not None and 0.5 < score < 1 for _, score in answers[:2])
        expect(results[2].get_by_test_id("taught-label")).to_contain_text("none of these")
        assert visited.since(loaded) == []
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
        assert visited.since(loaded) == []


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


def test_an_answered_photo_becomes_an_example_and_back(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        one, two = visited.give([painted(SUNSET, 900), painted(NIGHT, 901)])
        # Cards say nothing of it to those who teach nothing.
        expect(one.get_by_test_id("taught")).to_be_hidden()
        teach_two(visited, 2)
        expect(one.get_by_test_id("taught-label")).to_contain_text("Sunset")
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


def test_photos_that_are_of_no_use_that_are_dropped_and_that_are_stopped(
    browser: Browser, dist: Path, colours: Path
) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        open_panel(visited)
        teach(page, "Sea", [painted(SEA, 1), painted(SEA, 1), file("notes.txt", b"text")])
        status = page.get_by_test_id("teach-status")
        expect(status).to_contain_text("1 photo added to “Sea”. 1 photo was there already")
        expect(status).to_contain_text("notes.txt: This file is not an image")

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
        expect(row(page, "Sea").locator("img")).to_have_count(2)
        expect(page.locator("body")).not_to_have_class(re.compile("dropping"))
        expect(page.locator(".card")).to_have_count(0)

        page.get_by_test_id("teach-name").fill("Sunset")
        # Large ones: they must not all be done before the button is pressed.
        large = [painted(SUNSET, seed, 300) for seed in range(4)]
        page.get_by_test_id("teach-photos").set_input_files(
            [{**each, "name": f"{turn}-{each['name']}"} for turn in range(15) for each in large]
        )
        page.get_by_test_id("teach-cancel").click()
        expect(status).to_contain_text("Stopped")
        expect(page.get_by_test_id("teach-cancel")).to_be_hidden()
        assert kept(page) == page.locator(".teach-photo").count() <= 6
        teach(page, "Night", photos(NIGHT, 2))
        expect(row(page, "Night")).to_be_visible()


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
        (result,) = visited.give([painted(SEA, 901)])
        assert taught_answer(result)[0] == "Sea"

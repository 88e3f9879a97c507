"""What the page was taught: files that carry it, tabs that share it, other models that cannot use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests import models
from tests.e2e.teaching import delete_all, kept, load, open_panel, panel, saved, teach_two
from tests.e2e.visit import visit

# A new version of the model is published while the page is open.
pytestmark = pytest.mark.apart


def test_the_file_holds_pictures_only_if_they_are_asked_for_and_tabs_share_what_is_taught(
    browser: Browser, dist: Path, colours: Path
) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        teach_two(visited, 2)
        content = json.loads(saved(page))["content"]
        assert [label["name"] for label in content["labels"]] == ["Sunset", "Sea"]
        assert {key for label in content["labels"] for each in label["photos"] for key in each} == {
            "input",
            "embedding",
        }
        page.get_by_test_id("teach-thumbnails").check()
        whole = saved(page)

        other = page.context.new_page()
        other.goto(page.url)
        other.locator("body[data-state=ready]").wait_for()
        panel(other).locator("summary").first.click()
        expect(other.get_by_test_id("teach-row")).to_have_count(2)
        delete_all(page)
        expect(other.get_by_test_id("teach-row")).to_have_count(0)

        load(page, whole)
        expect(page.locator(".teach-photo img")).to_have_count(4)
        widths = "all => Promise.all(all.map(one => one.decode().then(() => one.naturalWidth)))"
        assert page.locator(".teach-photo img").evaluate_all(widths) == [96] * 4
        expect(other.get_by_test_id("teach-row")).to_have_count(2)


def test_what_another_model_was_taught_and_files_that_cannot_be_loaded(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path
) -> None:
    """One folder, in which a new version is published."""
    model = models.write(tmp_path)
    with visit(browser, dist, model) as visited:
        page = visited.page
        teach_two(visited, 2)
        foreign = saved(page)
        models.write(tmp_path, version="v2")
        page.reload()
        open_panel(visited)
        expect(page.get_by_test_id("teach-row")).to_have_count(0)
        expect(panel(page)).to_contain_text("4 photos taught to another model")
        page.get_by_role("button", name="Delete these").click()
        page.get_by_test_id("teach-confirm").click()
        expect(page.get_by_test_id("teach-status")).to_have_text("Deleted.")
        assert kept(page) == 0

        page.reload()
        teach_two(visited, 2)
        content = saved(page)
        for data, words in {
            foreign: "another model (colours v1)",
            content[: len(content) // 2]: "damaged",
            content.replace(b'"Sea"', b'"Tea"'): "damaged (sha256)",
            b"Dear diary": "not a file of taught labels",
        }.items():
            load(page, data)
            expect(page.get_by_test_id("teach-problem")).to_contain_text(words)
        expect(page.get_by_test_id("teach-row")).to_have_count(2)

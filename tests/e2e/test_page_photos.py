"""Photos on their way in: folders, the clipboard, drawings; hundreds of them, stopped and gone on with."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, FilePayload, Page, expect

from tests import models
from tests.e2e.visit import file, top_label, visit

SHIPPED = Path(__file__).parents[2] / "bentos" / "clothing"
# Canvases of thumbnails that may be drawn at a time, and a few that come near while others are put away.
DRAWN_AT_MOST = 130


def picture(colour: str, name: str) -> FilePayload:
    return file(name, models.encoded(models.picture(colour), "PNG"))


def put_on_disk(folder: Path) -> Path:
    (folder / "deep" / "deeper").mkdir(parents=True)
    for path, colour in {"b10.png": "red", "b9.png": "green", "deep/deeper/c.png": "blue"}.items():
        (folder / path).write_bytes(models.encoded(models.picture(colour), "PNG"))
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"no picture")
    return folder


def drop(page: Page, *paths: Path) -> None:
    """Drop files or folders of this machine on the page, as the system does it."""
    protocol = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        protocol.send("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 200, "data": data})


def test_folders_are_dropped_and_chosen_and_pictures_pasted(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path
) -> None:
    folder = put_on_disk(tmp_path / "holiday")
    loose = tmp_path / "loose.txt"
    loose.write_text("no picture")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no picture")
    with visit(browser, dist, colours) as visited:
        page = visited.page
        visited.wait_until_ready()
        # This model has none of the labels that there are drawings of.
        expect(page.locator("#samples")).to_be_hidden()
        drop(page, folder, loose)
        results = page.get_by_test_id("result")
        expect(results).to_have_count(4)
        # Of a folder only pictures are taken; a file that was dropped itself gets its error.
        titles = page.locator(".card .name").evaluate_all("names => names.map(name => name.title)")
        assert titles == ["holiday/b9.png", "holiday/b10.png", "holiday/deep/deeper/c.png", "loose.txt"]
        assert [top_label(result) for result in results.all()[:3]] == ["green", "red", "blue"]
        expect(results.nth(3)).to_have_attribute("data-error", "not_an_image")
        expect(page.locator("#note")).to_have_text("2 files were left out: no pictures, or not readable.")
        page.get_by_role("button", name="Clear").click()

        page.locator("#folder").set_input_files(tmp_path / "empty")
        expect(page.locator("#note")).to_have_text("There are no pictures in this folder that can be read.")
        page.locator("#folder").set_input_files(folder)
        expect(results).to_have_count(3)
        assert page.locator(".card .name").all_text_contents() == ["b9.png", "b10.png", "c.png"]
        expect(page.locator("#note")).to_have_text("2 files were left out: no pictures, or not readable.")
        page.get_by_role("button", name="Clear").click()

        page.evaluate(
            """async () => {
                const canvas = new OffscreenCanvas(80, 80);
                const context = canvas.getContext('2d');
                context.fillStyle = 'rgb(255 0 255)';
                context.fillRect(0, 0, 80, 80);
                const clipboardData = new DataTransfer();
                clipboardData.items.add(new File([await canvas.convertToBlob()], 'image.png', { type: 'image/png' }));
                document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
            }"""
        )
        expect(results.locator(".name")).to_have_text(re.compile(r"Pasted \d\d:\d\d:\d\d\.png"))
        assert top_label(results) == "magenta"


def test_the_drawings_are_what_they_are_said_to_be(browser: Browser, dist: Path) -> None:
    with visit(browser, dist, SHIPPED) as visited:
        page = visited.page
        visited.wait_until_ready()
        seen = len(visited.asked)
        samples = page.locator(".sample")
        expect(samples).to_have_count(6)
        names = samples.get_by_role("img").evaluate_all("pictures => pictures.map(picture => picture.alt)")
        for index, name in enumerate(names):
            samples.nth(index).click()
            result = page.get_by_test_id("result")
            label = name.removeprefix("Drawing: ")
            expect(result.get_by_test_id("top-label")).to_have_text(label, timeout=30_000)
            expect(result.locator(".doubt")).to_have_count(0)
            page.get_by_role("button", name="Clear").click()
        assert visited.asked[seen:] == []


def test_photos_can_be_stopped_and_go_on(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        visited.wait_until_ready()
        # At the first answer, from within the page: a test is too slow for it.
        page.evaluate(
            """() => {
                const stop = document.querySelector('#stop');
                new MutationObserver((_, observer) => {
                    if (!document.querySelector('[data-testid=result]')) return;
                    observer.disconnect();
                    stop.focus();
                    stop.click();
                }).observe(document.querySelector('#results'), { attributes: true, subtree: true });
            }"""
        )
        page.get_by_test_id("file-input").set_input_files([picture("red", f"{index}.png") for index in range(40)])
        expect(page.get_by_test_id("status")).to_have_text(re.compile(r"Stopped: \d+ of 40 photos done"))
        expect(page.locator("body")).to_have_attribute("data-state", "ready")
        done = page.get_by_test_id("result").count()
        assert 0 < done < 40
        expect(page.locator(".card[data-state=stopped]")).to_have_count(40 - done)
        page.wait_for_timeout(300)
        assert page.get_by_test_id("result").count() == done

        expect(page.get_by_role("button", name="Go on")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("status")).to_have_text("40 photos done", timeout=60_000)
        expect(page.get_by_test_id("result")).to_have_count(40)
        expect(page.get_by_role("button", name="Clear")).to_be_focused()


def test_the_page_answers_to_its_visitor_while_300_photos_are_on_their_way(
    browser: Browser, dist: Path, colours: Path
) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        visited.wait_until_ready()
        page.evaluate(
            """() => {
                window.seen = new Set();
                const bar = document.querySelector('#progress');
                new MutationObserver(() => window.seen.add(bar.value))
                    .observe(document.querySelector('#status'), { childList: true, characterData: true });
            }"""
        )
        order = [models.LABELS[index % len(models.LABELS)] for index in range(300)]
        page.get_by_test_id("file-input").set_input_files(
            [picture(colour, f"{index}.png") for index, colour in enumerate(order)]
        )
        page.get_by_test_id("result").first.wait_for()
        for name, words in (("中文", "照片里是什么？"), ("English", "What is in the photo?")):
            page.get_by_role("button", name=name).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(words)
        red = page.locator("#filter option", has_text="Red (")
        expect(red).to_be_attached()
        page.locator("#filter").select_option(red.get_attribute("value"))
        assert page.locator("body").get_attribute("data-state") == "busy"
        page.locator("#filter").select_option("")
        expect(page.get_by_test_id("status")).to_have_text("300 photos done", timeout=120_000)
        assert len(page.evaluate("() => [...window.seen]")) > 30

        results = page.get_by_test_id("result")
        found = results.evaluate_all(
            "all => all.map(one => one.querySelector('[data-testid=top-label]').dataset.label)"
        )
        assert found == order
        drawn = "() => [...document.querySelectorAll('.sight canvas')].filter(one => one.width > 1).length"
        assert page.evaluate(drawn) <= DRAWN_AT_MOST
        for place in (results.last, results.first):
            place.scroll_into_view_if_needed()
            expect(place.locator("canvas").first).to_have_js_property("width", 96)
        page.wait_for_timeout(300)
        assert page.evaluate(drawn) <= DRAWN_AT_MOST
        page.get_by_role("button", name="Clear").click()
        expect(results).to_have_count(0)

"""What the page does with many photos: the ways in, the list, the ways out, the map, and all of it for everyone."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from browser.chromium import chromium
from tests import models
from tests.e2e.visit import Visit, file, scores, top_label, visit, with_prelude
from twinlens import store

ROOT = Path(__file__).parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
SHIPPED = ROOT / "bentos" / "clothing"
# Canvases of thumbnails that may be drawn at a time, and a few that come near while others are put away.
DRAWN_AT_MOST = 130


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(webgl=True, arguments=["--use-fake-device-for-media-stream"]) as browser:
        yield browser


def picture(colour: str, name: str = "") -> FilePayload:
    return file(name or f"{colour}.png", models.encoded(models.picture(colour), "PNG"))


def grey(name: str = "grey.png") -> FilePayload:
    """As near to one colour as to another."""
    return file(name, models.encoded(Image.new("RGB", (96, 80), (128, 128, 128)), "PNG"))


def mixed(visited: Visit) -> list[Locator]:
    """Two red photos, a blue one, a doubtful one and a file that is none."""
    return visited.give(
        [
            picture("blue"),
            picture("red"),
            file("=notes.txt", b"text"),
            grey(),
            picture("red", "second, red.png"),
        ]
    )


def shown(page: Page) -> list[str | None]:
    """The names of the photos that are to be seen, in their order."""
    return page.locator(".card:visible .name").all_text_contents()


def option(page: Page, group: str) -> Locator:
    """The filter for a group of photos."""
    return page.locator("#filter option", has_text=f"{group} (")


# In


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


def test_a_dropped_folder_is_looked_through(browser: Browser, dist: Path, colours: Path, tmp_path: Path) -> None:
    folder = put_on_disk(tmp_path / "holiday")
    loose = tmp_path / "loose.txt"
    loose.write_text("no picture")
    with visit(browser, dist, colours) as visited:
        page = visited.page
        visited.wait_until_ready()
        drop(page, folder, loose)
        results = page.get_by_test_id("result")
        expect(results).to_have_count(4)
        # Of a folder only pictures are taken; a file that was dropped itself gets its error.
        titles = page.locator(".card .name").evaluate_all("names => names.map(name => name.title)")
        assert titles == ["holiday/b9.png", "holiday/b10.png", "holiday/deep/deeper/c.png", "loose.txt"]
        assert [top_label(result) for result in results.all()[:3]] == ["green", "red", "blue"]
        expect(results.nth(3)).to_have_attribute("data-error", "not_an_image")
        expect(page.locator("#note")).to_have_text("2 files that are not pictures were left out.")


def test_a_folder_is_chosen(browser: Browser, dist: Path, colours: Path, tmp_path: Path) -> None:
    folder = put_on_disk(tmp_path / "holiday")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no picture")
    with visit(browser, dist, colours) as visited:
        page = visited.page
        visited.wait_until_ready()
        page.locator("#folder").set_input_files(tmp_path / "empty")
        expect(page.locator("#note")).to_have_text("There are no pictures in this folder.")
        page.locator("#folder").set_input_files(folder)
        expect(page.get_by_test_id("result")).to_have_count(3)
        assert shown(page) == ["b9.png", "b10.png", "c.png"]
        expect(page.locator("#note")).to_have_text("2 files that are not pictures were left out.")


def test_a_picture_is_pasted(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        visited.wait_until_ready()
        visited.page.evaluate(
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
        result = visited.page.get_by_test_id("result")
        expect(result.locator(".name")).to_have_text(re.compile(r"Pasted \d\d:\d\d:\d\d\.png"))
        assert top_label(result) == "magenta"


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
            expect(result.get_by_test_id("top-label")).to_have_text(name.removeprefix("Drawing: "))
            expect(result.locator(".doubt")).to_have_count(0)
            page.get_by_role("button", name="Clear").click()
        assert visited.asked[seen:] == []


def test_a_model_without_such_labels_gets_no_drawings(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        visited.wait_until_ready()
        expect(visited.page.locator("#samples")).to_be_hidden()


def test_the_camera_is_answered_live(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, permissions=["camera"]) as visited:
        page = visited.page
        visited.wait_until_ready()
        page.get_by_test_id("camera-button").click()
        live = page.locator("#live")
        expect(live.locator(".bar")).to_have_count(3)
        expect(page.locator("#live-status")).to_have_text(re.compile(r"^\d+\.\d pictures a second$"))
        expect(page.get_by_test_id("result")).to_have_count(0)

        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#live-status")).to_have_text("Paused")
        expect(page.locator("video")).to_have_js_property("paused", True)
        page.evaluate(
            """() => {
                window.changes = 0;
                new MutationObserver(() => window.changes++)
                    .observe(document.querySelector('#live'), { childList: true, subtree: true });
            }"""
        )
        page.wait_for_timeout(500)
        assert page.evaluate("window.changes") == 0
        page.get_by_role("button", name="Resume").click()
        page.wait_for_function("() => window.changes > 3")

        page.get_by_role("button", name="Take it").click()
        result = page.get_by_test_id("result")
        expect(result).to_have_count(1)
        expect(page.locator("#camera")).to_be_hidden()
        expect(live).to_be_empty()


def test_a_camera_that_is_taken_away_is_said(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, permissions=["camera"]) as visited:
        page = visited.page
        visited.wait_until_ready()
        page.get_by_test_id("camera-button").click()
        expect(page.locator("#live .bar")).to_have_count(3)
        page.evaluate(
            "() => document.querySelector('video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))"
        )
        expect(page.locator("#live-status")).to_contain_text("no camera")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "Allow it for this page"),
        ("NotFoundError", "no camera that the browser can find"),
        ("NotReadableError", "Another program may be using it"),
    ],
)
def test_why_there_is_no_camera(browser: Browser, dist: Path, colours: Path, name: str, words: str) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        visited.wait_until_ready()
        page.evaluate(
            "name => navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', name))", name
        )
        page.get_by_test_id("camera-button").click()
        expect(page.get_by_role("alert")).to_contain_text(words)
        (result,) = visited.give([picture("red")])
        assert top_label(result) == "red"


# Many


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
        page.get_by_test_id("file-input").set_input_files([picture("red", f"{index}.png") for index in range(80)])
        expect(page.get_by_test_id("status")).to_have_text(re.compile(r"Stopped: \d+ of 80 photos done"))
        expect(page.locator("body")).to_have_attribute("data-state", "ready")
        done = page.get_by_test_id("result").count()
        assert 0 < done < 80
        expect(page.locator(".card[data-state=stopped]")).to_have_count(80 - done)
        page.wait_for_timeout(300)
        assert page.get_by_test_id("result").count() == done

        expect(page.get_by_role("button", name="Go on")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("status")).to_have_text("80 photos done", timeout=60_000)
        expect(page.get_by_test_id("result")).to_have_count(80)
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
                    .observe(document.querySelector('#status'), { childList: true, characterData: true, subtree: true });
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
        expect(option(page, "Red")).to_be_attached()
        page.locator("#filter").select_option(option(page, "Red").get_attribute("value"))
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


# Out


def test_a_doubtful_answer_is_said_in_words(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        sure, doubtful = visited.give([picture("red"), grey()])
        expect(doubtful.locator(".doubt")).to_have_text("Not sure. Closest:")
        assert scores(doubtful).max() < 0.5
        expect(sure.locator(".doubt")).to_have_count(0)
        visited.page.get_by_role("button", name="中文").click()
        expect(doubtful.locator(".doubt")).to_have_text("不确定，最接近的是：")


def test_as_many_labels_as_wanted(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        (result,) = visited.give([picture("red")])
        for wanted, count in (("1", 1), ("Infinity", len(models.LABELS)), ("3", 3)):
            visited.page.locator("#shown").select_option(wanted)
            expect(result.locator(".bar")).to_have_count(count)
        visited.page.reload()
        (result,) = visited.give([picture("red")])
        expect(result.locator(".bar")).to_have_count(3)


def test_photos_are_filtered_and_sorted(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        mixed(visited)
        options = page.locator("#filter option")
        expect(options).to_have_text(["All (5)", "Red (2)", "Blue (1)", "Not sure (1)", "No answer (1)"])
        for choice, names in {
            "Red (2)": ["red.png", "second, red.png"],
            "Not sure (1)": ["grey.png"],
            "No answer (1)": ["=notes.txt"],
            "All (5)": ["blue.png", "red.png", "=notes.txt", "grey.png", "second, red.png"],
        }.items():
            page.locator("#filter").select_option(label=choice)
            assert shown(page) == names
            expect(page.locator("#announcer")).to_have_text(f"{len(names)} of 5 photos shown")

        sure = sorted(
            (float(scores(result).max()), name)
            for result, name in zip(page.get_by_test_id("result").all(), shown(page), strict=True)
            if result.get_attribute("data-scores")
        )
        page.locator("#order").select_option("doubtful")
        assert shown(page)[0] == sure[0][1] == "grey.png"
        assert shown(page)[-1] == "=notes.txt"
        page.locator("#order").select_option("label")
        assert [top_label(result) for result in page.get_by_test_id("result").all()[:4]][0] == "blue"
        # What comes now stands where it belongs once all is done.
        visited.give([picture("blue", "late.png")])
        expect(page.locator(".card .name").nth(1)).to_have_text("late.png")
        page.locator("#order").select_option("given")
        assert shown(page) == ["blue.png", "red.png", "=notes.txt", "grey.png", "second, red.png", "late.png"]


def test_results_are_saved_as_files(browser: Browser, dist: Path, colours: Path) -> None:
    version = store.open_current(colours)
    with visit(browser, dist, colours) as visited:
        page = visited.page
        results = mixed(visited)
        with page.expect_download() as download:
            page.get_by_role("button", name="Save CSV").click()
        assert download.value.suggested_filename.endswith(".csv")
        data = Path(download.value.path()).read_bytes()
        assert data.startswith(b"\xef\xbb\xbf")
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
        assert [row["name"] for row in rows] == ["blue.png", "red.png", "'=notes.txt", "grey.png", "second, red.png"]
        for row, result in zip(rows, results, strict=True):
            assert (row["model"], row["version"]) == (version.contract.model.name, version.contract.model.version)
            if row["error"]:
                assert row["error"] == result.get_attribute("data-error") == "not_an_image"
                continue
            assert row["input_sha256"] == result.get_attribute("data-input-sha256")
            assert row["label"] == top_label(result)
            found = scores(result)
            assert [float(row[f"score of {label}"]) for label in models.LABELS] == found.tolist()
            assert float(row["score"]) == found.max()
            assert row["not_sure"] == ("true" if found.max() < 0.5 else "false")

        page.locator("#filter").select_option("not-sure")
        with page.expect_download() as download:
            page.get_by_role("button", name="Save JSON").click()
        assert download.value.suggested_filename.endswith(".json")
        told = json.loads(Path(download.value.path()).read_text("utf-8"))
        assert told["model"]["name"] == version.contract.model.name
        assert told["model"]["version"] == version.contract.model.version
        (photo,) = told["photos"]
        assert photo["name"] == "grey.png"
        assert photo["not_sure"] is True
        assert [photo["scores"][label] for label in models.LABELS] == scores(results[3]).tolist()


def test_results_are_copied(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, permissions=["clipboard-read", "clipboard-write"]) as visited:
        page = visited.page
        mixed(visited)
        page.locator("#copy").click()
        expect(page.locator("#copy")).to_have_text("Copied")
        lines = page.evaluate("() => navigator.clipboard.readText()").splitlines()
        assert re.fullmatch(r"blue\.png: Blue \d+\.\d%", lines[0])
        assert lines[2].startswith("=notes.txt: This file is not an image")
        assert re.fullmatch(r"grey\.png: not sure \(closest: \w+ \d+\.\d%\)", lines[3])
        page.get_by_role("button", name="Copy the answer for red.png", exact=True).click()
        page.wait_for_function("async () => /^red\\.png: Red [\\d.]+%$/.test(await navigator.clipboard.readText())")


def test_results_are_shared_where_the_browser_can(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        visited.give([picture("red")])
        expect(page.locator("#share")).to_be_hidden()
        page.add_init_script("navigator.share = async (data) => { window.shared = data; };")
        page.reload()
        visited.give([picture("red")])
        page.locator("#share").click()
        assert re.fullmatch(r"red\.png: Red \d+\.\d%", page.evaluate("() => window.shared.text"))


def test_nothing_that_is_done_with_answers_asks_for_anything(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, permissions=["clipboard-write"]) as visited:
        page = visited.page
        mixed(visited)
        loaded = len(visited.server.requests)
        page.context.set_offline(True)
        page.locator("#order").select_option("label")
        page.locator("#copy").click()
        for name in ("Save CSV", "Save JSON"):
            with page.expect_download():
                page.get_by_role("button", name=name).click()
        assert len(visited.server.requests) == loaded


# The language


def test_the_language_is_remembered(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        page.get_by_role("button", name="中文").click()
        page.goto(page.url.split("?")[0])
        expect(page.get_by_role("heading", level=1)).to_have_text("照片里是什么？")
        page.goto(page.url + "?lang=en")
        expect(page.get_by_role("heading", level=1)).to_have_text("What is in the photo?")


# For everyone

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = [(language, scheme) for language in ("en", "zh") for scheme in ("light", "dark")]
each_look = pytest.mark.parametrize(("language", "scheme"), LOOKS)


def complaints(page: Page) -> list[tuple[str, list[Any]]]:
    """What axe finds wrong with the page as it is."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("rules => axe.run(document, { runOnly: { type: 'tag', values: rules } })", RULES)
    assert len(found["passes"]) > 10
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]


@each_look
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_in_what_a_visitor_sees(
    browser: Browser, dist: Path, language: str, scheme: Any, width: int
) -> None:
    options: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with visit(browser, dist, SHIPPED, query=f"?lang={language}", permissions=["camera"], **options) as visited:
        page = visited.page
        visited.wait_until_ready()
        expect(page.locator(".sample")).to_have_count(6)
        assert complaints(page) == [], "empty"
        page.locator("#open-settings").click()
        assert complaints(page) == [], "settings"
        page.keyboard.press("Escape")
        page.get_by_test_id("camera-button").click()
        expect(page.locator("#live .bar")).to_have_count(3)
        page.locator("#pause").click()
        assert complaints(page) == [], "camera"
        page.keyboard.press("Escape")
        for index in range(2):
            page.locator(".sample").nth(index).evaluate("button => button.click()")
            expect(page.get_by_test_id("result")).to_have_count(index + 1)
        visited.give([grey(), file("notes.txt", b"text")])
        assert complaints(page) == [], "results"
        if page.locator("#map").is_visible():
            page.locator("#map").click()
            assert complaints(page) == [], "map"


@each_look
def test_axe_finds_nothing_while_photos_are_on_their_way_and_when_stopped(
    browser: Browser, dist: Path, colours: Path, language: str, scheme: Any
) -> None:
    with visit(browser, dist, colours, query=f"?lang={language}", color_scheme=scheme) as visited:
        page = visited.page
        visited.wait_until_ready()
        # Photos that are never read: the file's bytes do not come.
        page.evaluate("() => Worker.prototype.postMessage = () => undefined")
        page.get_by_test_id("file-input").set_input_files([picture("red", f"{index}.png") for index in range(4)])
        expect(page.locator(".card[data-state=reading]")).to_have_count(2)
        page.emulate_media(reduced_motion="reduce")
        assert complaints(page) == [], "busy"
        page.locator("#stop").click()
        assert complaints(page) == [], "stopped"


@each_look
def test_axe_finds_nothing_while_the_model_is_loading_or_cannot_be_loaded(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path, language: str, scheme: Any
) -> None:
    slow = with_prelude(dist, tmp_path / "slow", "self.fetch = () => new Promise(() => undefined);")
    with visit(browser, slow, colours, query=f"?lang={language}", color_scheme=scheme) as visited:
        assert visited.page.locator("body").get_attribute("data-state") == "loading"
        assert complaints(visited.page) == [], "loading"
    with visit(browser, dist, tmp_path, query=f"?lang={language}", color_scheme=scheme, quiet=False) as visited:
        visited.page.locator("body[data-state=failed]").wait_for()
        visited.give([file("notes.txt", b"text")])
        assert complaints(visited.page) == [], "failed"


def test_nothing_moves_for_those_who_do_not_want_it(browser: Browser, dist: Path, colours: Path) -> None:
    for wanted, moving in (("no-preference", True), ("reduce", False)):
        with visit(browser, dist, colours, reduced_motion=wanted) as visited:
            page = visited.page
            visited.wait_until_ready()
            page.evaluate("() => Worker.prototype.postMessage = () => undefined")
            page.get_by_test_id("file-input").set_input_files([picture("red")])
            expect(page.locator(".card[data-state=reading]")).to_have_count(1)
            assert bool(page.evaluate("() => document.getAnimations().length")) is moving

"""The reports as a person opens them: a file, in a browser, on a phone or not, by day or by night."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.unit.compare.models import SETTINGS, labelled, opened, pair
from tests.unit.training.measured import write_model, write_photos
from training.report.write import METRICS, REPORT
from twinlens.compare.measure import measure as compare
from twinlens.compare.page import render
from twinlens.compare.photos import find_photos

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An evaluation and a comparison."""
    folder = tmp_path_factory.mktemp("reports")
    photos = write_photos(folder / "photos")
    command = ["evaluate", write_model(folder / "models", photos), "--split", "test", "--data", photos]
    # In a process of its own: it starts a Chromium, which the process that has one for the tests cannot.
    subprocess.run([sys.executable, "-m", "training", *command, "--out", folder / "evaluation"], cwd=ROOT, check=True)
    classifiers = opened(pair(folder / "pair", {"white": "black", "black": "white"}))
    found = find_photos(labelled(folder / "more", {"red": 2, "white": 3}), None, {"red", "white"})
    (folder / "compare.html").write_bytes(render(compare(found, classifiers, SETTINGS), found, classifiers))
    return {"evaluation": folder / "evaluation" / REPORT, "comparison": folder / "compare.html"}


def visit(browser: Browser, path: Path, width: int = 900, scheme: str = "light") -> tuple[Page, list[str]]:
    """Open a report; what it asks for and what the browser complains of is noted."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=False
    )
    page, seen = context.new_page(), []
    page.on("request", lambda request: seen.append(request.url))
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.goto(path.as_uri())
    return page, [entry for entry in seen if entry != path.as_uri() and not entry.startswith("data:image/jpeg")]


@pytest.mark.parametrize("name", ["evaluation", "comparison"])
@pytest.mark.parametrize(("width", "scheme"), [(900, "light"), (390, "dark"), (320, "light")])
def test_a_report_fits_and_asks_for_nothing(
    browser: Browser, reports: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    page, seen = visit(browser, reports[name], width, scheme)
    assert seen == []
    assert page.locator("html").get_attribute("lang") == "en"
    widest = page.locator("main").bounding_box()
    assert widest is not None and widest["x"] + widest["width"] <= width
    for part in ("h1", "dl.tiles", "table >> nth=0", "ul.photos >> nth=0"):
        box = page.locator(part).first.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width, part
    page.context.close()


@pytest.mark.parametrize("name", ["evaluation", "comparison"])
def test_one_language_is_shown_at_a_time_and_the_keyboard_changes_it(
    browser: Browser, reports: dict[str, Path], name: str
) -> None:
    page, _ = visit(browser, reports[name])
    english, chinese = page.get_by_text("Size and speed"), page.get_by_text("体积与速度")
    assert english.is_visible() and not chinese.is_visible()
    page.get_by_text("中文").click()
    assert chinese.is_visible() and not english.is_visible()
    assert page.locator("svg text[lang=en]").first.is_hidden()
    page.keyboard.press("ArrowLeft")
    assert english.is_visible() and not chinese.is_visible()
    page.context.close()


def test_the_photos_are_in_the_file(browser: Browser, reports: dict[str, Path]) -> None:
    page, _ = visit(browser, reports["evaluation"])
    images = page.locator("ul.photos img")
    assert images.count() == 24  # 12 photos, each with its activation map
    boxes = [image.bounding_box() for image in images.all()]
    assert all(box is not None and box["height"] > 40 for box in boxes)
    page.context.close()


def test_an_evaluation_times_server_and_page(browser: Browser, reports: dict[str, Path]) -> None:
    metrics = json.loads((reports["evaluation"].parent / METRICS).read_bytes())
    timed = metrics["page_latency"]
    assert (timed["not_measured"], timed["backend"]) == (None, "wasm")
    assert (
        len(timed["photo"]["all_ms"]) == len(timed["network"]["all_ms"]) == len(metrics["latency"]["photo"]["all_ms"])
    )
    assert timed["photo"]["median_ms"] >= timed["network"]["median_ms"] > 0
    page, _ = visit(browser, reports["evaluation"])
    rows = page.get_by_text("network alone")
    assert [each.inner_text() for each in rows.all()] == ["network alone", "page: network alone"]
    assert page.get_by_text(timed["browser"]).first.is_visible()
    page.context.close()


def test_night_is_dark(browser: Browser, reports: dict[str, Path]) -> None:
    shots = {}
    for scheme in ("light", "dark"):
        page, _ = visit(browser, reports["comparison"], scheme=scheme)
        shots[scheme] = page.screenshot(clip={"x": 0, "y": 0, "width": 8, "height": 8})
        page.context.close()
    assert shots["light"] != shots["dark"]

"""What can be done with answers: filters, orders, files, the clipboard; and nothing of it asks for anything."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests import models
from tests.e2e.visit import Visit, file, scores, top_label, visit
from twinlens import store


def picture(colour: str, name: str = "") -> FilePayload:
    return file(name or f"{colour}.png", models.encoded(models.picture(colour), "PNG"))


def grey() -> FilePayload:
    """As near to one colour as to another."""
    return file("grey.png", models.encoded(Image.new("RGB", (96, 80), (128, 128, 128)), "PNG"))


def shown(page: Page) -> list[str | None]:
    """The names of the photos that are to be seen, in their order."""
    return page.locator(".card:visible .name").all_text_contents()


@pytest.fixture(scope="module")
def visited(browser: Browser, dist: Path, colours: Path) -> Iterator[Visit]:
    """A visit with two red photos, a blue one, a doubtful one and a file that is none."""
    with visit(browser, dist, colours, permissions=["clipboard-read", "clipboard-write"]) as visited:
        visited.give(
            [picture("blue"), picture("red"), file("=notes.txt", b"text"), grey(), picture("red", "second, red.png")]
        )
        yield visited


@pytest.fixture
def answered(visited: Visit) -> Iterator[Visit]:
    """The visit, seen as it is at first; nothing that a test does with its answers asks for anything."""
    page = visited.page
    page.locator("#filter").select_option("")
    page.locator("#order").select_option("given")
    expect(page.locator(".card:visible")).to_have_count(5)
    loaded = len(visited.server.requests)
    page.context.set_offline(True)
    yield visited
    page.context.set_offline(False)
    assert visited.since(loaded) == []


def test_a_doubtful_answer_is_said_in_words(answered: Visit) -> None:
    page = answered.page
    sure, doubtful = page.get_by_test_id("result").nth(1), page.get_by_test_id("result").nth(3)
    expect(doubtful.locator(".doubt")).to_have_text("Not sure. Closest:")
    assert scores(doubtful).max() < 0.5
    expect(sure.locator(".doubt")).to_have_count(0)
    page.get_by_role("button", name="中文").click()
    expect(doubtful.locator(".doubt")).to_have_text("不确定，最接近的是：")
    page.get_by_role("button", name="English").click()


def test_results_are_saved_as_files(answered: Visit, colours: Path) -> None:
    version = store.open_current(colours)
    page = answered.page
    results = page.get_by_test_id("result").all()
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


def test_results_are_copied(answered: Visit) -> None:
    page = answered.page
    page.locator("#copy").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    lines = page.evaluate("() => navigator.clipboard.readText()").splitlines()
    assert re.fullmatch(r"blue\.png: Blue \d+\.\d%", lines[0])
    assert lines[2].startswith("=notes.txt: This file is not an image")
    assert re.fullmatch(r"grey\.png: not sure \(closest: \w+ \d+\.\d%\)", lines[3])
    page.get_by_role("button", name="Copy the answer for red.png", exact=True).click()
    page.wait_for_function("async () => /^red\\.png: Red [\\d.]+%$/.test(await navigator.clipboard.readText())")


def test_photos_are_filtered_and_sorted(answered: Visit) -> None:
    """The last of those that share the visit: it adds a photo."""
    page = answered.page
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
    assert top_label(page.get_by_test_id("result").first) == "blue"
    # What comes now stands where it belongs once all is done.
    answered.give([picture("blue", "late.png")])
    expect(page.locator(".card .name").nth(1)).to_have_text("late.png")
    page.locator("#order").select_option("given")
    assert shown(page) == ["blue.png", "red.png", "=notes.txt", "grey.png", "second, red.png", "late.png"]


def test_language_and_number_of_labels_are_remembered_and_results_shared_where_the_browser_can(
    browser: Browser, dist: Path, colours: Path
) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        (result,) = visited.give([picture("red")])
        expect(page.locator("#share")).to_be_hidden()
        for wanted, count in (("1", 1), ("Infinity", len(models.LABELS)), ("3", 3)):
            page.locator("#shown").select_option(wanted)
            expect(result.locator(".bar")).to_have_count(count)
        page.get_by_role("button", name="中文").click()

        page.add_init_script("navigator.share = async (data) => { window.shared = data; };")
        page.goto(page.url.split("?")[0])
        expect(page.get_by_role("heading", level=1)).to_have_text("照片里是什么？")
        (result,) = visited.give([picture("red")])
        expect(result.locator(".bar")).to_have_count(3)
        page.get_by_role("button", name="English").click()
        page.locator("#share").click()
        assert re.fullmatch(r"red\.png: Red \d+\.\d%", page.evaluate("() => window.shared.text"))

"""``twinlens review`` as a reviewer uses it: the real command, a real browser, the keyboard alone."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import models
from tests.e2e.axe import broken, broken_in_both_themes
from tests.servers import running
from tests.unit.feedback.made import word
from training.rules import standard
from twinlens.dataset import manifest, quarantine
from twinlens.dataset.manifest import Row
from twinlens.feedback.desk import Desk
from twinlens.review import log
from twinlens.settings import PREFIX, Settings

REVIEW_PAGE = Path(__file__).parents[2] / "web" / "dist-review"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight photos whose colours the made model knows; one is called by another colour's name."""
    folder = tmp_path / "colours"
    given = ["red", "green", "blue", "red", "green", "blue", "red", "red"]
    true = ["red", "green", "blue", "red", "green", "blue", "red", "green"]
    rows = []
    for index, (label, colour) in enumerate(zip(given, true, strict=True)):
        path = folder / label / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(models.encoded(models.picture(colour, 60 + index, 60), "PNG"))
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(Row(path=f"{label}/{index}.png", sha256=sha256, label=label, split="train"))
    manifest.write(folder, rows)
    return folder


@contextmanager
def opened(browser: Browser, data: Path, models_folder: Path, feedback: str = "") -> Iterator[Page]:
    """The page of a data set, with the command running; nothing is complained about but what a test refuses."""
    if not (REVIEW_PAGE / "index.html").is_file():
        pytest.fail(f"{REVIEW_PAGE} has no page in it. Run: make page")
    settings = {f"{PREFIX}MODELS": str(models_folder), f"{PREFIX}MODEL": models.NAME, f"{PREFIX}FEEDBACK": feedback}
    command = [sys.executable, "-m", "twinlens", "review", str(data), "--who", "ana"]
    with running(settings, command, ready=False, cwd=data.parent) as server:
        context = browser.new_context(locale="en-GB")
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(server.url)
        page.get_by_test_id("status").wait_for()
        yield page
        context.close()
        assert complaints == []


@pytest.fixture
def page(browser: Browser, data: Path, models_folder: Path) -> Iterator[Page]:
    with opened(browser, data, models_folder) as page:
        yield page


def rows(data: Path) -> dict[str, Row]:
    return {row.path: row for row in manifest.require(data)}


def test_by_the_keyboard_alone(page: Page, data: Path) -> None:
    expect(page.get_by_test_id("status")).to_have_text("1 of 1")
    expect(page.get_by_test_id("path")).to_have_text("red/7.png")
    expect(page.get_by_test_id("reasons")).to_contain_text("The model says green")
    expect(page.get_by_test_id("suggested")).to_contain_text("It is green")
    assert page.get_by_test_id("photo").evaluate("image => image.decode().then(() => image.naturalWidth)") == 67
    page.keyboard.press("s")
    expect(page.get_by_test_id("done")).to_be_visible()
    expect(page.get_by_test_id("done")).to_have_text("That was the last one.")
    assert rows(data)["red/7.png"].label == "green"
    page.keyboard.press("z")
    expect(page.get_by_test_id("done")).to_be_hidden()  # until then the label of before stands there, out of sight
    expect(page.get_by_test_id("label")).to_have_text("red")
    page.keyboard.press("l")
    page.keyboard.type("magenta")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("done")).to_be_visible()
    assert rows(data)["red/7.png"].label == "magenta"
    page.keyboard.press("z")
    expect(page.get_by_test_id("done")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("done")).to_be_visible()
    assert rows(data)["red/7.png"].reviewed is not None
    page.keyboard.press("z")
    expect(page.get_by_test_id("done")).to_be_hidden()
    page.keyboard.press("x")
    expect(page.get_by_test_id("done")).to_be_visible()
    assert "red/7.png" not in rows(data)
    assert [entry["reason"] for entry in quarantine.entries(data)] == ["reviewed"]
    actions = [(decision.action, decision.who) for decision in log.read(data)]
    expected = ["relabel", "undo", "relabel", "undo", "confirm", "undo", "set-aside"]
    assert actions == [(action, "ana") for action in expected]
    page.reload()
    expect(page.get_by_test_id("status")).to_have_text("1 of 7")
    page.keyboard.press("z")  # a decision of before the page was loaded, on a photo that it was not told of
    expect(page.get_by_test_id("path")).to_have_text("red/7.png")
    expect(page.get_by_test_id("label")).to_have_text("red")
    assert rows(data)["red/7.png"].label == "red"


def test_nothing_is_decided_before_the_photo_is_there(page: Page, data: Path) -> None:
    page.locator("#filter").select_option("all")
    page.get_by_test_id("photo").evaluate("image => image.decode()")
    page.route("**/photos/**", lambda route: None)  # never answered
    page.get_by_test_id("photo").evaluate("image => { image.src = 'photos/blue/2.png?anew'; }")
    for key in ("Enter", "x"):
        page.keyboard.press(key)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id("status")).to_have_text("2 of 8")
    assert log.read(data) == []


def test_all_photos_back_and_forth(page: Page) -> None:
    page.locator("#filter").select_option("all")
    expect(page.get_by_test_id("status")).to_have_text("1 of 8")
    first = page.get_by_test_id("path").text_content()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id("status")).to_have_text("2 of 8")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_test_id("path")).to_have_text(str(first))


def test_what_was_changed_meanwhile_is_said(page: Page, data: Path) -> None:
    changed = [row.model_copy(update={"label": "blue"}) for row in manifest.require(data)]
    manifest.write(data, changed)
    page.get_by_test_id("photo").evaluate("image => image.decode()")  # before that, a key decides nothing
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Load the page again")
    assert rows(data) == {row.path: row for row in changed}


@pytest.mark.parametrize("width", [1200, 390, 320])
def test_for_everyone(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert broken_in_both_themes(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_text("中文").click()
    expect(page.get_by_test_id("confirm")).to_contain_text("标签正确")
    assert broken(page) == []


def test_the_issues_of_check_come_first(browser: Browser, data: Path, models_folder: Path) -> None:
    doubtful = {"path": "blue/2.png", "label": "blue", "score": 0.0, "suggested": "red", "suggested_score": 0.9}
    doubtful["sha256"] = rows(data)["blue/2.png"].sha256
    report = data.parent / "report" / "data" / data.name
    report.mkdir(parents=True)
    (report / "check.json").write_text(json.dumps({"label_noise": {"doubtful": [doubtful]}}))
    with opened(browser, data, models_folder) as page:
        expect(page.get_by_test_id("path")).to_have_text("blue/2.png")
        expect(page.get_by_test_id("reasons")).to_contain_text("looks like photos of red")
        page.locator("#filter").select_option("label-issue")
        expect(page.get_by_test_id("status")).to_have_text("1 of 1")


SCRIPT = "<img src=x onerror=window.hacked=1>"


@pytest.fixture
def desk(data: Path) -> Iterator[Desk]:
    """What visitors said of a new photo, one of them with a script for a label."""
    desk = Desk(Settings(feedback=f"sqlite:///{data.parent}/visitors.db"))
    photo = models.encoded(models.picture("cyan", 70, 60), "PNG")
    for number, label in enumerate((SCRIPT, SCRIPT, None)):
        desk.take(photo, f"192.0.2.{number}", word(label, "cyan", 0.9), standard(64, 64))
    yield desk
    desk.close()


def test_what_visitors_say(browser: Browser, data: Path, models_folder: Path, desk: Desk) -> None:
    before = rows(data)
    with opened(browser, data, models_folder, f"sqlite:///{data.parent}/visitors.db") as page:
        page.locator("#filter").select_option("feedback")
        expect(page.get_by_test_id("status")).to_have_text("1 of 1")
        expect(page.get_by_test_id("path")).to_have_text("A new photo")
        expect(page.get_by_test_id("label")).to_have_text(SCRIPT)
        expect(page.get_by_test_id("reasons")).to_contain_text(f"2 visitors say {SCRIPT}")
        expect(page.get_by_test_id("reasons")).to_contain_text("One visitor says that it is none of the labels")
        expect(page.get_by_test_id("reasons")).to_contain_text("The model says cyan (90%)")
        assert page.get_by_test_id("photo").evaluate("image => image.decode().then(() => image.naturalWidth)") == 70
        assert broken_in_both_themes(page) == []
        page.keyboard.press("s")  # the model's answer
        expect(page.get_by_test_id("done")).to_be_visible()
        (row,) = [row for path, row in rows(data).items() if path not in before]
        assert (row.label, row.split) == ("cyan", "train") and (data / row.path).is_file()
        assert [each.state for each in desk.store.page(None, 9)] == ["relabelled"] * 3
        page.reload()
        expect(page.get_by_test_id("status")).to_contain_text("of")
        page.keyboard.press("z")
        expect(page.get_by_test_id("path")).to_have_text("A new photo")
        expect(page.get_by_test_id("label")).to_have_text(SCRIPT)
        assert rows(data) == before
        page.get_by_test_id("photo").evaluate("image => image.decode()")
        page.keyboard.press("x")
        expect(page.get_by_test_id("path")).not_to_have_text("A new photo")
        assert [each.state for each in desk.store.page(None, 9)] == ["set-aside"] * 3
        assert page.evaluate("window.hacked") is None
    assert rows(data) == before

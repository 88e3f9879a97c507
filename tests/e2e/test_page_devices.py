"""The camera, and plain http: what Chromium is told on its command line, so this module has a browser of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, expect

from browser.chromium import chromium
from tests import models
from tests.e2e.visit import Choosers, Visit, file, top_label, visit

# Stands for the name or address of a server in a local network; the loopback addresses count as secure.
PLAIN_HTTP = "twinlens.test"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--use-fake-device-for-media-stream", f"--host-resolver-rules=MAP {PLAIN_HTTP} 127.0.0.1"]
    with chromium(webgl=True, arguments=arguments) as browser:
        yield browser


@pytest.fixture(scope="module")
def visited(browser: Browser, dist: Path, colours: Path) -> Iterator[Visit]:
    """A visit that may use the camera."""
    with visit(browser, dist, colours, permissions=["camera"]) as visited:
        visited.wait_until_ready()
        yield visited


@pytest.fixture
def filming(visited: Visit) -> Iterator[Visit]:
    """The visit with its camera open; it is off again and no photo is left when the test ends."""
    page = visited.page
    page.get_by_test_id("camera-button").click()
    # A camera may take seconds to start on a machine that has much to do.
    page.wait_for_function("() => document.querySelector('video').videoWidth > 0")
    expect(page.get_by_role("dialog")).to_be_visible()
    yield visited
    if page.get_by_role("dialog").is_visible():
        page.keyboard.press("Escape")
    # The dialog tells that it was closed in a task of its own, after it is hidden.
    expect(page.locator("video")).to_have_js_property("srcObject", None)
    clear = page.get_by_role("button", name="Clear")
    if clear.is_visible():
        clear.click()


def red() -> FilePayload:
    return file("red.png", models.encoded(models.picture("red"), "PNG"))


def test_the_camera_is_answered_live_and_a_photo_taken(filming: Visit) -> None:
    page = filming.page
    live = page.locator("#live")
    expect(live.locator(".bar")).to_have_count(3, timeout=30_000)
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
    expect(result.get_by_test_id("top-label")).not_to_be_empty()


def test_a_double_click_takes_one_photo(filming: Visit) -> None:
    page = filming.page
    # Two clicks in one task: no time is left for the dialog to go away by itself.
    page.get_by_role("button", name="Take it").evaluate("(button) => (button.click(), button.click())")
    expect(page.get_by_test_id("result")).not_to_have_count(0)
    page.wait_for_timeout(500)  # a second one would be converted and answered by now
    filming.wait_until_ready()
    expect(page.get_by_test_id("result")).to_have_count(1)


def test_escape_closes_the_camera(filming: Visit) -> None:
    page = filming.page
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("video")).to_have_js_property("srcObject", None)
    expect(page.get_by_test_id("camera-button")).to_be_focused()


def test_a_camera_that_is_taken_away_is_said(filming: Visit) -> None:
    page = filming.page
    expect(page.locator("#live .bar")).to_have_count(3)
    page.evaluate("() => document.querySelector('video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))")
    expect(page.locator("#live-status")).to_contain_text("no camera")


ASK_LATER = """() => {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const allowed = new Promise((resolve) => (window.allow = resolve));
  window.tracks = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    await allowed;
    const stream = await ask(wanted);
    window.tracks.push(...stream.getTracks());
    return stream;
  };
}"""


def test_impatient_clicks_leave_no_camera_on(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, permissions=["camera"]) as visited:
        page = visited.page
        page.evaluate(ASK_LATER)
        page.get_by_test_id("camera-button").dblclick()
        page.evaluate("() => window.allow()")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.wait_for_function("() => document.querySelector('video').videoWidth > 0")
        page.keyboard.press("Escape")
        expect(page.locator("video")).to_have_js_property("srcObject", None)
        assert page.evaluate("() => window.tracks.map((track) => track.readyState)") == ["ended"]
        expect(page.get_by_role("alert")).to_be_hidden()
        page.get_by_test_id("camera-button").click()
        expect(page.get_by_role("dialog")).to_be_visible()


def test_why_there_is_no_camera(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        page = visited.page
        visited.wait_until_ready()
        page.get_by_test_id("camera-button").click()
        expect(page.get_by_role("alert")).to_contain_text("Allow it for this page")
        for name, words in {
            "NotFoundError": "no camera that the browser can find",
            "NotReadableError": "Another program may be using it",
            "NotAllowedError": "Allow it for this page",
        }.items():
            page.evaluate(
                "name => navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', name))", name
            )
            page.get_by_test_id("camera-button").click()
            expect(page.get_by_role("alert")).to_contain_text(words)
        (result,) = visited.give([red()])
        assert top_label(result) == "red"


def test_over_plain_http_photos_are_answered_all_the_same_and_the_device_s_camera_app_asked(
    browser: Browser, dist: Path, colours: Path, visited: Visit
) -> None:
    """The browser's own SHA-256 is not there, which model and answers are checked with; nor is the camera."""
    (result,) = visited.give([red()])
    digest = result.get_attribute("data-input-sha256")
    with visit(browser, dist, colours, host=PLAIN_HTTP) as plain:
        page = plain.page
        assert page.evaluate("isSecureContext") is False
        choosers = Choosers(page)
        plain.wait_until_ready()
        page.get_by_test_id("camera-button").click()
        chooser = choosers.only()
        assert chooser.element.get_attribute("capture") == "environment"
        chooser.set_files([red()])
        expect(page.get_by_test_id("top-label")).to_have_text("Red")
        expect(page.get_by_test_id("result")).to_have_attribute("data-input-sha256", digest or "")

"""The camera, and plain http: what Chromium is told on its command line, so this module has a browser of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, expect

from browser.chromium import chromium
from tests import models
from tests.e2e.visit import Choosers, file, top_label, visit

# Stands for the name or address of a server in a local network; the loopback addresses count as secure.
PLAIN_HTTP = "twinlens.test"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--use-fake-device-for-media-stream", f"--host-resolver-rules=MAP {PLAIN_HTTP} 127.0.0.1"]
    with chromium(webgl=True, arguments=arguments) as browser:
        yield browser


def red() -> FilePayload:
    return file("red.png", models.encoded(models.picture("red"), "PNG"))


def test_a_photo_is_taken_and_answered(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, permissions=["camera"]) as visited:
        page = visited.page
        page.get_by_test_id("camera-button").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        page.wait_for_function("() => document.querySelector('video').videoWidth > 0")
        dialog.get_by_role("button", name="Take it").click()
        result = page.get_by_test_id("result")
        expect(result.get_by_test_id("top-label")).not_to_be_empty()
        expect(dialog).to_be_hidden()
        # The dialog tells that it was closed in a task of its own, after it is hidden.
        expect(page.locator("video")).to_have_js_property("srcObject", None)


def test_a_double_click_takes_one_photo(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, permissions=["camera"]) as visited:
        page = visited.page
        visited.wait_until_ready()
        page.get_by_test_id("camera-button").click()
        page.wait_for_function("() => document.querySelector('video').videoWidth > 0")
        # Two clicks in one task: no time is left for the dialog to go away by itself.
        page.get_by_role("button", name="Take it").evaluate("(button) => (button.click(), button.click())")
        expect(page.get_by_test_id("result")).not_to_have_count(0)
        page.wait_for_timeout(500)  # a second one would be converted and answered by now
        visited.wait_until_ready()
        expect(page.get_by_test_id("result")).to_have_count(1)


def test_escape_closes_the_camera(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, permissions=["camera"]) as visited:
        page = visited.page
        page.get_by_test_id("camera-button").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        # The dialog tells that it was closed in a task of its own, after it is hidden.
        expect(page.locator("video")).to_have_js_property("srcObject", None)
        expect(page.get_by_test_id("camera-button")).to_be_focused()


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


def test_a_camera_that_is_refused_is_said(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        visited.page.get_by_test_id("camera-button").click()
        expect(visited.page.get_by_role("alert")).to_contain_text("Allow it for this page")


def test_over_plain_http_photos_are_answered_all_the_same(browser: Browser, dist: Path, colours: Path) -> None:
    """The browser's own SHA-256 is not there, which model and answers are checked with."""
    with visit(browser, dist, colours) as secure:
        (result,) = secure.give([red()])
        digest = result.get_attribute("data-input-sha256")
    with visit(browser, dist, colours, host=PLAIN_HTTP) as visited:
        assert visited.page.evaluate("isSecureContext") is False
        (result,) = visited.give([red()])
        assert top_label(result) == "red"
        assert result.get_attribute("data-input-sha256") == digest


def test_over_plain_http_the_device_s_own_camera_app_is_asked(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, host=PLAIN_HTTP) as visited:
        choosers = Choosers(visited.page)
        visited.wait_until_ready()
        visited.page.get_by_test_id("camera-button").click()
        chooser = choosers.only()
        assert chooser.element.get_attribute("capture") == "environment"
        chooser.set_files([red()])
        expect(visited.page.get_by_test_id("top-label")).to_have_text("Red")

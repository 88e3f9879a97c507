"""The comparison with the server: where there is one, after a clear consent, and what it says when it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, Request, Route, expect

from tests import images, models
from tests.e2e.axe import broken_in_both_themes
from tests.e2e.visit import Visit, file, scores, visit
from tests.servers import RunningServer, running


@pytest.fixture(scope="module")
def server(dist: Path, colours: Path) -> Iterator[RunningServer]:
    environment = {
        "TWINLENS_MODELS": str(colours.parent),
        "TWINLENS_MODEL": colours.name,
        "TWINLENS_PAGE": str(dist),
        "TWINLENS_MAX_BODY_MIB": "0.5",
    }
    with running(environment) as server:
        yield server


@pytest.fixture(params=["allow", "block"])
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(locale="en-GB", service_workers=request.param) as context:
        yield context


RECORD = """{
  const ask = window.fetch;
  window.sent = [];
  window.fetch = (address, options) => {
    if (options?.body) window.sent.push(options.body);
    return ask(address, options);
  };
}"""
READ = "async () => Array.from(new Uint8Array(await new Response(window.sent.at(-1)).arrayBuffer()))"


class Asked:
    """What a page has sent to the server's API."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.add_init_script(RECORD)
        self.requests: list[Request] = []
        page.on("request", lambda request: self.requests.append(request) if "/v1/classify" in request.url else None)

    def last_body(self) -> bytes:
        """The last body that was sent; the browser does not report those that are files."""
        return bytes(self._page.evaluate(READ))


def large() -> FilePayload:
    """A photo that is larger as a file than what it is shrunk to, with data that says where it was taken."""
    pixels = np.asarray(models.picture("red", 640, 480))
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    return file("holiday.jpg", images.encoded(Image.fromarray(pixels), "JPEG", quality=95, exif=exif))


def open_page(context: BrowserContext, server: RunningServer, query: str = "") -> tuple[Visit, Asked]:
    page = context.new_page()
    asked = Asked(page)
    page.goto(f"{server.url}/{query}")
    visited = Visit(page, None)  # type: ignore[arg-type]
    visited.wait_until_ready()
    page.locator("#compare summary").click()
    return visited, asked


def test_on_a_static_host_the_control_is_not_there(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        visited.wait_until_ready()
        visited.give([large()])
        expect(visited.page.locator("#compare")).to_have_count(0)
        expect(visited.page.locator("#privacy")).not_to_be_empty()


def test_one_photo_is_sent_after_consent_shrunk_or_as_it_is(context: BrowserContext, server: RunningServer) -> None:
    visited, asked = open_page(context, server)
    page = visited.page
    expect(page.get_by_text("Add a photo first")).to_be_visible()
    (result,) = visited.give([large()])
    prepare, consent = page.get_by_test_id("compare-prepare"), page.get_by_test_id("compare-consent")
    prepare.click()
    expect(consent).to_contain_text("holiday.jpg")
    expect(consent).to_contain_text(f"{server.url}/v1/classify")
    expect(consent).to_contain_text(re.compile(r"shrunk .*\(\d+ kB\)"))
    expect(consent).to_be_focused()
    page.get_by_test_id("compare-cancel").click()
    expect(consent).to_be_hidden()
    expect(prepare).to_be_focused()
    prepare.click()
    expect(consent).to_be_visible()
    assert asked.requests == [], "sent before the visitor agreed"

    page.get_by_test_id("compare-send").click()
    table = page.get_by_test_id("compare-result")
    expect(table).to_be_visible()
    body = asked.last_body()
    assert len(asked.requests) == 1
    assert len(body) < len(large()["buffer"])
    assert b"taken at home" not in body and b"taken at home" in large()["buffer"]
    row = table.locator("tbody tr").first
    assert row.get_attribute("data-label") == "red"
    here, there = (float(row.get_attribute(name) or "") for name in ("data-here", "data-there"))
    assert here == scores(result).max()
    assert there == pytest.approx(here, abs=1e-5)
    expect(page.get_by_test_id("compare-status")).to_have_text("Both say the same.")
    expect(table.locator("tfoot")).to_contain_text(re.compile(r"\d+ ms"))
    expect(table).to_contain_text("differ most")

    page.get_by_test_id("compare-original").check()
    prepare.click()
    expect(consent).to_contain_text("as it is")
    page.get_by_test_id("compare-send").click()
    expect(table).to_be_visible()
    assert asked.last_body() == large()["buffer"]
    assert len(asked.requests) == 2

    visited.give([file("second.png", models.encoded(models.picture("blue"), "PNG"))])
    expect(page.get_by_test_id("compare-photo").locator("option")).to_have_count(2)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_test_id("compare-photo")).to_be_hidden()
    expect(page.get_by_text("Add a photo first")).to_be_visible()


@pytest.mark.parametrize("context", ["block"], indirect=True)
def test_consent_is_asked_for_each_photo_unless_told_otherwise_and_forgotten_with_the_page(
    context: BrowserContext, server: RunningServer
) -> None:
    visited, asked = open_page(context, server)
    page = visited.page
    visited.give([large()])
    prepare, consent = page.get_by_test_id("compare-prepare"), page.get_by_test_id("compare-consent")
    for _ in range(2):
        prepare.click()
        expect(consent).to_be_visible()
        page.get_by_test_id("compare-send").click()
        expect(page.get_by_test_id("compare-result")).to_be_visible()
    prepare.click()
    page.get_by_label("Do not ask again").check()
    page.get_by_test_id("compare-send").click()
    expect(page.get_by_test_id("compare-result")).to_be_visible()
    prepare.click()
    page.wait_for_function("() => document.querySelector('.compare').dataset.stage === 'shown'")
    expect(consent).to_be_hidden()
    assert len(asked.requests) == 4
    page.reload()
    visited.wait_until_ready()
    page.locator("#compare summary").click()
    visited.give([large()])
    prepare.click()
    expect(consent).to_be_visible()


@pytest.mark.parametrize("context", ["allow"], indirect=True)
def test_a_file_that_the_server_finds_too_large(context: BrowserContext, server: RunningServer) -> None:
    visited, _ = open_page(context, server)
    page = visited.page
    pixels = np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8)
    visited.give([file("noise.png", images.encoded(Image.fromarray(pixels), "PNG"))])
    page.get_by_test_id("compare-original").check()
    page.get_by_test_id("compare-prepare").click()
    page.get_by_test_id("compare-send").click()
    status = page.get_by_test_id("compare-status")
    expect(status).to_contain_text("larger than the server accepts")
    page.get_by_role("button", name="中文").click()
    expect(status).to_contain_text("超过服务器允许的大小")
    page.get_by_test_id("compare-original").uncheck()
    page.get_by_test_id("compare-prepare").click()
    page.get_by_test_id("compare-send").click()
    expect(page.get_by_test_id("compare-result")).to_be_visible()


@pytest.mark.parametrize("context", ["block"], indirect=True)
def test_a_server_that_is_busy_and_one_that_is_gone(context: BrowserContext, server: RunningServer) -> None:
    visited, _ = open_page(context, server)
    page = visited.page
    visited.give([large()])

    def busy(route: Route) -> None:
        route.fulfill(
            status=429,
            headers={"Retry-After": "9"},
            content_type="application/problem+json",
            body='{"code": "overloaded"}',
        )

    page.route("**/v1/classify*", busy)
    page.get_by_test_id("compare-prepare").click()
    page.get_by_test_id("compare-send").click()
    status = page.get_by_test_id("compare-status")
    expect(status).to_contain_text("Try again in 9 s")
    page.unroute("**/v1/classify*", busy)
    page.context.set_offline(True)
    page.get_by_test_id("compare-prepare").click()
    page.get_by_test_id("compare-send").click()
    expect(status).to_contain_text("cannot be reached")
    page.context.set_offline(False)
    page.get_by_test_id("compare-prepare").click()
    page.get_by_test_id("compare-send").click()
    expect(page.get_by_test_id("compare-result")).to_be_visible()


def test_the_server_s_page_is_whole_on_every_visit(context: BrowserContext, server: RunningServer) -> None:
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    for _ in range(2):
        page.goto(server.url)
        visited = Visit(page, None)  # type: ignore[arg-type]
        visited.wait_until_ready()
        assert page.evaluate("crossOriginIsolated") is True
        expect(page.locator("#privacy")).to_contain_text("only when you ask it to compare")
        expect(page.locator("#compare")).not_to_be_empty()
    assert complaints == []


@pytest.mark.parametrize("query", ["?lang=en", "?lang=zh"])
def test_axe_finds_nothing_in_the_panels(browser: Browser, server: RunningServer, query: str) -> None:
    with browser.new_context(viewport={"width": 390, "height": 900}) as context:
        visited, _ = open_page(context, server, query)
        page = visited.page
        page.locator("#privacy summary").click()
        assert broken_in_both_themes(page) == [], "no photo"
        visited.give([large()])
        page.get_by_test_id("compare-prepare").click()
        expect(page.get_by_test_id("compare-consent")).to_be_visible()
        assert broken_in_both_themes(page) == [], "consent"
        page.get_by_test_id("compare-send").click()
        expect(page.get_by_test_id("compare-result")).to_be_visible()
        assert broken_in_both_themes(page) == [], "both answers"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        words = page.locator("#compare, #privacy").all_inner_texts()
        assert all(bool(re.search("[\u4e00-\u9fff]{4}", text)) == (query == "?lang=zh") for text in words)

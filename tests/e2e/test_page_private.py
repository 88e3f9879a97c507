"""What the loaded page sends: nothing, by whatever way; and what it says of that. It can be installed all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from browser.chromium import chromium
from browser.static import StaticServer
from tests.e2e.visit import SUB_PATH, file, picture, top_label, visit
from tests.e2e.visitor import Visitor

# Stands for the name or address of a server in a local network; the loopback addresses count as secure.
PLAIN_HTTP = "twinlens.test"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(webgl=True, arguments=[f"--host-resolver-rules=MAP {PLAIN_HTTP} 127.0.0.1"]) as browser:
        yield browser


@pytest.mark.parametrize("service_workers", ["allow", "block"])
def test_nothing_is_asked_for_after_loading(browser: Browser, site: Path, service_workers: str) -> None:
    visitor = Visitor(browser, site, service_workers=service_workers)
    try:
        visited = visitor.come()
        loaded = len(visitor.server.requests)
        visited.give([picture("red"), picture("green"), file("notes.txt", b"text")])
        state = visitor.page.get_by_test_id("offline-state")
        expect(state).to_have_attribute("data-kept", "true" if service_workers == "allow" else "false")
        visitor.page.locator("#privacy summary").click()
        expect(visitor.page.get_by_test_id("request-count")).to_have_attribute("data-value", "0")
        visitor.page.wait_for_timeout(2000)
        assert visited.since(loaded) == []
        if service_workers == "block":
            expect(state).to_contain_text("does not allow it here")
    finally:
        visitor.leave()


LEAKS = {
    "fetch": "fetch(url)",
    "beacon": "navigator.sendBeacon(url, 'photo') ? Promise.resolve() : Promise.reject(new Error())",
    "xhr": "new Promise((sent, failed) => { const x = new XMLHttpRequest(); x.onload = sent; x.onerror = failed;"
    " x.open('POST', url); x.send('photo'); })",
    "socket": "new Promise((sent, failed) => { const s = new WebSocket(url.replace('http', 'ws')); s.onopen = sent;"
    " s.onerror = failed; })",
    "events": "new Promise((sent, failed) => { const s = new EventSource(url); s.onopen = sent; s.onerror = failed; })",
    "image": "new Promise((sent, failed) => { const i = new Image(); i.onload = sent; i.onerror = failed;"
    " i.src = url; })",
}


def test_a_loaded_page_on_a_static_host_connects_to_nothing(visitor: Visitor, tmp_path: Path) -> None:
    (visitor.site / "icons" / "here.txt").write_text("here")
    with StaticServer({"/": tmp_path}) as elsewhere:
        visited = visitor.come()
        loaded = len(visitor.server.requests)
        for way, script in LEAKS.items():
            for url in (f"{visitor.url}icons/here.txt?{way}", f"{elsewhere.url}/there.txt?{way}"):
                visitor.page.evaluate(f"async (url) => {{ try {{ await {script}; }} catch {{}} }}", url)
        visitor.page.wait_for_timeout(500)
        assert visited.since(loaded) == []
        assert elsewhere.requests == []


def test_the_worker_asks_no_other_host_and_from_the_second_visit_on_for_the_page_s_files_only(
    visitor: Visitor, tmp_path: Path
) -> None:
    """No header says so here."""
    script = "(url) => fetch(url, { method: 'GET' }).then(() => 'sent', (error) => error.name)"
    (visitor.site / "secret.txt").write_text("x")
    with StaticServer({"/": tmp_path}, {"Access-Control-Allow-Origin": "*"}) as elsewhere:
        for _ in range(2):
            visitor.come_and_keep()
            assert visitor.page.workers[0].evaluate(script, elsewhere.url) == "TypeError"
        assert elsewhere.requests == []
    loaded = len(visitor.server.requests)
    for path in ("secret.txt", "assets/x.js?photo=1", "model/current?photo=1", "icons/icon-192.png?photo=1"):
        assert visitor.page.workers[0].evaluate(script, visitor.url + path) == "TypeError"
    asked = {request.path for request in visitor.server.requests[loaded:]}
    assert asked <= {f"{SUB_PATH}sw.js"}
    visitor.page.locator("#privacy summary").click()
    expect(visitor.page.get_by_test_id("request-count")).not_to_have_attribute("data-value", "0")
    listed = visitor.page.get_by_role("list", name="Requests since loading")
    expect(listed).to_contain_text("secret.txt")
    expect(listed).to_contain_text("refused")


def test_the_panel_says_whether_there_is_a_network(visitor: Visitor) -> None:
    visited = visitor.come()
    visitor.page.locator("#privacy summary").click()
    expect(visitor.page.get_by_text("The network is there.")).to_be_visible()
    visitor.context.set_offline(True)
    expect(visitor.page.get_by_text("You are offline, and the page goes on answering.")).to_be_visible()
    (result,) = visited.give([picture("red")])
    assert top_label(result) == "red"


def test_over_plain_http_it_says_why_nothing_is_kept(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, host=PLAIN_HTTP) as visited:
        visited.wait_until_ready()
        visited.page.locator("#privacy summary").click()
        expect(visited.page.get_by_test_id("offline-state")).to_contain_text("https:")


def test_it_can_be_installed(visitor: Visitor) -> None:
    visitor.come_and_keep()
    session = visitor.context.new_cdp_session(visitor.page)
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert json.loads(manifest["data"])["name"] == "Twinlens"
    found = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [error for error in found if error["errorId"] != "in-incognito"] == []

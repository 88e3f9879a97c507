"""Visits without a network: what is kept, when it is renewed, what happens when it breaks, and what never leaves."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect

from browser.chromium import chromium
from browser.static import StaticServer
from tests import models
from tests.e2e.visit import SUB_PATH, Visit, file, top_label, visit
from twinlens.site.write import write_site

ROOT = Path(__file__).parents[2]
# Stands for the name or address of a server in a local network; the loopback addresses count as secure.
PLAIN_HTTP = "twinlens.test"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(webgl=True, arguments=[f"--host-resolver-rules=MAP {PLAIN_HTTP} 127.0.0.1"]) as browser:
        yield browser


def picture(colour: str) -> FilePayload:
    return file(f"{colour}.png", models.encoded(models.picture(colour), "PNG"))


class Visitor:
    """Somebody who comes back: one browser profile, one host that may be renewed, and go."""

    def __init__(self, browser: Browser, site: Path, headers: dict[str, str] | None = None, **context: Any) -> None:
        self.site = site
        self._stack = ExitStack()
        self.server = self._stack.enter_context(StaticServer({SUB_PATH: site}, headers))
        self.url = f"{self.server.url}{SUB_PATH}"
        self.context: BrowserContext = browser.new_context(**({"locale": "en-GB"} | context))
        self.page: Page = self.context.new_page()
        self.documents = 0
        self.page.on("domcontentloaded", lambda: setattr(self, "documents", self.documents + 1))

    def come(self, query: str = "") -> Visit:
        """Open the page, or open it again, and wait until it can answer."""
        self.page.goto(f"{self.url}{query}")
        visited = Visit(self.page, self.server)
        visited.wait_until_ready()
        return visited

    def come_and_keep(self) -> Visit:
        visited = self.come()
        expect(self.page.get_by_test_id("offline-state")).to_have_attribute("data-kept", "true")
        return visited

    def host_goes(self) -> None:
        """The host is gone: no emulation, nothing listens at its address any more."""
        self._stack.close()

    def store(self) -> list[str]:
        """Addresses of what lies on the device, within the site's folder."""
        script = """async () => {
            const found = [];
            for (const name of await caches.keys()) {
                for (const { url } of await (await caches.open(name)).keys()) found.push(url);
            }
            return found;
        }"""
        found: list[str] = self.page.evaluate(script)
        return sorted(url.removeprefix(self.url) for url in found)

    def spoil(self, pattern: str, action: str) -> None:
        """Damage what lies on the device: ``action`` is JavaScript that has ``cache`` and ``request``."""
        script = f"""async (pattern) => {{
            let spoilt = 0;
            for (const name of await caches.keys()) {{
                const cache = await caches.open(name);
                for (const request of await cache.keys()) {{
                    if (!new RegExp(pattern).test(request.url)) continue;
                    await {action};
                    spoilt++;
                }}
            }}
            return spoilt;
        }}"""
        assert self.page.evaluate(script, pattern) > 0

    def leave(self) -> None:
        self.context.close()
        self._stack.close()


@pytest.fixture
def site(dist: Path, colours: Path, tmp_path: Path) -> Path:
    return write_site(dist, colours, tmp_path / "site").path


@pytest.fixture
def visitor(browser: Browser, site: Path) -> Iterator[Visitor]:
    visitor = Visitor(browser, site)
    yield visitor
    visitor.leave()


def rebuilt(dist: Path, folder: Path) -> Path:
    """Another build of the page: its script has another name, its title another word."""
    copy = Path(shutil.copytree(dist, folder / "rebuilt"))
    (script,) = copy.glob("assets/index-*.js")
    renamed = script.with_name("index-another.js")
    text = script.read_text(encoding="utf-8") + "document.documentElement.dataset.another = 'yes';\n"
    script.unlink()
    renamed.write_text(text, encoding="utf-8")
    page = (copy / "index.html").read_text(encoding="utf-8").replace(script.name, renamed.name)
    found = re.search(r'id="build">(\{.*?\})</script>', page)
    assert found
    record = json.loads(found[1])
    record["files"].pop(f"assets/{script.name}", None)
    record["files"][f"assets/{renamed.name}"] = sha256(text.encode()).hexdigest()
    record["id"] = "00000000000000aa"
    page = page.replace(found[1], json.dumps(record, separators=(",", ":")))
    (copy / "index.html").write_text(page, encoding="utf-8")
    return copy


def test_after_one_visit_no_network_is_needed(visitor: Visitor) -> None:
    visitor.come_and_keep()
    asked = [request.path for request in visitor.server.requests]
    assert {request.status for request in visitor.server.requests} == {200}
    assert len(set(asked)) == len(asked), "something was fetched twice"
    visitor.host_goes()
    for query in ("", "?lang=zh"):
        visited = visitor.come(query)
        for colour in ("red", "blue"):
            (result,) = visited.give([picture(colour)])
            assert top_label(result) == colour
    expect(visitor.page.get_by_test_id("offline-state")).to_have_attribute("data-kept", "true")


def test_a_page_opened_under_another_address_is_kept_too(visitor: Visitor) -> None:
    visitor.come("?lang=zh")
    expect(visitor.page.get_by_test_id("offline-state")).to_have_attribute("data-kept", "true")
    visitor.host_goes()
    (result,) = visitor.come("index.html").give([picture("red")])
    assert top_label(result) == "red"


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
        assert visitor.server.requests[loaded:] == []
        if service_workers == "block":
            expect(state).to_contain_text("does not allow it here")
    finally:
        visitor.leave()


def test_on_a_later_visit_only_the_browser_asks_whether_the_service_worker_is_new(visitor: Visitor) -> None:
    visitor.come_and_keep()
    first = len(visitor.server.requests)
    visited = visitor.come_and_keep()
    loaded = len(visitor.server.requests)
    once = {request.path.removeprefix(SUB_PATH) for request in visitor.server.requests[:first]}
    asked = [request.path.removeprefix(SUB_PATH) for request in visitor.server.requests[first:loaded]]
    assert once & set(asked) <= {"", "model/current", "sw.js"}, "something was fetched twice"
    assert {"", "model/current"} <= set(asked)
    visited.give([picture("red")])
    visitor.page.wait_for_timeout(2000)
    assert {request.path for request in visitor.server.requests[loaded:]} <= {f"{SUB_PATH}sw.js"}


def test_the_first_visit_is_not_reloaded_and_the_second_is_isolated(visitor: Visitor) -> None:
    visitor.come_and_keep()
    visitor.page.wait_for_timeout(1000)
    assert visitor.documents == 1
    assert visitor.page.evaluate("crossOriginIsolated") is False
    visited = visitor.come_and_keep()
    assert visitor.documents == 2
    assert visitor.page.evaluate("crossOriginIsolated") is True
    (result,) = visited.give([picture("cyan")])
    assert top_label(result) == "cyan"
    visitor.host_goes()
    (result,) = visitor.come().give([picture("cyan")])
    assert top_label(result) == "cyan"


def test_a_new_version_of_the_model_is_there_at_once_and_kept_whole(
    visitor: Visitor, dist: Path, tmp_path: Path
) -> None:
    visitor.come_and_keep()
    old = visitor.store()
    assert any(path.startswith("model/v1/tfjs/") for path in old)
    write_site(dist, models.write(tmp_path / "new", version="v2"), visitor.site)
    visitor.come_and_keep()
    expect(visitor.page.locator("#model")).to_contain_text("v2")
    new = visitor.store()
    assert [path for path in new if path.startswith("model/v1/")] == []
    assert {path.replace("/v1/", "/v2/") for path in old if path.startswith("model/")} <= set(new)
    visitor.host_goes()
    (result,) = visitor.come().give([picture("red")])
    assert top_label(result) == "red"
    expect(visitor.page.locator("#model")).to_contain_text("v2")


def test_a_new_version_that_is_not_whole_does_not_take_the_old_one_away(visitor: Visitor, tmp_path: Path) -> None:
    visitor.come_and_keep()
    model = models.write(tmp_path / "new", version="v2")
    (shard,) = model.glob("v2/tfjs/*.bin")
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    shutil.copytree(model, visitor.site / "model", dirs_exist_ok=True)
    visitor.page.goto(visitor.url)
    visitor.page.locator("body[data-state=failed]").wait_for()
    visitor.host_goes()
    (result,) = visitor.come().give([picture("red")])
    assert top_label(result) == "red"
    expect(visitor.page.locator("#model")).to_contain_text("v1")


def test_a_new_page_is_there_at_once_and_kept_whole(
    visitor: Visitor, dist: Path, colours: Path, tmp_path: Path
) -> None:
    visitor.come_and_keep()
    old = visitor.store()
    write_site(rebuilt(dist, tmp_path), colours, visitor.site)
    visitor.come_and_keep()
    assert visitor.page.locator("html").get_attribute("data-another") == "yes"
    new = visitor.store()
    assert "assets/index-another.js" in new
    assert [path for path in new if re.match(r"assets/index-(?!another).*\.js", path)] == []
    assert [path for path in old if path.startswith("model/")] == [path for path in new if path.startswith("model/")]
    visitor.host_goes()
    visitor.come()
    assert visitor.page.locator("html").get_attribute("data-another") == "yes"


def test_an_open_page_goes_on_when_a_new_one_is_published(
    visitor: Visitor, dist: Path, colours: Path, tmp_path: Path
) -> None:
    visited = visitor.come_and_keep()
    write_site(rebuilt(dist, tmp_path), colours, visitor.site)
    other = visitor.context.new_page()
    other.goto(visitor.url)
    Visit(other, visitor.server).wait_until_ready()
    expect(other.get_by_test_id("offline-state")).to_have_attribute("data-kept", "true")
    (result,) = visited.give([picture("green")])
    assert top_label(result) == "green"
    assert visitor.documents == 1


TRUNCATE = "cache.put(request, new Response((await (await cache.match(request)).arrayBuffer()).slice(0, 100)))"
DELETE = "cache.delete(request)"


@pytest.mark.parametrize("action", [TRUNCATE, DELETE])
@pytest.mark.parametrize("pattern", [r"\.wasm$", r"\.bin$", r"contract\.json$", r"assets/.*\.js$", "kept=", "deed"])
def test_what_is_damaged_or_gone_is_fetched_again(visitor: Visitor, pattern: str, action: str) -> None:
    visitor.come_and_keep()
    visitor.spoil(pattern, action)
    (result,) = visitor.come_and_keep().give([picture("magenta")])
    assert top_label(result) == "magenta"
    visitor.host_goes()
    (result,) = visitor.come().give([picture("magenta")])
    assert top_label(result) == "magenta"


def test_without_a_network_a_damaged_file_is_an_error_and_the_next_visit_mends_it(browser: Browser, site: Path) -> None:
    visitor = Visitor(browser, site)
    try:
        visitor.come_and_keep()
        visitor.spoil(r"\.bin$", TRUNCATE)
        visitor.context.set_offline(True)
        visitor.page.goto(visitor.url)
        visitor.page.locator("body[data-state=failed]").wait_for()
        expect(visitor.page.get_by_role("alert")).to_contain_text("Check the connection")
        visitor.context.set_offline(False)
        (result,) = visitor.come_and_keep().give([picture("red")])
        assert top_label(result) == "red"
    finally:
        visitor.leave()


def test_a_host_that_forbids_caching_is_kept_after_the_second_visit(browser: Browser, site: Path) -> None:
    visitor = Visitor(browser, site, {"Cache-Control": "no-store"})
    try:
        visitor.come()
        state = visitor.page.get_by_test_id("offline-state")
        expect(state).to_contain_text("after the next visit")
        asked = [request.path for request in visitor.server.requests if request.path != SUB_PATH]
        assert len(set(asked)) == len(asked), "something was fetched twice"
        visitor.come_and_keep()
        visitor.host_goes()
        (result,) = visitor.come().give([picture("red")])
        assert top_label(result) == "red"
    finally:
        visitor.leave()


def test_what_is_kept_can_be_removed(visitor: Visitor) -> None:
    visitor.come_and_keep()
    visitor.page.locator("#privacy summary").click()
    visitor.page.get_by_role("button", name="Remove it from this device").click()
    expect(visitor.page.get_by_test_id("offline-state")).to_contain_text("Removed")
    assert visitor.store() == []
    assert visitor.page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0


def test_other_pages_in_the_folder_are_left_alone(visitor: Visitor) -> None:
    """The folder may hold more than ours: nothing of it is refused, kept, or given our headers."""
    (visitor.site / "other").mkdir()
    (visitor.site / "other" / "index.html").write_text("<!doctype html><title>Other</title><img src=picture.svg>")
    (visitor.site / "other" / "picture.svg").write_text("<svg xmlns='x'/>")
    visitor.come_and_keep()
    kept = visitor.store()
    visitor.page.goto(f"{visitor.url}other/")
    assert visitor.page.title() == "Other"
    assert visitor.page.evaluate("fetch('picture.svg').then((answer) => answer.status)") == 200
    assert visitor.page.evaluate("crossOriginIsolated") is False
    assert visitor.store() == kept


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


@pytest.mark.parametrize("way", LEAKS)
def test_a_loaded_page_on_a_static_host_connects_to_nothing(visitor: Visitor, tmp_path: Path, way: str) -> None:
    (visitor.site / "icons" / "here.txt").write_text("here")
    with StaticServer({"/": tmp_path}) as elsewhere:
        visitor.come()
        loaded = len(visitor.server.requests)
        for url in (f"{visitor.url}icons/here.txt", f"{elsewhere.url}/there.txt"):
            visitor.page.evaluate(f"async (url) => {{ try {{ await {LEAKS[way]}; }} catch {{}} }}", url)
        visitor.page.wait_for_timeout(500)
        assert visitor.server.requests[loaded:] == []
        assert elsewhere.requests == []


def test_the_worker_asks_no_other_host_even_where_no_header_says_so(visitor: Visitor, tmp_path: Path) -> None:
    with StaticServer({"/": tmp_path}, {"Access-Control-Allow-Origin": "*"}) as elsewhere:
        for _ in range(2):
            visitor.come_and_keep()
            worker = visitor.page.workers[0]
            outcome = worker.evaluate("(url) => fetch(url).then(() => 'sent', (error) => error.name)", elsewhere.url)
            assert outcome == "TypeError"
        assert elsewhere.requests == []


def test_from_the_second_visit_on_the_worker_asks_for_the_page_s_files_only(visitor: Visitor) -> None:
    (visitor.site / "secret.txt").write_text("x")
    visitor.come_and_keep()
    visitor.come_and_keep()
    loaded = len(visitor.server.requests)
    worker = visitor.page.workers[0]
    for path in ("secret.txt", "assets/x.js?photo=1", "model/current?photo=1"):
        script = "(url) => fetch(url, { method: 'GET' }).then(() => 'sent', (error) => error.name)"
        assert worker.evaluate(script, visitor.url + path) == "TypeError"
    asked = {request.path for request in visitor.server.requests[loaded:]}
    assert asked <= {f"{SUB_PATH}sw.js"}
    visitor.page.locator("#privacy summary").click()
    count = visitor.page.get_by_test_id("request-count")
    expect(count).not_to_have_attribute("data-value", "0")
    expect(visitor.page.get_by_role("list", name="Requests since loading")).to_contain_text("secret.txt")
    expect(visitor.page.get_by_role("list", name="Requests since loading")).to_contain_text("refused")


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


def test_the_service_worker_that_docs_give_to_end_it_ends_it(visitor: Visitor) -> None:
    text = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```js\n(.*?)```", text, re.DOTALL)
    visitor.come_and_keep()
    (visitor.site / "sw.js").write_text(script)
    visitor.page.goto(f"{visitor.url}licences.txt")  # not a page of ours, so nothing is kept again
    visitor.page.evaluate("navigator.serviceWorker.getRegistration('.').then((found) => found.update())")
    count = "navigator.serviceWorker.getRegistrations().then((found) => found.length)"
    for _ in range(100):
        if visitor.page.evaluate(count) == 0:
            break
        visitor.page.wait_for_timeout(100)
    assert visitor.page.evaluate(count) == 0
    assert visitor.store() == []

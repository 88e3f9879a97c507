"""Visits without a network: what is kept, when it is renewed, what happens when it breaks."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests import models
from tests.e2e.visit import SUB_PATH, Visit, picture, top_label
from tests.e2e.visitor import DELETE, TRUNCATE, Visitor, rebuilt
from twinlens.site.write import write_site

ROOT = Path(__file__).parents[2]


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


def test_the_first_visit_is_not_reloaded_and_the_second_is_isolated_and_fetches_nothing_twice(visitor: Visitor) -> None:
    visitor.come_and_keep()
    visitor.page.wait_for_timeout(1000)
    assert visitor.documents == 1
    assert visitor.page.evaluate("crossOriginIsolated") is False
    first = len(visitor.server.requests)
    visited = visitor.come_and_keep()
    loaded = len(visitor.server.requests)
    assert visitor.documents == 2
    assert visitor.page.evaluate("crossOriginIsolated") is True
    once = {request.path.removeprefix(SUB_PATH) for request in visitor.server.requests[:first]}
    asked = [request.path.removeprefix(SUB_PATH) for request in visitor.server.requests[first:loaded]]
    assert once & set(asked) <= {"", "model/current", "sw.js"}, "something was fetched twice"
    assert {"", "model/current"} <= set(asked)
    (result,) = visited.give([picture("cyan")])
    assert top_label(result) == "cyan"
    visitor.page.wait_for_timeout(2000)
    # The browser itself asks whether the service worker is new.
    assert {request.path for request in visitor.server.requests[loaded:]} <= {f"{SUB_PATH}sw.js"}
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


def test_a_new_page_is_there_at_once_and_kept_whole_and_an_open_one_goes_on(
    visitor: Visitor, dist: Path, colours: Path, tmp_path: Path
) -> None:
    visited = visitor.come_and_keep()
    old = visitor.store()
    write_site(rebuilt(dist, tmp_path), colours, visitor.site)
    other = visitor.context.new_page()
    other.goto(visitor.url)
    Visit(other, visitor.server).wait_until_ready()
    expect(other.get_by_test_id("offline-state")).to_have_attribute("data-kept", "true")
    assert other.locator("html").get_attribute("data-another") == "yes"
    (result,) = visited.give([picture("green")])
    assert top_label(result) == "green"
    assert visitor.documents == 1
    new = visitor.store()
    assert "assets/index-another.js" in new
    assert [path for path in new if re.match(r"assets/index-(?!another).*\.js", path)] == []
    assert [path for path in old if path.startswith("model/")] == [path for path in new if path.startswith("model/")]
    visitor.host_goes()
    visitor.come()
    assert visitor.page.locator("html").get_attribute("data-another") == "yes"


@pytest.mark.parametrize("action", [TRUNCATE, DELETE], ids=["damaged", "gone"])
def test_what_is_damaged_or_gone_is_fetched_again(visitor: Visitor, action: str) -> None:
    visitor.come_and_keep()
    whole = visitor.store()
    for pattern in (r"\.wasm$", r"\.bin$", r"contract\.json$", r"assets/.*\.js$", "kept=", "deed"):
        visitor.spoil(pattern, action)
        # Kept is what has the digest that it must have.
        (result,) = visitor.come_and_keep().give([picture("magenta")])
        assert top_label(result) == "magenta"
        assert set(whole) <= set(visitor.store()), pattern
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

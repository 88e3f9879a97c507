"""The backends that run the network in a real browser: measured, chosen, remembered, and left when they fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from browser.static import ISOLATION_HEADERS
from tests import models
from tests.e2e.engine import Engine, assert_near, label, open_page
from tests.e2e.visit import Visit, photo, picture, top_label, visit, with_prelude


def test_a_backend_that_is_not_known_is_not_asked_for(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, query="?backend=abacus") as visited:
        (result,) = visited.give([picture("red")])
        assert top_label(result) == "red"
        expect(visited.page.get_by_test_id("backend")).to_have_text("wasm")


@pytest.mark.parametrize(("backend", "count"), [("wasm", 200), ("webgl", 20)])
def test_photos_leave_no_tensor_behind(browser: Browser, dist: Path, colours: Path, backend: str, count: int) -> None:
    def tensors() -> str | None:
        return visited.page.locator("body").get_attribute("data-tensors")

    with visit(browser, dist, colours, query=f"?backend={backend}") as visited:
        # Given before the page is ready: the backend that was asked for is waited for.
        visited.give([picture("red")])
        expect(visited.page.get_by_test_id("backend")).to_have_text(backend)
        before = tensors()
        visited.give([picture(models.LABELS[index % len(models.LABELS)]) for index in range(count)])
        visited.give([picture("red")])
        assert before is not None
        assert tensors() == before


def test_the_fastest_is_used_and_remembered_and_so_is_the_visitor_s_choice(
    browser: Browser, dist: Path, colours: Path
) -> None:
    with open_page(browser, dist, colours) as visited:
        with Engine(visited) as first:
            found = first.settled()
            times = {each["name"]: each["milliseconds"] for each in found if each["milliseconds"] is not None}
            assert set(times) >= {"wasm", "webgl"}
            (used,) = [each["name"] for each in found if each["state"] == "in-use"]
            assert times[used] == min(times.values())
        with Engine(visited) as second:
            assert second.settled() == found, "the same numbers to the last bit are remembered ones"
            answered = second.use("webgl")
            assert (answered["kind"], answered["backend"]) == ("backends", "webgl")
            assert label(second.classify(photo("blue"))) == "blue"
        with Engine(visited) as third:
            assert third.ready()["backend"] == "wasm", "it answers at once"
            assert {each["name"] for each in third.settled() if each["state"] == "in-use"} == {"webgl"}
            assert third.use("wasm")["backend"] == "wasm"


def test_webassembly_that_is_asked_for_runs_on_the_threads_that_are_faster(
    browser: Browser, dist: Path, colours: Path
) -> None:
    with open_page(browser, dist, colours, headers=ISOLATION_HEADERS) as visited, Engine(visited, "wasm") as asked:
        (wasm, *others) = asked.ready()["backends"]
        assert (wasm["name"], wasm["state"], wasm["reason"]) == ("wasm", "in-use", None)
        assert wasm["milliseconds"] > 0, "on one thread and on several, measured in turns"
        assert {each["state"] for each in others} == {"unmeasured"}
    with open_page(browser, dist, colours) as visited, Engine(visited, "wasm") as asked:
        (wasm, *_) = asked.ready()["backends"]
        assert (wasm["state"], wasm["milliseconds"]) == ("in-use", None), "no threads, no choice, nothing to wait for"


def test_another_backend_needs_no_network(browser: Browser, dist: Path, colours: Path) -> None:
    with open_page(browser, dist, colours, headers=ISOLATION_HEADERS) as visited, Engine(visited) as asked:
        asked.ready()
        loaded = len(visited.server.requests)
        visited.page.context.set_offline(True)
        for backend in ("webgl", "wasm", "webgl"):
            assert asked.use(backend)["backend"] == backend
            assert label(asked.classify(photo("red"))) == "red"
        assert visited.since(loaded) == []


NO_GPU: Final = """
OffscreenCanvas.prototype.getContext = new Proxy(OffscreenCanvas.prototype.getContext, {
  apply: (get, canvas, [kind, options]) => (kind === 'webgl2' ? null : get.call(canvas, kind, options)),
});
"""
# Half precision, as the graphics cards of some telephones have: right enough for games.
INEXACT: Final = """
const data = WebGL2RenderingContext.prototype.getBufferSubData;
WebGL2RenderingContext.prototype.getBufferSubData = function (target, offset, found, ...rest) {
  data.call(this, target, offset, found, ...rest);
  for (let at = 0; at < found.length; at++) found[at] *= 1.001;
};
"""
# The worker makes no other script than that of its threads.
NO_THREAD: Final = """
self.Blob = class extends Blob {
  constructor(parts, options) {
    super(options?.type === 'text/javascript' ? ["throw new Error('no thread');"] : parts, options);
  }
};
"""


def test_what_this_browser_has_not_is_refused(browser: Browser, dist: Path, colours: Path, tmp_path: Path) -> None:
    with open_page(browser, with_prelude(dist, tmp_path, NO_GPU), colours) as visited, Engine(visited) as asked:
        asked.ready()
        assert asked.use("webgl") == {"kind": "backend-refused", "backend": "webgl", "reason": "unavailable"}
        assert label(asked.classify(photo("green"))) == "green"


def test_an_inexact_backend_is_refused(browser: Browser, dist: Path, colours: Path, tmp_path: Path) -> None:
    inexact = with_prelude(dist, tmp_path, INEXACT)
    with open_page(browser, inexact, colours) as visited, Engine(visited, "webgl") as asked:
        ready = asked.ready()
        assert ready["backend"] == "wasm"
        assert [each["reason"] for each in ready["backends"] if each["name"] == "webgl"] == ["inexact"]


def test_threads_that_cannot_be_started_are_done_without(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path
) -> None:
    """Emscripten throws what a thread throws; the worker, and the page with it, must not hear of that."""
    broken = with_prelude(dist, tmp_path, NO_THREAD)
    with open_page(browser, broken, colours, headers=ISOLATION_HEADERS) as visited, Engine(visited, "wasm") as asked:
        (wasm, *_) = asked.ready()["backends"]
        assert (wasm["state"], wasm["threads"]) == ("in-use", 1)
        assert label(asked.classify(photo("red"))) == "red"
        (result,) = visited.give([picture("red")])
        assert top_label(result) == "red"


KEEP_CONTEXTS: Final = """
self.contexts = [];
OffscreenCanvas.prototype.getContext = new Proxy(OffscreenCanvas.prototype.getContext, {
  apply(get, canvas, [kind, options]) {
    const context = get.call(canvas, kind, options);
    if (kind === 'webgl2') self.contexts.push(context);
    return context;
  },
});
"""
LOSE: Final = "self.contexts.at(-1).getExtension('WEBGL_lose_context').loseContext()"
# What a graphics card without memory does: drawing fails, and so does whatever waits for it.
SPOIL: Final = "() => { WebGL2RenderingContext.prototype.drawElements = () => { throw new Error('out of memory'); }; }"
# The context goes when the shaders are already under way and their answer is waited for.
LOSE_UNDER_WAY: Final = """() => {
  const context = self.contexts.at(-1);
  const extension = context.getExtension('WEBGL_lose_context');
  const fence = context.fenceSync;
  context.fenceSync = (...given) => {
    const sync = fence.apply(context, given);
    context.clientWaitSync = () => context.TIMEOUT_EXPIRED;
    setTimeout(() => extension.loseContext(), 50);
    return sync;
  };
}"""


@pytest.fixture(scope="module")
def watched(browser: Browser, dist: Path, colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """A page whose workers keep what they draw with where a test can reach it."""
    copy = with_prelude(dist, tmp_path_factory.mktemp("watched"), KEEP_CONTEXTS)
    with open_page(browser, copy, colours) as visited:
        yield visited


@pytest.mark.parametrize("accident", [LOSE, SPOIL, LOSE_UNDER_WAY], ids=["lost", "out of memory", "lost under way"])
def test_a_backend_that_fails_is_left_and_the_photo_is_answered(watched: Visit, accident: str) -> None:
    with Engine(watched, "webgl") as asked:
        assert asked.ready()["backend"] == "webgl"
        before = asked.classify(photo("red"))
        asked.accident(accident)
        after = asked.classify(photo("red"))
        assert label(after) == "red"
        assert_near(after["scores"], before["scores"])
        told = asked.backends("refused")
        assert told["backend"] == "wasm"
        assert [each["reason"] for each in told["backends"] if each["name"] == "webgl"] == ["failed"]

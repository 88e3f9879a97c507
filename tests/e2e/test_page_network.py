"""What goes over the network, what must not, and what is said when the model's files are not as they should be."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, expect

from browser.static import StaticServer
from tests import models
from tests.e2e.visit import SUB_PATH, file, top_label, visit, with_prelude
from twinlens import store

# Models that are not whole, of which no site is written.
pytestmark = pytest.mark.apart


def red() -> FilePayload:
    return file("red.png", models.encoded(models.picture("red"), "PNG"))


def test_everything_comes_from_the_page_s_own_folder(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        visited.give([red()])
        visited.wait_until_ready()
        # What has an address of the page's own making (blob:) comes from nowhere.
        own = (visited.server.url + SUB_PATH, f"blob:{visited.server.url}/")
        assert [url for url in visited.asked if not url.startswith(own)] == []
        answered = visited.server.requests
        assert {request.status for request in answered} == {200}
        assert len({request.path for request in answered}) == len(answered), "something was fetched twice"


def test_nothing_is_asked_for_after_loading_and_no_network_is_needed(
    browser: Browser, dist: Path, colours: Path
) -> None:
    with visit(browser, dist, colours) as visited:
        visited.wait_until_ready()
        loaded, seen = len(visited.server.requests), len(visited.asked)
        visited.page.context.set_offline(True)
        results = visited.give([red(), file("notes.txt", b"text"), file("scan.tiff", b"II*\0........")])
        assert top_label(results[0]) == "red"
        visited.page.get_by_role("button", name="中文").click()
        expect(results[0].get_by_test_id("top-label")).to_have_text("红色")
        visited.page.get_by_role("button", name="清空").click()
        assert visited.since(loaded) == []
        assert visited.asked[seen:] == []


def test_the_policy_lets_nothing_out(browser: Browser, dist: Path, colours: Path, tmp_path: Path) -> None:
    with StaticServer({"/": tmp_path}) as elsewhere, visit(browser, dist, colours, quiet=False) as visited:
        visited.wait_until_ready()
        outcome = visited.page.evaluate("url => fetch(url).then(() => 'sent', error => error.name)", elsewhere.url)
        assert outcome == "TypeError"
        assert elsewhere.requests == []
        assert any("Content Security Policy" in complaint for complaint in visited.complaints)


def test_no_other_host_is_named_in_the_built_page(dist: Path) -> None:
    text = {
        path: path.read_text(encoding="utf-8") for path in dist.rglob("*") if path.suffix in (".html", ".js", ".css")
    }
    assert len(text) >= 4
    named = {address for words in text.values() for address in re.findall(r"https?://[^\s\"'`)]*", words)}
    assert named == set()


def _flip_a_byte(version: Path) -> None:
    (shard,) = (version / "tfjs").glob("*.bin")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)


def _cut_the_graph(version: Path) -> None:
    graph = version / "tfjs" / "model.json"
    graph.write_bytes(graph.read_bytes()[:-10])


def _lose_a_shard(version: Path) -> None:
    (shard,) = (version / "tfjs").glob("*.bin")
    shard.unlink()


def _lose_a_field(version: Path) -> None:
    contract = json.loads((version / "contract.json").read_text())
    del contract["temperature"]
    (version / "contract.json").write_text(json.dumps(contract))


def _lose_current(version: Path) -> None:
    (version.parent / "current").unlink()


def _give_html(version: Path) -> None:
    """Hosts of single-page sites answer every address with their start page."""
    (version.parent / "current").write_text("<!doctype html><title>Home</title>")


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (_flip_a_byte, "invalid_model", "tfjs/weights"),
        (_cut_the_graph, "invalid_model", "tfjs/model.json"),
        (_lose_a_shard, "model_not_found", "weights"),
        (_lose_a_field, "invalid_contract", "temperature"),
        (_lose_current, "model_not_found", "model/current"),
        (_give_html, "model_not_found", "model/current"),
    ],
)
def test_a_model_that_is_not_whole_is_refused(
    browser: Browser,
    dist: Path,
    colours: Path,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    code: str,
    words: str,
) -> None:
    model = Path(shutil.copytree(colours, tmp_path / "model"))
    spoil(model / store.current_version(model))
    with visit(browser, dist, model, quiet=False) as visited:
        visited.page.locator("body[data-state=failed]").wait_for()
        expect(visited.page.get_by_role("alert")).to_contain_text(words)
        expect(visited.page.get_by_test_id("status")).to_have_text("The page cannot answer.")
        (result,) = visited.give([red()])
        expect(result).to_have_attribute("data-error", code)
        expect(result).to_contain_text(words)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the made model with its convolution stored as integers."""
    return models.write(tmp_path_factory.mktemp("whole"), weights="int6-channel")


def test_packed_integers_answer_as_ever(browser: Browser, dist: Path, whole: Path) -> None:
    with visit(browser, dist, whole) as visited:
        for colour in models.LABELS:
            (result,) = visited.give([file("photo.png", models.encoded(models.picture(colour), "PNG"))])
            assert top_label(result) == colour
        assert [request.path for request in visited.server.requests if request.path.endswith(".gz.bin")] != []


def _damage_what_is_packed(version: Path) -> None:
    """Break the file itself and give the contract the digest of the broken one: a fault of whoever published it."""
    (shard,) = (version / "tfjs").glob("*.gz.bin")
    data = shard.read_bytes()[:-20]
    shard.write_bytes(data)
    contract = json.loads((version / "contract.json").read_text())
    (entry,) = (entry for entry in contract["files"] if entry["path"].endswith(shard.name))
    entry.update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    (version / "contract.json").write_text(json.dumps(contract))


@pytest.mark.parametrize("spoil", [_flip_a_byte, _damage_what_is_packed])
def test_packed_integers_that_are_damaged_are_refused(
    browser: Browser, dist: Path, whole: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    model = Path(shutil.copytree(whole, tmp_path / "model"))
    spoil(model / store.current_version(model))
    with visit(browser, dist, model, quiet=False) as visited:
        (result,) = visited.give([red()])
        expect(result).to_have_attribute("data-error", "invalid_model")
        expect(result).to_contain_text("tfjs/weights")


def test_a_browser_that_cannot_unpack_says_so_before_it_loads_what_it_could_not_use(
    browser: Browser, dist: Path, whole: Path, colours: Path, tmp_path: Path
) -> None:
    old = with_prelude(dist, tmp_path, "delete self.DecompressionStream;")
    with visit(browser, old, whole, quiet=False, query="?lang=zh") as visited:
        visited.page.locator("body[data-state=failed]").wait_for()
        expect(visited.page.get_by_role("alert")).to_contain_text("无法解压模型")
        (result,) = visited.give([red()])
        expect(result).to_have_attribute("data-error", "no_decompression")
        assert [request.path for request in visited.server.requests if request.path.endswith(".gz.bin")] == []
    with visit(browser, old, colours) as visited:
        (result,) = visited.give([red()])
        assert top_label(result) == "red"


PERTURB = """
const read = OffscreenCanvasRenderingContext2D.prototype.getImageData;
OffscreenCanvasRenderingContext2D.prototype.getImageData = function (...area) {
  const pixels = read.apply(this, area);
  for (let at = 0; at < pixels.data.length; at += 997) pixels.data[at] ^= %d;
  return pixels;
};
"""


def test_a_browser_that_makes_pixels_up_gets_a_warning_and_no_answer(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path
) -> None:
    with visit(browser, with_prelude(dist, tmp_path, PERTURB % 64), colours) as visited:
        visited.wait_until_ready()
        expect(visited.page.get_by_role("alert")).to_contain_text("changes the pixels")
        (result,) = visited.give([red()])
        expect(result).to_have_attribute("data-error", "perturbed_pixels")


def test_a_browser_that_changes_pixels_slightly_gets_a_warning(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path
) -> None:
    with visit(browser, with_prelude(dist, tmp_path, PERTURB % 1), colours) as visited:
        (result,) = visited.give([red()])
        assert top_label(result) == "red"
        expect(visited.page.get_by_role("alert")).to_contain_text("slightly changes the pixels")


def test_a_browser_without_webassembly_says_so(browser: Browser, dist: Path, colours: Path, tmp_path: Path) -> None:
    with visit(browser, with_prelude(dist, tmp_path, "delete self.WebAssembly;"), colours, quiet=False) as visited:
        visited.page.locator("body[data-state=failed]").wait_for()
        expect(visited.page.get_by_role("alert")).to_contain_text("WebAssembly")
        (result,) = visited.give([red()])
        expect(result).to_have_attribute("data-error", "no_backend")

from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from browser import chromium as module
from browser.chromium import chromium, find_chromium
from browser.static import ISOLATION_HEADERS, StaticServer
from twinlens.errors import TwinlensError

WEBGL = "document.createElement('canvas').getContext('webgl2')?.getParameter(WebGL2RenderingContext.MAX_TEXTURE_SIZE)"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("<!doctype html><title>Here</title><link rel=icon href='data:,'>")
    return tmp_path


def test_a_page_is_isolated_and_asks_for_nothing_else(site: Path) -> None:
    with StaticServer({"/": site}, ISOLATION_HEADERS) as server, chromium() as browser:
        page = browser.new_page()
        page.goto(server.url)
        assert page.title() == "Here"
        assert page.evaluate("crossOriginIsolated") is True
        assert [request.path for request in server.requests] == ["/"]
    assert not browser.is_connected()


def test_webgl_is_there_when_asked_for(site: Path) -> None:
    with StaticServer({"/": site}) as server, chromium(webgl=True) as browser:
        page = browser.new_page()
        page.goto(server.url)
        assert page.evaluate(WEBGL) >= 4096


def test_no_chromium_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SYSTEM_CHROMIUM", tmp_path / "none")
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with sync_playwright() as playwright, pytest.raises(TwinlensError, match="playwright install chromium") as caught:
        find_chromium(playwright)
    assert caught.value.code == "missing_requirement"

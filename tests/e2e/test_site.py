"""The folder that ``twinlens site`` writes, on other hosts than the one on which the page's tests visit it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
from playwright.sync_api import Browser

from benchmarks.server import free_port
from browser.static import StaticServer
from tests import models
from tests.e2e import visit
from tests.e2e.visit import file, top_label
from tests.hosts import matching, of_headers
from twinlens.site.write import write_site


def answers(url: str, browser: Browser) -> list[str]:
    """Open a site, let it answer every colour, and give what the browser complained about."""
    context = browser.new_context(locale="en-GB")
    try:
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        visited = visit.Visit(page, None)  # type: ignore[arg-type]
        for colour in models.LABELS:
            (result,) = visited.give([file("photo.png", models.encoded(models.picture(colour), "PNG"))])
            assert top_label(result) == colour
        return complaints
    finally:
        context.close()


def test_python_s_own_file_server_will_do(browser: Browser, dist: Path, colours: Path, tmp_path: Path) -> None:
    write_site(dist, colours, tmp_path / "www" / "a" / "b")
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        "127.0.0.1",
        "--directory",
        str(tmp_path / "www"),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            transport = httpx.HTTPTransport(retries=20)
            with httpx.Client(transport=transport) as client:
                assert client.get(f"http://127.0.0.1:{port}/a/b/").is_success
            assert answers(f"http://127.0.0.1:{port}/a/b/", browser) == []
        finally:
            server.kill()


def sent(site: Path) -> Callable[[str], Mapping[str, str]]:
    """What a host that reads ``_headers`` sends with each path."""
    rules = of_headers((site / "_headers").read_text(encoding="utf-8"))
    return lambda path: matching(rules, path)


def test_with_its_header_files_it_is_isolated_from_the_first_visit(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path
) -> None:
    site = write_site(dist, colours, tmp_path / "site").path
    with StaticServer({"/": site}, sent(site)) as server:
        assert answers(f"{server.url}/", browser) == []
        page = browser.new_context(service_workers="block").new_page()
        page.goto(f"{server.url}/")
        assert page.evaluate("crossOriginIsolated")
        page.context.close()

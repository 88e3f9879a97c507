"""Somebody who comes back to a published site: what lies on their device, what changes at the host in between."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, Page, expect

from browser.static import StaticServer
from tests.e2e.visit import SUB_PATH, Visit

# Damage to one entry of what is kept: JavaScript that has `cache` and `request`.
TRUNCATE: Final = "cache.put(request, new Response((await (await cache.match(request)).arrayBuffer()).slice(0, 100)))"
DELETE: Final = "cache.delete(request)"


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

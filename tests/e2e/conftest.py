"""The built page on a plain static host, visited in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from browser.chromium import chromium
from tests import models
from tests.e2e import visit
from tests.e2e.visit import SUB_PATH
from tests.e2e.visitor import Visitor
from twinlens.site.write import write_site
from twinlens.store import CURRENT

DIST = Path(__file__).parents[2] / "web" / "dist"


@pytest.fixture(scope="session")
def dist() -> Path:
    """The folder of the built page."""
    if not (DIST / "index.html").is_file():
        pytest.fail(f"{DIST} has no page in it. Run: make page")
    return DIST


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium with WebGL, which the page reads partly transparent pixels through."""
    with chromium(webgl=True) as browser:
        yield browser


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the made model that names colours, with Chinese names for two of them."""
    chinese = {"red": "红色", "green": "绿色"}
    labels = [
        {"name": name, "display": {"en": name.capitalize()} | ({"zh": chinese[name]} if name in chinese else {})}
        for name in models.LABELS
    ]
    return models.write(tmp_path_factory.mktemp("models"), labels=labels)


@pytest.fixture
def site(dist: Path, colours: Path, tmp_path: Path) -> Path:
    """A folder for a static host: the page, with the made model that names colours. It may be changed."""
    return write_site(dist, colours, tmp_path / "site").path


@pytest.fixture
def visitor(browser: Browser, site: Path) -> Iterator[Visitor]:
    """Somebody who has not come yet."""
    visitor = Visitor(browser, site)
    yield visitor
    visitor.leave()


@pytest.fixture(scope="module", autouse=True)
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Page and model are one folder, as ``twinlens site`` writes it, but in modules that need them apart."""
    if request.node.get_closest_marker("apart"):
        yield
        return

    def publish(dist: Path, model: Path) -> dict[str, Path]:
        if not (model / CURRENT).is_file():  # no site is written of no model
            return visit.separate(dist, model)
        return {SUB_PATH: write_site(dist, model, tmp_path_factory.mktemp("www") / "site").path}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(visit, "publish", publish)
        yield

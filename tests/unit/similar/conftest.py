"""Made photos, and an index of them."""

import pytest

from tests.unit.similar import made
from tests.unit.similar.made import PLAIN
from twinlens.similar.build import build


@pytest.fixture
def photos(tmp_path):
    return made.photos(tmp_path / "photos")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "index"


@pytest.fixture
def built(photos, out, settings):
    return build(photos, out, settings, PLAIN, 1)

"""What ``make bench-convert`` times, in a real Chromium: two graph models in one page, taking turns."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.convert.runs import main
from tests.e2e.conversion import convert


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("graphs")
    converted = convert("squeezenet1_1", 64, out)
    for route in ("direct", "official"):
        shutil.copytree(converted.folder, out / route, ignore=shutil.ignore_patterns("direct", "official"))
    np.save(out / "pixels.npy", converted.pixels)
    return out


def test_both_routes_are_timed_in_the_same_turns(folder: Path) -> None:
    found = main("time", folder, "direct", "official")
    assert found["direct"]["runs"] == found["official"]["runs"] >= 16
    for route in ("direct", "official"):
        low, high = found[route]["quartiles"]
        assert 0 < low <= found[route]["ms"] <= high
    assert found["speed_ratio"] > 0  # unlike times: tests/unit/benchmarks/convert/test_runs.py


def test_a_route_alone_is_not_compared(folder: Path) -> None:
    assert main("time", folder, "direct").keys() == {"direct"}


def test_a_graph_that_does_not_run_is_told(folder: Path) -> None:
    (folder / "broken").mkdir()
    (folder / "broken" / "model.json").write_text('{"format": "graph-model"}', encoding="utf-8")
    assert "contains neither model topology" in main("time", folder, "direct", "broken")["failed"]

"""README's table of the load test."""

import json
from pathlib import Path

import pytest

from benchmarks.devices import loadtest_table
from benchmarks.results import write_result
from tests.unit.loadtest.made import content, measured
from twinlens.errors import TwinlensError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "loadtest.json"
    write_result(path, json.loads(json.dumps(content(measured()))))
    return path


def test_a_line_for_each_line_and_device(path: Path) -> None:
    lines = loadtest_table(path).splitlines()
    rows = [row for row in json.loads(path.read_bytes())["rows"] if row["kind"] == "cell"]
    assert [line.split(" | ")[:2] for line in lines[2:6]] == [
        ["| fibre", "desktop"],
        ["| fibre", "phone"],
        ["| 4g", "desktop"],
        ["| 4g", "phone"],
    ]
    firsts = [f"{row['first_s']:.3g}" for row in rows if (row["network"], row["device"]) == ("fibre", "desktop")]
    assert lines[2].split(" | ")[2] == " / ".join(firsts)
    assert all(len(line.split(" | ")) == 6 for line in lines[:6])


def test_what_was_not_measured_has_no_figure(tmp_path: Path) -> None:
    path = tmp_path / "loadtest.json"
    write_result(path, json.loads(json.dumps(content(measured(factors=[0.5, 0.5])))))
    line = loadtest_table(path).splitlines()[5]
    assert line.startswith("| 4g | phone | ") and line.split(" | ")[2].split(" / ")[1] == "–"
    assert line.split(" | ")[5].startswith("–, ")


def test_without_a_result_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TwinlensError, match="measure it"):
        loadtest_table(tmp_path / "loadtest.json")

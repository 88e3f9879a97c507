import io
import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.convert.goals import goals
from benchmarks.convert.picture import draw, state
from benchmarks.convert.table import conversion_table
from benchmarks.readme import filled
from benchmarks.results import result, write_result
from tests.unit.benchmarks.convert.rows import ROWS, failed, route, row
from twinlens.errors import TwinlensError


@pytest.fixture
def written(tmp_path: Path) -> Path:
    rows = [*ROWS, row("alexnet", failed("Node 'n' (Odd) cannot be written for TensorFlow.js: x."))]
    sizes = {"environment_megabytes": {"direct": 94.4, "official": 2956.1}}
    content = result("make bench-convert", rows, goals(rows), commit=40 * "0", facts=sizes)
    write_result(tmp_path / "convert.json", content)
    return tmp_path / "convert.json"


def test_each_named_network_has_a_line_and_what_misses_its_goal_is_bold(written: Path) -> None:
    lines = conversion_table(written).splitlines()
    assert "| `mobilenet_v2` | 0.50 | 40 | 3.0e-06 | wasm, webgl, cpu | 20.0 | 30.0 | 1.50 |" in lines
    assert "| `resnet18` | 0.50 | 0 | 3.0e-06 | wasm, webgl, cpu | 20.0 | 18.0 | **0.90** |" in lines
    assert "| `shufflenet_v2_x1_0` | **–** | – | **–** | none | – | – | – |" in lines
    assert "| `vgg16` | 9.00 | – | 3.0e-06 | none | 20.0 | – | – |" in lines
    assert not any(line.startswith("| `alexnet`") for line in lines)


def test_the_others_are_named_with_what_stopped_them(written: Path) -> None:
    text = conversion_table(written)
    assert "3 of 6 networks, 3 by the official route" in text
    assert "94 MB, 2956 MB for the official route" in text
    assert "shufflenet_v2_x1_0 (Concat)" in text and "alexnet (Odd)" in text
    assert "`networks_passed`" in text
    assert "`make bench-convert` at `" in text


def test_the_readme_has_a_block_for_it(written: Path) -> None:
    text = "<!-- conversion:begin -->\n<!-- conversion:end -->\n"
    assert conversion_table(written) in filled(text, written.parent)


def test_a_result_that_was_not_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TwinlensError, match="measure it"):
        conversion_table(tmp_path / "convert.json")


def test_the_picture_is_one_and_grows_with_the_networks(written: Path) -> None:
    rows = json.loads(written.read_bytes())["rows"]
    few, many = (Image.open(io.BytesIO(draw(some))) for some in (rows, rows * 6))
    assert few.format == "PNG" and few.width == many.width and many.height > few.height + 300


def test_the_picture_tells_four_states_apart() -> None:
    assert state(failed("x"), "wasm") == "not converted"
    assert state(route(error={}, stopped={"wasm": "no"}), "wasm") == "does not run"
    assert state(route(error={"wasm": 0.1}), "wasm") == "wrong numbers"
    assert state(route(), "wasm") == "right"

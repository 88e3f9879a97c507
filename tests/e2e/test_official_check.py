"""The check of the official route in a real Chromium: it lets right answers pass and says what is wrong with others."""

import json
from pathlib import Path

import numpy as np
import pytest

from browser.tfjs import BACKENDS
from tests.unit.training.official.graph_models import SIZE, answers, files, onnx_model
from training.official.adopt import adopt
from training.official.check import check
from twinlens.errors import TwinlensError

PIXELS = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture
def adopted() -> dict[str, bytes]:
    return adopt(files(), onnx_model())


def edited(graph_model: dict[str, bytes], old: str, new: str) -> dict[str, bytes]:
    document = graph_model["model.json"].decode()
    assert old in document
    return graph_model | {"model.json": document.replace(old, new).encode()}


def test_what_was_adopted_runs_and_is_right_on_every_backend(adopted: dict[str, bytes]) -> None:
    errors = check(adopted, PIXELS, answers(PIXELS), 1e-5)
    assert list(errors) == list(BACKENDS)
    assert max(errors.values()) <= 1e-5


def test_numbers_that_are_off_are_named_with_their_output(adopted: dict[str, bytes]) -> None:
    expected = answers(PIXELS)
    expected["embedding"] = expected["embedding"] * 1.01
    with pytest.raises(TwinlensError, match=r"wasm backend, gives embedding that are off by 9\.9e-03") as caught:
        check(adopted, PIXELS, expected, 1e-4)
    assert caught.value.code == "export_mismatch"


def test_features_in_another_layout_are_seen(adopted: dict[str, bytes]) -> None:
    expected = answers(PIXELS)
    expected["features"] = expected["features"].transpose(0, 3, 1, 2)
    with pytest.raises(TwinlensError, match=r"gives features the shape \[3, 6, 6, 4\] instead of \[3, 4, 6, 6\]"):
        check(adopted, PIXELS, expected, 1e-4)


def test_outputs_in_another_order_are_seen(adopted: dict[str, bytes]) -> None:
    document = json.loads(adopted["model.json"])
    outputs = document["signature"]["outputs"]
    document["signature"]["outputs"] = {name: outputs[name] for name in reversed(outputs)}
    with pytest.raises(TwinlensError, match="answers features, embedding, logits instead of logits, embedding"):
        check(adopted | {"model.json": json.dumps(document).encode()}, PIXELS, answers(PIXELS), 1e-4)


def test_what_tensorflow_js_says_is_quoted_without_its_stack(adopted: dict[str, bytes]) -> None:
    broken = edited(adopted, '"op":"Mean"', '"op":"Median"')
    with pytest.raises(TwinlensError) as caught:
        check(broken, PIXELS, answers(PIXELS), 1e-4)
    assert "on TensorFlow.js' wasm backend, does not run: " in caught.value.detail
    assert "Median" in caught.value.detail
    assert "127.0.0.1" not in caught.value.detail and "\n" not in caught.value.detail


def test_nothing_is_left_of_the_check(adopted: dict[str, bytes], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    check(adopted, PIXELS[:1], answers(PIXELS[:1]), 1e-4)
    assert list(tmp_path.glob("twinlens-*")) == []

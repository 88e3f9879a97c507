"""The smallest weights that keep the accuracy, what is recorded of them, and the files that pages read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from benchmarks.page import weights
from benchmarks.page.graphs import Files, images_of
from benchmarks.page.place import place
from benchmarks.page.plan import PEERS
from benchmarks.results import ROOT
from tests.unit.training.pictures import split_folders
from twinlens.classifier import Classifier
from twinlens.errors import TwinlensError
from twinlens.inference import Network
from twinlens.settings import Settings
from twinlens.store import open_current

CLOTHING = ROOT / "bentos" / "clothing"
INT4 = "int4 and int8 as exported"


@pytest.fixture(scope="module")
def files() -> Files:
    return Files(open_current(CLOTHING))


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)


def test_the_smallest_with_enough_right_is_chosen_and_larger_ones_are_not_tried() -> None:
    candidates = {"large": bytes(9), "small": bytes(1), "middle": bytes(5), "next": bytes(3)}
    right = {1: 90, 3: 97, 5: 100}
    chosen, rows = weights.choose(candidates, lambda data: right[len(data)], 97)
    assert chosen == "next"
    assert [(row["weights"], row["bytes"], row["right"]) for row in rows] == [
        ("small", 1, 90),
        ("next", 3, 97),
        ("middle", 5, None),
        ("large", 9, None),
    ]


def test_none_may_be_good_enough() -> None:
    chosen, rows = weights.choose({"a": b"1", "b": b"22"}, len, 3)
    assert chosen is None and [row["right"] for row in rows] == [1, 2]


@pytest.mark.parametrize("name", ["float32", "int8 as exported", INT4])
def test_exact_weights_give_the_shipped_logits(name: str, files: Files, pixels: np.ndarray) -> None:
    version = open_current(CLOTHING)
    session = onnxruntime.InferenceSession(files.candidates(None, name)[name], providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"pixel_values": images_of(pixels, version.contract)})
    expected = Network(version, 1).logits(pixels)
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()


def test_four_bits_are_four_bits(files: Files) -> None:
    found = {name: files.candidates(None, name)[name] for name in (INT4, "int8 as exported", "float32")}
    assert len(found[INT4]) < len(found["int8 as exported"]) < len(found["float32"]) / 3
    kinds = {each.data_type for each in onnx.load_from_string(found[INT4]).graph.initializer}
    assert {TensorProto.INT4, TensorProto.INT8} <= kinds


def test_what_onnx_runtime_makes_answers_too(files: Files, pixels: np.ndarray) -> None:
    images = images_of(pixels, open_current(CLOTHING).contract)
    for name in ("float16", "dynamic int8", "static int8"):
        (made,) = files.candidates(images, name).values()
        assert len(made) < 4_600_000
        assert files.answers(made, images).shape == (3,)
    assert "static int8" not in files.candidates(None, "static int8")


def test_photos_of_other_labels_are_refused(classifier: Classifier, tmp_path: Path) -> None:
    photos = split_folders(tmp_path, train=3, validation=1, test=1)
    with pytest.raises(TwinlensError, match="has the labels") as caught:
        weights.read(classifier, photos)
    assert caught.value.code == "invalid_data"


def test_what_is_recorded_is_of_the_shipped_model() -> None:
    content = json.loads(weights.RECORD.read_bytes())
    assert content["model"] == open_current(CLOTHING).digest, "run `make bench-page PHOTOS=folder`"
    assert set(content["peers"]) == set(PEERS)
    for facts in content["peers"].values():
        assert "not_measured" in facts or facts["chosen"] in [row["weights"] for row in facts["candidates"]]


def test_a_record_is_used_for_its_model_alone(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "RECORD", tmp_path / "weights.json")
    for _ in range(2):  # no record, then one of another model
        with pytest.raises(TwinlensError, match="not known yet"):
            weights.prepare(classifier, ["litert_js"], None, tmp_path / "weights", None)
        weights.record({}, open_current(CLOTHING), "make bench-page PHOTOS=photos")


def test_weights_are_made_again_from_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = open_current(CLOTHING)
    monkeypatch.setattr(weights, "RECORD", tmp_path / "weights.json")
    chosen = {"chosen": INT4, "bytes": 1, "candidates": []}
    recorded = {"onnxruntime_web": chosen, "transformers_js": chosen, "litert_js": {"not_measured": "no converter"}}
    weights.record(recorded, version, "make bench-page PHOTOS=photos")
    clothing = Classifier.current(settings_of(CLOTHING))
    found = weights.prepare(clothing, PEERS, None, tmp_path / "weights", None)
    assert list(found) == list(PEERS)
    assert found["litert_js"] == {"not_measured": "no converter"}
    assert found["transformers_js"]["command"] == "make bench-page PHOTOS=photos"
    model = tmp_path / "weights" / "onnxruntime_web" / "model.onnx"
    assert found["onnxruntime_web"]["bytes"] == model.stat().st_size > 1_000_000
    weights.record(recorded | {"onnxruntime_web": chosen | {"chosen": "static int8"}}, version, "make bench-page")
    with pytest.raises(TwinlensError, match="calibrated on photos"):
        weights.prepare(clothing, ["onnxruntime_web"], None, tmp_path / "weights", None)


def settings_of(model: Path) -> Settings:
    return Settings(models=model.parent, model=model.name, threads=1)


def test_files_lie_where_pages_look_for_them(tmp_path: Path) -> None:
    contract = open_current(CLOTHING).contract
    place("litert_js", tmp_path / "lite", "dynamic_range_quant", b"lite", contract)
    place("onnxruntime_web", tmp_path / "onnx", INT4, b"onnx", contract)
    place("transformers_js", tmp_path / "hub", INT4, b"hub", contract)
    assert (tmp_path / "lite" / "model.tflite").read_bytes() == b"lite"
    rules = (tmp_path / "onnx" / "rules.js").read_text()
    assert f"export const labels = {json.dumps(contract.label_names)};\n" in rules
    assert 'export const options = {"extra": {"session": {"disable_quant_qdq": "1"}}};\n' in rules
    assert "export const options = {};\n" in (tmp_path / "lite" / "rules.js").read_text()
    assert (tmp_path / "hub" / "classifier" / "onnx" / "model_q4.onnx").read_bytes() == b"hub"
    assert 'export const dtype = "q4";\n' in (tmp_path / "hub" / "how.js").read_text()
    config = json.loads((tmp_path / "hub" / "classifier" / "config.json").read_bytes())
    assert config["id2label"]["0"] == contract.label_names[0] and len(config["label2id"]) == len(contract.labels)
    place("litert_js", tmp_path / "lite", "float16", b"half", contract)
    assert (tmp_path / "lite" / "model.tflite").read_bytes() == b"half"

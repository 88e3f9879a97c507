"""What the worker answers in a real browser, on every backend: scores, embedding, maps, of graphs of every kind."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
import pytest
import skimage
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from playwright.sync_api import Browser, expect

from browser.static import ISOLATION_HEADERS
from tests import models
from tests.e2e import pictures
from tests.e2e.engine import SAME, Engine, assert_near, open_page
from tests.e2e.visit import Visit, photo, picture, top_label, visit, with_prelude
from training.report.activation import class_weights
from training.tfjs.files import write_tfjs
from twinlens import store
from twinlens.decode import Limits
from twinlens.inference import Network
from twinlens.preprocess import crop_box, load

ROOT: Final = Path(__file__).parents[2]
CLOTHING: Final = ROOT / "bentos" / "clothing"
# By this clock all take as long, and threads are tried first.
EVEN: Final = "{ let now = 0; performance.now = () => ++now; }"


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    """Photos as PNG files, wide and high."""
    return [pictures.saved(Image.fromarray(array), "PNG") for array in (skimage.data.coffee(), skimage.data.rocket())]


@pytest.fixture(scope="module")
def plain(browser: Browser, dist: Path) -> Iterator[Visit]:
    """The shipped model on a host that sends no headers."""
    with open_page(browser, dist, CLOTHING) as visited:
        yield visited


@pytest.fixture(scope="module")
def isolated(browser: Browser, dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """The shipped model on a host that isolates the page, in a browser whose threads are no slower than one alone."""
    even = with_prelude(dist, tmp_path_factory.mktemp("even"), EVEN)
    with open_page(browser, even, CLOTHING, headers=ISOLATION_HEADERS) as visited:
        yield visited


@pytest.mark.parametrize(
    ("host", "backend", "threads"),
    [("plain", "wasm", {1}), ("isolated", "wasm", {2, 3, 4}), ("plain", "webgl", {None})],
    ids=["wasm", "threads", "webgl"],
)
def test_every_backend_gives_the_same_answer(
    request: pytest.FixtureRequest, photos: Sequence[bytes], host: str, backend: str, threads: set[int | None]
) -> None:
    version = store.open_current(CLOTHING)
    contract = version.contract
    assert contract.class_map is not None
    network, weights = Network(version), class_weights(version, contract.class_map)
    with Engine(request.getfixturevalue(host), backend) as asked:
        ready = asked.ready()
        (used,) = [each for each in ready["backends"] if each["state"] == "in-use"]
        assert used["name"] == ready["backend"] == backend
        assert used["threads"] in threads
        assert ready["maps"] is True
        assert ready["embeddingSize"] == contract.embedding_size
        assert ready["notSure"] == contract.not_sure.threshold
        assert ready["digest"] == hashlib.sha256((version.path / store.CONTRACT).read_bytes()).hexdigest()
        assert {each["path"]: each["bytes"] for each in ready["files"]} == {
            each.path: each.bytes for each in contract.files if each.path.startswith("tfjs/")
        }
        for data in photos:
            answer = asked.classify(data)
            outputs = network.outputs(load(data, contract, Limits())[None])
            expected = network.scores(load(data, contract, Limits())[None])[0]
            assert np.abs(np.asarray(answer["scores"]) - expected).max() < SAME
            assert_near(answer["embedding"], outputs.embedding[0])
            maps = answer["maps"]
            expected_maps = np.einsum("yxc,lc->lyx", outputs.features[0].astype(np.float64), weights)
            assert (maps["height"], maps["width"]) == expected_maps.shape[1:]
            assert_near(maps["values"], expected_maps)
            with Image.open(io.BytesIO(data)) as image:
                size = image.size
            assert [answer["width"], answer["height"]] == list(size)
            box = answer["box"]
            edges = [box["left"], box["top"], box["right"], box["bottom"]]
            assert edges == pytest.approx(crop_box(*size, contract), abs=1e-9)
            assert answer["milliseconds"]["decode"] > 0
            assert answer["milliseconds"]["inference"] > 0


def test_without_weights_for_them_there_are_no_maps(browser: Browser, dist: Path, tmp_path: Path) -> None:
    model = models.write(tmp_path, class_map=None)
    with open_page(browser, dist, model) as visited, Engine(visited, "wasm") as asked:
        assert asked.ready()["maps"] is False
        answer = asked.classify(photo("red"))
        assert answer["maps"] is None
        assert len(answer["embedding"]) == 3


def test_weights_for_maps_that_the_graph_has_not_are_an_error(browser: Browser, dist: Path, tmp_path: Path) -> None:
    model = models.write(tmp_path, class_map={"tfjs_weight": "elsewhere", "onnx_initializer": "weight"})
    with visit(browser, dist, model, quiet=False) as visited:
        (result,) = visited.give([picture("red")])
        expect(result).to_have_attribute("data-error", "invalid_model")


def test_a_graph_with_another_operation_is_run_all_the_same(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path
) -> None:
    """As TensorFlow's own converter writes them; the rest of TensorFlow.js is fetched for it alone."""
    model = Path(shutil.copytree(colours, tmp_path / "model"))
    version = model / store.current_version(model)
    document = json.loads((version / "tfjs" / "model.json").read_text())
    outputs = document["signature"]["outputs"]
    kind = {"T": {"type": "DT_FLOAT"}}
    logits = outputs["logits"]["name"].removesuffix(":0")
    document["modelTopology"]["node"] += [
        {"name": "larger", "op": "Maximum", "input": [logits, logits], "attr": kind},
        {"name": "rounded", "op": "Softplus", "input": ["larger"], "attr": kind},
    ]
    outputs["logits"]["name"] = "rounded:0"
    _replace(version, "tfjs/model.json", json.dumps(document).encode())
    with visit(browser, dist, model) as visited:
        results = visited.give([picture(colour) for colour in models.LABELS])
        assert [top_label(result) for result in results] == list(models.LABELS)
        assert [request.path for request in visited.server.requests if "/whole-" in request.path] != []


def test_the_page_has_code_for_every_operation_that_it_says(browser: Browser, dist: Path, tmp_path: Path) -> None:
    model = models.write(tmp_path)
    version = model / store.current_version(model)
    graph = _every_operation()
    tfjs = write_tfjs(graph, {})
    document = json.loads(tfjs["model.json"])
    written = {node["op"] for node in document["modelTopology"]["node"]}
    source = (ROOT / "web" / "src" / "tfjs" / "operations.ts").read_text(encoding="utf-8")
    known = {line.strip(" ',") for line in source.splitlines() if line.startswith("  '")}
    # What the direct writer never writes, but TensorFlow's converter always.
    assert written | {"Identity", "MatMul", "Pad"} == known
    ((shard, weights),) = [(path, data) for path, data in tfjs.items() if path != "model.json"]
    contract = json.loads((version / store.CONTRACT).read_text())
    contract["files"] = [each for each in contract["files"] if not each["path"].startswith("tfjs/weights")]
    contract["files"].append({"path": f"tfjs/{shard}", "sha256": "", "bytes": 0})
    contract["class_map"] = None
    (version / store.CONTRACT).write_text(json.dumps(contract))
    _replace(version, f"tfjs/{shard}", weights)
    _replace(version, "tfjs/model.json", tfjs["model.json"])
    data = photo("magenta")
    expected = _run(graph, load(data, store.open_current(model).contract, Limits()))
    with open_page(browser, dist, model) as visited:
        for backend in ("wasm", "webgl"):
            with Engine(visited, backend) as asked:
                assert asked.ready()["backend"] == backend
                assert_near(asked.classify(data)["embedding"], expected)
        assert [request.path for request in visited.server.requests if "/whole-" in request.path] == []


def _replace(version: Path, path: str, data: bytes) -> None:
    """Put another file into a version, and its digest into the contract."""
    (version / path).write_bytes(data)
    contract = json.loads((version / store.CONTRACT).read_text())
    (entry,) = (entry for entry in contract["files"] if entry["path"] == path)
    entry.update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    (version / store.CONTRACT).write_text(json.dumps(contract))


def _every_operation() -> onnx.ModelProto:
    """A graph whose embedding every operation of the direct writer leads to, of the made model's shapes."""
    rng = np.random.default_rng(5)
    constants: dict[str, NDArray[Any]] = {
        "scale": np.full(3, 1 / 255, np.float32),
        "patch": rng.normal(0, 0.1, (4, 3, 16, 16)).astype(np.float32),
        "depthwise": rng.normal(0, 0.5, (4, 1, 3, 3)).astype(np.float32),
        "divisor": np.asarray([1.5], np.float32),
        "subtrahend": np.asarray([0.25], np.float32),
        "zero": np.asarray(0, np.float32),
        "six": np.asarray(6, np.float32),
        "begin": np.asarray([1], np.int64),
        "end": np.asarray([4], np.int64),
        "channels": np.asarray([1], np.int64),
        "flat": np.asarray([-1, 16, 4], np.int64),
        "norm": rng.normal(1, 0.1, 4).astype(np.float32),
        "shift": rng.normal(0, 0.1, 4).astype(np.float32),
        "row": np.asarray([-1, 64], np.int64),
        "plane": np.asarray([2, 3], np.int64),
        "linear": rng.normal(0, 0.3, (64, 3)).astype(np.float32),
        "bias": rng.normal(0, 0.1, 3).astype(np.float32),
        "weight": rng.normal(0, 0.3, (3, len(models.LABELS))).astype(np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        node("Mul", ["float", "scale"], ["scaled"]),
        node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        node("Conv", ["planes", "patch"], ["patches"], strides=[16, 16]),
        node("Conv", ["patches", "depthwise"], ["spread"], group=4, pads=[1, 1, 1, 1]),
        node("Sigmoid", ["spread"], ["gate"]),
        node("Mul", ["patches", "gate"], ["gated"]),
        node("Tanh", ["gated"], ["bent"]),
        node("Div", ["bent", "divisor"], ["divided"]),
        node("Sub", ["divided", "subtrahend"], ["less"]),
        node("Relu", ["less"], ["positive"]),
        node("Clip", ["bent", "zero", "six"], ["clipped"]),
        node("Add", ["positive", "clipped"], ["sum"]),
        node("MaxPool", ["sum"], ["highest"], kernel_shape=[2, 2], strides=[1, 1], pads=[1, 1, 0, 0]),
        node("AveragePool", ["highest"], ["mean"], kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]),
        node("Slice", ["mean", "begin", "end", "channels"], ["some"]),
        node("Slice", ["mean", "zero_axis", "begin", "channels"], ["first"]),
        node("Concat", ["some", "first"], ["turned"], axis=1),
        node("Gelu", ["turned"], ["soft"]),
        node("Reshape", ["soft", "flat"], ["tokens"]),
        node("LayerNormalization", ["tokens", "norm", "shift"], ["normal"], axis=-1),
        node("Transpose", ["normal"], ["across"], perm=[0, 2, 1]),
        node("MatMul", ["normal", "across"], ["products"]),
        node("Softmax", ["products"], ["attention"], axis=-1),
        node("MatMul", ["attention", "normal"], ["attended"]),
        node("Reshape", ["attended", "row"], ["flattened"]),
        node("Gemm", ["flattened", "linear", "bias"], ["embedding"]),
        node("Gemm", ["embedding", "weight"], ["logits"]),
        node("Slice", ["patches", "zero_axis", "three", "channels"], ["features"]),
    ]
    constants |= {"zero_axis": np.asarray([0], np.int64), "three": np.asarray([3], np.int64)}
    side = models.SIZE // 16
    outputs = {
        "logits": ["N", len(models.LABELS)],
        "embedding": ["N", 3],
        "features": ["N", 3, side, side],
    }
    graph = helper.make_graph(
        nodes,
        "every operation",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", models.SIZE, models.SIZE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def _run(graph: onnx.ModelProto, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (embedding,) = session.run(["embedding"], {"image": pixels[None]})
    return np.asarray(embedding[0])

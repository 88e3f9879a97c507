"""The official route as it is: its real environment (gigabytes, made once), its programs, page and server after it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.server import serving
from browser.chromium import chromium
from parity.sides import ask_page, ask_server
from tests.unit.training.pictures import split_folders
from training.official.environment import prepare
from training.official.route import convert
from twinlens.errors import TwinlensError
from twinlens.store import ModelVersion, open_current

ROOT = Path(__file__).parents[2]

# The first test waits for the environment: 3 GB through a slow line.
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]


def training(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "training", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Photos, the folder of models, and what the export said."""
    folder = tmp_path_factory.mktemp("official")
    photos = split_folders(folder / "photos", train=24, validation=6, test=6)
    size = ["--image-size", "64", "--train-size", "64", "--epochs", "1", "--batch-size", "16"]
    training("train", photos, "--out", folder / "run", "--arch", "mobilenet_v2", "--init", "none", *size)
    said = training("export", folder / "run", "--out", folder / "models" / "mine", "--via", "tensorflowjs")
    return photos, folder / "models", said


@pytest.fixture(scope="module")
def version(way: tuple[Path, Path, str]) -> ModelVersion:
    return open_current(way[1] / "mine")


def test_it_was_checked_on_every_backend(way: tuple[Path, Path, str]) -> None:
    said = way[2]
    assert "Converting with onnx2tf" in said
    assert said.index("Largest error: ") < said.index("sha256 of the contract")


def test_the_graph_keeps_the_contract(version: ModelVersion) -> None:
    contract = version.contract
    document = json.loads(version.read(contract.graphs.tfjs.path))
    assert document["convertedBy"] == "TensorFlow.js Converter v4.22.0"
    (tensor,) = document["signature"]["inputs"].values()
    assert tensor["dtype"] == "DT_INT32"
    for name, output in document["signature"]["outputs"].items():
        sizes = [int(dim["size"]) for dim in output["tensorShape"]["dim"]]
        assert sizes == [-1, *getattr(contract.graphs.tfjs, name).shape[1:]]
    assert list(document["signature"]["outputs"]) == ["logits", "embedding", "features"]


def test_both_graphs_hold_the_same_rounded_weights(version: ModelVersion) -> None:
    (group,) = json.loads(version.read("tfjs/model.json"))["weightsManifest"]
    data, offset, stored = b"".join(version.read(f"tfjs/{path}") for path in group["paths"]), 0, {}
    for entry in group["weights"]:
        dtype = np.dtype(entry.get("quantization", entry)["dtype"])
        count = int(np.prod(entry["shape"]))
        stored[entry["name"]] = np.frombuffer(data, dtype, count, offset)
        offset += count * dtype.itemsize
    assert offset == len(data)
    model = onnx.load_from_string(version.read("model.onnx"))
    initializers = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    halves = [name for name, weight in version.contract.weights.items() if weight.encoding == "float16"]
    assert len(halves) > 50
    for name in halves:
        assert stored[name].dtype == np.float16
        np.testing.assert_array_equal(np.sort(stored[name]), np.sort(initializers[f"{name}.float16"], axis=None))
    assert version.contract.class_map is not None
    assert version.contract.class_map.tfjs_weight in stored


def test_page_and_server_give_one_answer(way: tuple[Path, Path, str], version: ModelVersion) -> None:
    photos, models, _ = way
    paths = sorted((photos / "test").rglob("*.png"))
    labels = version.contract.label_names
    with serving({"TWINLENS_MODELS": str(models), "TWINLENS_MODEL": "mine"}) as url, chromium() as browser:
        server = list(ask_server(url, paths, labels))
        page = list(ask_page(browser, url, paths, labels))
    assert len(paths) == 18
    for of_server, of_page in zip(server, page, strict=True):
        assert of_server.scores is not None
        assert of_page.scores == pytest.approx(of_server.scores, abs=1e-4)


def test_an_operation_that_tensorflow_js_does_not_have_is_named() -> None:
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Det", ["planes"], ["logits"], name="odd"),
    ]
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    with pytest.raises(
        TwinlensError, match=r"tensorflowjs cannot convert.*Unsupported Ops.*MatrixDeterminant"
    ) as caught:
        convert(model, prepare())
    assert caught.value.code == "unsupported_operation"

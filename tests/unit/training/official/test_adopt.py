import json
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

from tests.unit.training.official.graph_models import BIAS, CONV, MATRIX, files, onnx_model
from training.official.adopt import adopt, weight_names
from training.tfjs.files import SHARD_BYTES
from twinlens.errors import TwinlensError


def changed(**parts: Any) -> dict[str, bytes]:
    """The graph model with parts of its document replaced."""
    given = files()
    return given | {"model.json": json.dumps(json.loads(given["model.json"]) | parts).encode()}


def weights(adopted: dict[str, bytes]) -> dict[str, np.ndarray]:
    """The weights as a reader of the manifest finds them, in the dtype that they are stored in."""
    (group,) = json.loads(adopted["model.json"])["weightsManifest"]
    data, offset, found = b"".join(adopted[path] for path in group["paths"]), 0, {}
    for entry in group["weights"]:
        dtype = np.dtype(entry.get("quantization", entry)["dtype"])
        count = int(np.prod(entry["shape"]))
        found[entry["name"]] = np.frombuffer(data, dtype, count, offset).reshape(entry["shape"])
        offset += count * dtype.itemsize
    assert offset == len(data)
    return found


def test_outputs_have_the_names_and_the_order_of_the_onnx_model() -> None:
    signature = json.loads(adopt(files(), onnx_model())["model.json"])["signature"]
    assert {name: tensor["name"] for name, tensor in signature["outputs"].items()} == {
        "logits": "Identity:0",
        "embedding": "Identity_1:0",
        "features": "Identity_2:0",
    }
    assert list(signature["outputs"]) == ["logits", "embedding", "features"]


def test_outputs_that_are_one_tensor_are_still_told_apart() -> None:
    # What tensorflowjs_converter writes for a network whose logits are its embedding.
    signature = json.loads(files()["model.json"])["signature"]
    outputs = signature["outputs"]
    signature["outputs"] = {
        "output_2": outputs["output_2"],
        "Identity:0": outputs["output_0"],
        "Identity_1:0": outputs["output_1"],
    }
    adopted = json.loads(adopt(changed(signature=signature), onnx_model())["model.json"])
    assert [tensor["name"] for tensor in adopted["signature"]["outputs"].values()] == [
        "Identity:0",
        "Identity_1:0",
        "Identity_2:0",
    ]


def test_the_input_is_int32_everywhere() -> None:
    document = json.loads(adopt(files(), onnx_model())["model.json"])
    nodes = {node["name"]: node for node in document["modelTopology"]["node"]}
    assert document["signature"]["inputs"]["image"]["dtype"] == "DT_INT32"
    assert nodes["image"]["attr"]["dtype"] == {"type": "DT_INT32"}
    assert nodes["model/Cast"]["attr"]["SrcT"] == {"type": "DT_INT32"}
    assert "UINT8" not in json.dumps(document)


def test_weights_have_the_names_of_the_onnx_initializers_whose_numbers_they_hold() -> None:
    adopted = adopt(files(), onnx_model())
    found = weights(adopted)
    np.testing.assert_array_equal(found["conv.weight"].astype(np.float32), CONV.transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(found["fc.weight"], MATRIX.T)
    nodes = {node["name"]: node for node in json.loads(adopted["model.json"])["modelTopology"]["node"]}
    assert nodes["conv.weight"]["op"] == nodes["fc.weight"]["op"] == "Const"
    assert nodes["model/Conv2D"]["input"] == ["model/Cast", "conv.weight"]
    assert nodes["model/MatMul"]["input"] == ["model/Mean", "fc.weight:0", "^model/Conv2D"]
    assert weight_names(adopted) == {"fc.weight", "unknown_2", "model/Mean/indices", "conv.weight"}


def test_float16_only_where_it_holds_the_numbers_exactly() -> None:
    found = weights(adopt(files(), onnx_model()))
    assert {name: str(array.dtype) for name, array in found.items()} == {
        "conv.weight": "float16",
        "fc.weight": "float32",  # tenths
        "unknown_2": "float32",  # a bias: it is not rounded, and not stored as if it were
        "model/Mean/indices": "int32",
    }
    np.testing.assert_array_equal(found["unknown_2"], BIAS)


def test_zero_and_minus_zero_are_the_same_number() -> None:
    model = onnx_model()
    (initializer,) = [one for one in model.graph.initializer if one.name == "conv.weight"]
    initializer.CopyFrom(numpy_helper.from_array(np.where(CONV == 0, np.float32(-0.0), CONV), "conv.weight"))
    assert "conv.weight" in weight_names(adopt(files(), model))


def test_a_weight_whose_numbers_were_changed_keeps_tensorflows_name() -> None:
    model = onnx_model()
    (initializer,) = [one for one in model.graph.initializer if one.name == "fc.weight"]
    initializer.CopyFrom(numpy_helper.from_array(MATRIX * 2, "fc.weight"))
    assert weight_names(adopt(files(), model)) >= {"unknown_1", "conv.weight"}


def test_shards_are_small_and_named_by_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.tfjs.files.SHARD_BYTES", 100)
    adopted = adopt(files(), onnx_model())
    (group,) = json.loads(adopted["model.json"])["weightsManifest"]
    assert group["paths"] == [name for name in adopted if name != "model.json"]
    assert all(len(adopted[name]) <= 100 < SHARD_BYTES for name in group["paths"])
    assert weights(adopted).keys() == weight_names(adopted)
    assert adopt(files(), onnx_model()) == adopted


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"signature": {"inputs": {}, "outputs": {}}}, "has 0 inputs instead of one"),
        (
            {"signature": {"inputs": {"image": {"name": "image:0"}}, "outputs": {"output_0": {"name": "Identity:0"}}}},
            "has the outputs Identity instead of Identity, Identity_1, Identity_2",
        ),
        (
            {"weightsManifest": [{"paths": [], "weights": [{"name": "w", "shape": [1], "dtype": "string"}]}]},
            "a weight of an unexpected type",
        ),
    ],
)
def test_a_graph_model_of_another_form_is_refused(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(TwinlensError, match=message) as caught:
        adopt(changed(**parts), onnx_model())
    assert caught.value.code == "export_mismatch"

import base64
import gzip
import hashlib
import json
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.unit.training import weights_golden
from training.onnx_graph import encode
from training.rounding import quantise
from training.tfjs.convert import Walk
from training.tfjs.files import SHARD_BYTES, locate, write_tfjs
from twinlens.contract import IntegerEncoding, StoredIntegers, WeightEncoding
from twinlens.errors import TwinlensError

FLOAT = TensorProto.FLOAT


def graph(
    nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], outputs: list[str], channels: int = 3
) -> onnx.ModelProto:
    """A model that takes uint8 (N, 8, 8, channels); ``x`` is its input as float32, channels first."""
    start = [
        helper.make_node("Cast", ["image"], ["pixels"], to=FLOAT),
        helper.make_node("Transpose", ["pixels"], ["x"], perm=[0, 3, 1, 2]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 8, 8, channels])
    model = helper.make_model(
        helper.make_graph(
            [*start, *nodes],
            "test",
            [image],
            [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
    )
    return onnx.shape_inference.infer_shapes(model)


def node(nodes: list[dict[str, Any]], op: str) -> dict[str, Any]:
    (found,) = [entry for entry in nodes if entry["op"] == op]
    return found


def strings(attribute: dict[str, Any]) -> list[str]:
    return [base64.b64decode(value).decode() for value in attribute["list"]["s"]]


CONV = {"w": np.ones((4, 3, 3, 3), np.float32), "b": np.zeros(4, np.float32)}


def conv(output: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node("Conv", ["x", "w", "b"], [output], name="conv", **attributes)


def test_a_convolution_takes_up_bias_and_relu6() -> None:
    bounds = {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    walk = Walk(
        graph(
            [conv(pads=[1, 1, 1, 1], strides=[2, 2]), helper.make_node("Clip", ["y", "low", "high"], ["z"])],
            {**CONV, **bounds},
            ["z"],
        )
    )
    nodes = walk.run().nodes
    fused = node(nodes, "_FusedConv2D")
    assert strings(fused["attr"]["fused_ops"]) == ["BiasAdd", "Relu6"]
    assert base64.b64decode(fused["attr"]["padding"]["s"]) == b"EXPLICIT"
    assert fused["attr"]["explicit_paddings"]["list"]["i"] == ["0", "0", "1", "1", "1", "1", "0", "0"]
    assert fused["attr"]["strides"]["list"]["i"] == ["1", "2", "2", "1"]
    assert not [entry for entry in nodes if entry["op"] in ("Relu6", "Transpose")]


def test_an_activation_that_others_need_too_is_not_taken_up() -> None:
    walk = Walk(graph([conv(), helper.make_node("Relu", ["y"], ["z"])], CONV, ["y", "z"]))
    nodes = walk.run().nodes
    assert strings(node(nodes, "_FusedConv2D")["attr"]["fused_ops"]) == ["BiasAdd"]
    assert node(nodes, "Relu")["input"] == [walk.values["y"].node]


def test_one_group_per_channel_is_a_depthwise_convolution() -> None:
    weights = {"w": np.arange(6 * 9, dtype=np.float32).reshape(6, 1, 3, 3), "b": np.zeros(6, np.float32)}
    walk = Walk(graph([conv(group=3)], weights, ["y"]))
    result = walk.run()
    node(result.nodes, "FusedDepthwiseConv2dNative")
    kernel = result.constants["w"]
    assert kernel.shape == (3, 3, 3, 2)
    np.testing.assert_array_equal(kernel[:, :, 1, 1], weights["w"][3, 0])


@pytest.mark.parametrize(("after_relu", "lowest"), [(True, 0.0), (False, float(np.finfo(np.float32).min))])
def test_a_padded_pool_is_padded_before_with_what_never_wins(after_relu: bool, lowest: float) -> None:
    relu = [helper.make_node("Relu", ["x"], ["r"])] if after_relu else []
    pool = helper.make_node(
        "MaxPool", ["r" if after_relu else "x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
    )
    result = Walk(graph([*relu, pool], {}, ["y"])).run()
    _, paddings, value = node(result.nodes, "PadV2")["input"]
    np.testing.assert_array_equal(result.constants[paddings], [[0, 0], [1, 1], [1, 1], [0, 0]])
    assert result.constants[value] == np.float32(lowest)
    assert base64.b64decode(node(result.nodes, "MaxPool")["attr"]["padding"]["s"]) == b"VALID"


def test_a_constant_per_channel_moves_last() -> None:
    weights = {"c": np.arange(3, dtype=np.float32).reshape(3, 1, 1)}
    result = Walk(graph([helper.make_node("Mul", ["x", "c"], ["y"])], weights, ["y"])).run()
    assert result.constants["c"].shape == (1, 1, 1, 3)


REFUSED = {
    "an unknown operation": (
        [helper.make_node("Softplus", ["x"], ["y"], name="odd")],
        {},
        "Node 'odd' (Softplus) cannot be written for TensorFlow.js: the direct writer does not know this operation",
    ),
    "groups": (
        [conv(group=2)],
        {"w": np.ones((4, 2, 3, 3), np.float32), "b": np.zeros(4, np.float32)},
        "Node 'conv' (Conv) cannot be written for TensorFlow.js: a convolution of 2 groups over 4 channels",
    ),
    "a pool in ceil mode": (
        [helper.make_node("MaxPool", ["x"], ["y"], name="pool", kernel_shape=[2, 2], ceil_mode=1)],
        {},
        "Node 'pool' (MaxPool) cannot be written for TensorFlow.js: ceil_mode",
    ),
    "another reshape": (
        [helper.make_node("Flatten", ["x"], ["y"], name="flatten")],
        {},
        "Node 'flatten' (Flatten) cannot be written for TensorFlow.js: only (N, C, 1, 1) to (N, C) is known",
    ),
    "an unknown attribute": (
        [helper.make_node("Cast", ["x"], ["y"], name="cast", to=FLOAT, saturate=0)],
        {},
        "Node 'cast' (Cast) cannot be written for TensorFlow.js: attribute 'saturate' is not known",
    ),
    "an activation for a weight": (
        [conv("k"), helper.make_node("Conv", ["x", "k"], ["y"], name="dynamic")],
        {"w": np.ones((4, 4, 3, 3), np.float32), "b": np.zeros(4, np.float32)},
        "Node 'dynamic' (Conv) cannot be written for TensorFlow.js: input 1 must be a constant",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_written_is_refused_by_node_and_operation(case: str) -> None:
    nodes, weights, message = REFUSED[case]
    with pytest.raises(TwinlensError) as caught:
        write_tfjs(graph(nodes, weights, ["y"], channels=4), {})
    assert caught.value.code == "unsupported_operation"
    assert message in caught.value.detail


def test_shards_are_small_named_by_content_and_join_to_the_weights() -> None:
    weights = {"w": np.random.default_rng(0).normal(size=(3, 700_000)).astype(np.float16).astype(np.float32)}
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["pooled"], keepdims=1),
        helper.make_node("Reshape", ["pooled", "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["y"]),
    ]
    model = graph(nodes, {**weights, "axes": np.array([2, 3]), "shape": np.array([-1, 3])}, ["y"])
    _, encodings = encode(model)
    assert encodings["w"] == WeightEncoding(shape=[3, 700_000], encoding="float16")
    files = write_tfjs(model, encodings)
    document = json.loads(files.pop("model.json"))
    (manifest,) = document["weightsManifest"]
    assert manifest["paths"] == list(files)
    assert all(len(shard) <= SHARD_BYTES for shard in files.values())
    assert len(files) == 2
    blob, offset = b"".join(files.values()), 0
    sizes = {"float16": np.float16, "float32": np.float32, "int32": np.int32}
    for entry in manifest["weights"]:
        dtype = np.dtype(sizes[entry.get("quantization", entry)["dtype"]])
        count = int(np.prod(entry["shape"]))
        found = np.frombuffer(blob, dtype, count, offset).reshape(entry["shape"])
        offset += count * dtype.itemsize
        if entry["name"] == "w":
            assert dtype == np.float16
            np.testing.assert_array_equal(found.astype(np.float32), weights["w"])
    assert offset == len(blob)
    assert write_tfjs(model, encodings).keys() == {"model.json", *files}


def test_numbers_that_the_encoding_does_not_hold_are_refused() -> None:
    model = graph([conv()], {**CONV, "w": np.full((4, 3, 3, 3), 0.1, np.float32)}, ["y"])
    with pytest.raises(TwinlensError, match="float16 does not hold its numbers"):
        write_tfjs(model, {"w": WeightEncoding(shape=[4, 3, 3, 3], encoding="float16")})


def whole(*shape: int, bits: int = 8) -> np.ndarray:
    """Weights that are integers times a scale for each of the first axis."""
    return quantise(torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))), bits).numpy()


def stored(files: dict[str, bytes]) -> dict[str, np.ndarray]:
    """The tensors of the shards, integers as they lie there."""
    (manifest,) = json.loads(files["model.json"])["weightsManifest"]
    blob, found = b"".join(gzip.decompress(files[path]) for path in manifest["paths"]), {}
    types = {"int8": np.int8, "float16": np.float16, "float32": np.float32, "int32": np.int32}
    for entry in manifest["weights"]:
        dtype = types[entry.get("quantization", entry)["dtype"]]
        array = np.frombuffer(blob, dtype, int(np.prod(entry["shape"]))).reshape(entry["shape"])
        blob, found[entry["name"]] = blob[array.nbytes :], array
    assert blob == b""
    return found


def test_integers_are_stored_in_the_writer_s_order_of_axes() -> None:
    weights = {"full": whole(6, 3, 3, 3), "depthwise": whole(6, 1, 3, 3), "multiplied": whole(12, 1, 3, 3)}
    nodes = [
        helper.make_node("Conv", ["x", "full"], ["a"]),
        helper.make_node("Conv", ["a", "depthwise"], ["b"], group=6),
        helper.make_node("Conv", ["b", "multiplied"], ["y"], group=6),
    ]
    model = graph(nodes, weights, ["y"])
    _, encodings = encode(model, "int8-channel")
    files = write_tfjs(model, encodings)
    tensors, located = stored(files), locate(files, encodings)
    axes = {"full": [3], "depthwise": [2], "multiplied": [2, 3]}
    for name, array in Walk(model).run().constants.items():
        if name in weights:
            encoding = located[name]
            assert isinstance(encoding, IntegerEncoding)
            assert encoding.axes == [0]
            (part,) = encoding.tfjs
            assert part == StoredIntegers(name=name, axes=axes[name], scales=f"{name}.scales")
            product = tensors[part.name] * tensors[part.scales]
            np.testing.assert_array_equal(product.view(np.uint32), array.view(np.uint32))


def test_packed_shards_are_named_by_what_lies_at_the_host_and_always_the_same() -> None:
    model = graph([conv()], {"w": whole(4, 3, 3, 3), "b": np.zeros(4, np.float32)}, ["y"])
    _, encodings = encode(model, "int8-channel")
    files = write_tfjs(model, encodings)
    assert write_tfjs(model, encodings) == files
    (shard,) = [name for name in files if name != "model.json"]
    assert shard == f"weights.{hashlib.sha256(files[shard]).hexdigest()[:16]}.gz.bin"
    assert files[shard][4:8] == bytes(4)  # the time that gzip writes down


def test_parts_of_a_weight_are_integers_where_they_can_be() -> None:
    weight = whole(8, 4, 3, 3)
    model = graph([conv()], {"w": weight[:, :3], "b": np.zeros(8, np.float32)}, ["y"])
    _, encodings = encode(model, "int8-channel")
    parts = {"w.0": weight[:4], "w.1": weight[4:], "w.average": np.full((4, 3, 3, 3), 1 / 7, np.float32) ** 2}
    nodes = [helper.make_node("Conv", ["x", name], [name[2:]]) for name in parts]
    cut = graph(nodes, {name: part[:, :3] for name, part in parts.items()}, ["0", "1", "average"])
    files = write_tfjs(cut, encodings)
    encoding = locate(files, encodings)["w"]
    assert isinstance(encoding, IntegerEncoding)
    assert [part.name for part in encoding.tfjs] == ["w.0", "w.1", "w.average"]
    tensors = stored(files)
    np.testing.assert_array_equal(tensors["w.1"] * tensors["w.1.scales"], weight[4:, :3].transpose(2, 3, 1, 0))


def test_weights_that_are_no_integers_after_all_are_refused() -> None:
    weight = whole(4, 3, 3, 3)
    model = graph([conv()], {**CONV, "w": weight}, ["y"])
    _, encodings = encode(model, "int8-channel")
    other = graph([conv()], {**CONV, "w": weight + np.float32(1e-3) * weight**2}, ["y"])
    with pytest.raises(TwinlensError, match="integer does not hold its numbers") as caught:
        write_tfjs(other, encodings)
    assert caught.value.code == "export_mismatch"


def test_what_the_page_is_held_to_is_what_the_writer_writes() -> None:
    assert weights_golden.PATH.read_text(encoding="utf-8") == weights_golden.text(), (
        "Run: python -m tests.unit.training.weights_golden"
    )

import base64
import gzip
import hashlib
import json
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from tests.unit.training import weights_golden
from tests.unit.training.onnx_models import model
from training.onnx_graph import encode
from training.rounding import quantise
from training.tfjs.convert import Walk
from training.tfjs.files import SHARD_BYTES, locate, write_tfjs
from twinlens.contract import IntegerEncoding, StoredIntegers, WeightEncoding
from twinlens.errors import TwinlensError

FLOAT = TensorProto.FLOAT


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
        model(
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
    walk = Walk(model([conv(), helper.make_node("Relu", ["y"], ["z"])], CONV, ["y", "z"]))
    nodes = walk.run().nodes
    assert strings(node(nodes, "_FusedConv2D")["attr"]["fused_ops"]) == ["BiasAdd"]
    assert (node(nodes, "Relu")["input"][0],) == walk.values["y"].nodes


def test_one_group_per_channel_is_a_depthwise_convolution() -> None:
    weights = {"w": np.arange(6 * 9, dtype=np.float32).reshape(6, 1, 3, 3), "b": np.zeros(6, np.float32)}
    walk = Walk(model([conv(group=3)], weights, ["y"]))
    result = walk.run()
    node(result.nodes, "FusedDepthwiseConv2dNative")
    kernel = result.constants["w"]
    assert kernel.shape == (3, 3, 3, 2)
    np.testing.assert_array_equal(kernel[:, :, 1, 1], weights["w"][3, 0])


def test_a_convolution_is_written_in_the_parts_that_a_grouped_one_reads() -> None:
    weights = {
        **CONV,
        "w": np.arange(16 * 3, dtype=np.float32).reshape(16, 3, 1, 1),
        "b": np.zeros(16, np.float32),
        "g": np.random.default_rng(0).normal(size=(16, 8, 3, 3)).astype(np.float32),
    }
    grouped = helper.make_node("Conv", ["y", "g"], ["z"], group=2, pads=[1, 1, 1, 1])
    walk = Walk(model([conv(), grouped], weights, ["z"]))
    result = walk.run()
    assert [entry["op"] for entry in result.nodes].count("_FusedConv2D") == 4
    assert not [entry for entry in result.nodes if entry["op"] in ("Slice", "SplitV")]
    np.testing.assert_array_equal(result.constants["w.part1"][0, 0], weights["w"][8:, :, 0, 0].T)
    np.testing.assert_array_equal(result.constants["g.part1"], weights["g"][8:].transpose(2, 3, 1, 0))
    assert result.sources["g.part1"] == "g"


def test_narrow_groups_are_bundled_to_the_width_that_is_computed_at_once() -> None:
    weights = {"w": np.ones((16, 4, 1, 1), np.float32), "b": np.zeros(16, np.float32)}
    result = Walk(model([conv(group=4)], weights, ["y"], channels=16)).run()
    kernels = [array for name, array in result.constants.items() if result.sources[name] == "w"]
    assert [kernel.shape for kernel in kernels] == [(1, 1, 8, 8)] * 2
    np.testing.assert_array_equal(kernels[0][0, 0], np.kron(np.eye(2), np.ones((4, 4))))


def test_a_large_depthwise_kernel_is_cut_into_pieces_that_add_up_to_it() -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 1, 7, 7)).astype(np.float32)
    weights = {"w": kernel, "b": np.ones(3, np.float32)}
    result = Walk(model([conv(group=3, pads=[3, 3, 3, 3])], weights, ["y"])).run()
    pieces = [entry for entry in result.nodes if entry["op"] == "FusedDepthwiseConv2dNative"]
    whole = np.zeros((7, 7, 3))
    for piece in pieces:
        taps = result.constants[piece["input"][1]][..., 0]
        assert taps.shape[0] * taps.shape[1] in (25, 9, 4)
        _, down, across, _ = (int(value) for value in piece["attr"]["dilations"]["list"]["i"])
        top, left = (int(piece["attr"]["explicit_paddings"]["list"]["i"][index]) for index in (2, 4))
        rows, columns = 3 - top + down * np.arange(len(taps)), 3 - left + across * np.arange(taps.shape[1])
        whole[np.ix_(rows, columns)] += taps
    np.testing.assert_array_equal(whole, kernel[:, 0].transpose(1, 2, 0))
    assert [entry["op"] for entry in result.nodes].count("AddV2") == len(pieces) - 1


@pytest.mark.parametrize(("after_relu", "lowest"), [(True, 0.0), (False, float(np.finfo(np.float32).min))])
def test_a_padded_pool_is_padded_before_with_what_never_wins(after_relu: bool, lowest: float) -> None:
    relu = [helper.make_node("Relu", ["x"], ["r"])] if after_relu else []
    pool = helper.make_node(
        "MaxPool", ["r" if after_relu else "x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
    )
    result = Walk(model([*relu, pool], {}, ["y"])).run()
    _, paddings, value = node(result.nodes, "PadV2")["input"]
    # The last window ends at the last row, so that nothing is added there.
    np.testing.assert_array_equal(result.constants[paddings], [[0, 0], [1, 0], [1, 0], [0, 0]])
    assert result.constants[value] == np.float32(lowest)
    assert base64.b64decode(node(result.nodes, "MaxPool")["attr"]["padding"]["s"]) == b"VALID"


def test_a_pool_over_the_edge_needs_no_padding_where_tensorflow_has_the_same() -> None:
    pool = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    nodes = Walk(model([pool], {}, ["y"])).run().nodes
    assert base64.b64decode(node(nodes, "MaxPool")["attr"]["padding"]["s"]) == b"SAME"
    assert not [entry for entry in nodes if entry["op"] == "PadV2"]


def test_a_linear_layer_on_a_flattened_image_has_its_weights_moved() -> None:
    weights = {"w": np.arange(3 * 64, dtype=np.float32).reshape(1, 192), "b": np.zeros(1, np.float32)}
    flatten = helper.make_node("Flatten", ["x"], ["f"], axis=1)
    result = Walk(model([flatten, helper.make_node("Gemm", ["f", "w", "b"], ["y"], transB=1)], weights, ["y"])).run()
    assert not [entry for entry in result.nodes if entry["op"] == "Transpose"]
    expected = weights["w"].reshape(3, 8, 8).transpose(1, 2, 0).reshape(192, 1)
    np.testing.assert_array_equal(result.constants["w"], expected)


def test_joining_ever_more_joins_only_what_is_new() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("Concat", ["x", "r"], ["one"], axis=1),
        helper.make_node("Sigmoid", ["one"], ["s"]),
        helper.make_node("Concat", ["x", "r", "s"], ["y"], axis=1),
    ]
    walk = Walk(model(nodes, {}, ["y"]))
    joins = [entry for entry in walk.run().nodes if entry["op"] == "ConcatV2"]
    assert [entry["input"][:-1] for entry in joins] == [["pixels", "r"], ["one", "s"]]


def test_a_scale_and_an_offset_of_each_channel_are_one_operation() -> None:
    weights = {"s": np.arange(3, dtype=np.float32).reshape(3, 1, 1), "o": np.ones((1, 3, 1, 1), np.float32)}
    nodes = [
        helper.make_node("Mul", ["x", "s"], ["m"]),
        helper.make_node("Add", ["m", "o"], ["a"]),
        helper.make_node("Relu", ["a"], ["y"]),
    ]
    result = Walk(model(nodes, weights, ["y"])).run()
    assert {entry["op"] for entry in result.nodes} == {"Placeholder", "Cast", "Const", "FusedDepthwiseConv2dNative"}
    assert result.constants["s"].shape == (1, 1, 3, 1)
    assert result.constants["o"].shape == (3,)


def test_an_axis_may_be_counted_from_the_end() -> None:
    def written(axis: int) -> list[dict[str, Any]]:
        gather = helper.make_node("Gather", ["x", "i"], ["y"], axis=axis)
        return Walk(model([gather], {"i": np.array(2)}, ["y"])).run().nodes

    assert written(-3) == written(1) != written(-1)


def test_a_permutation_and_back_moves_nothing() -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Sigmoid", ["t"], ["s"]),
        helper.make_node("Transpose", ["s"], ["y"], perm=[0, 3, 1, 2]),
    ]
    ops = {entry["op"] for entry in Walk(model(nodes, {}, ["y"])).run().nodes}
    assert ops == {"Placeholder", "Cast", "Sigmoid"}


def test_what_constants_alone_go_into_is_computed() -> None:
    weights = {"c": np.arange(3, dtype=np.float32).reshape(1, 1, 3)}
    nodes = [helper.make_node("Transpose", ["c"], ["t"], perm=[2, 0, 1]), helper.make_node("Mul", ["x", "t"], ["y"])]
    result = Walk(model(nodes, weights, ["y"])).run()
    assert result.constants["t"].shape == (1, 1, 1, 3)


def test_a_constant_per_channel_moves_last() -> None:
    weights = {"c": np.arange(3, dtype=np.float32).reshape(3, 1, 1)}
    result = Walk(model([helper.make_node("Mul", ["x", "c"], ["y"])], weights, ["y"])).run()
    assert result.constants["c"].shape == (1, 1, 1, 3)


REFUSED = {
    "an unknown operation": (
        [helper.make_node("Softplus", ["x"], ["y"], name="odd")],
        {},
        "Node 'odd' (Softplus) cannot be written for TensorFlow.js: the direct writer does not know this operation",
    ),
    "strides and dilations": (
        [conv(strides=[2, 2], dilations=[2, 2])],
        {"w": np.ones((4, 4, 3, 3), np.float32), "b": np.zeros(4, np.float32)},
        "Node 'conv' (Conv) cannot be written for TensorFlow.js: TensorFlow.js has no convolution with both",
    ),
    "a dilated pool": (
        [helper.make_node("MaxPool", ["x"], ["y"], name="pool", kernel_shape=[2, 2], dilations=[2, 2])],
        {},
        "Node 'pool' (MaxPool) cannot be written for TensorFlow.js: only two-dimensional pools without dilations",
    ),
    "a window that lies in the padding": (
        [
            helper.make_node(
                "MaxPool",
                ["x"],
                ["y"],
                name="pool",
                kernel_shape=[2, 2],
                strides=[3, 3],
                pads=[1, 1, 0, 0],
                ceil_mode=1,
            )
        ],
        {},
        "Node 'pool' (MaxPool) cannot be written for TensorFlow.js: its last window lies beyond the image",
    ),
    "the mean over channels": (
        [helper.make_node("ReduceMean", ["x", "axes"], ["y"], name="mean")],
        {"axes": np.array([1])},
        "Node 'mean' (ReduceMean) cannot be written for TensorFlow.js: only the mean over height and width is known",
    ),
    "uneven steps": (
        [helper.make_node("Slice", ["x", "start", "end", "axes", "steps"], ["y"], name="slice")],
        {"start": np.array([0]), "end": np.array([8]), "axes": np.array([2]), "steps": np.array([3])},
        "Node 'slice' (Slice) cannot be written for TensorFlow.js: only steps that divide an axis are known",
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
        write_tfjs(model(nodes, weights, ["y"], channels=4), {})
    assert caught.value.code == "unsupported_operation"
    assert message in caught.value.detail
    assert "--via tensorflowjs" in caught.value.detail


def test_shards_are_small_named_by_content_and_join_to_the_weights() -> None:
    weights = {"w": np.random.default_rng(0).normal(size=(3, 700_000)).astype(np.float16).astype(np.float32)}
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["pooled"], keepdims=1),
        helper.make_node("Reshape", ["pooled", "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["y"]),
    ]
    built = model(nodes, {**weights, "axes": np.array([2, 3]), "shape": np.array([-1, 3])}, ["y"])
    _, encodings = encode(built)
    assert encodings["w"] == WeightEncoding(shape=[3, 700_000], encoding="float16")
    files = write_tfjs(built, encodings)
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
    assert write_tfjs(built, encodings).keys() == {"model.json", *files}


def test_parts_of_a_weight_are_encoded_as_it_is() -> None:
    weights = {"w": np.random.default_rng(0).normal(size=(16, 8, 3, 3)).astype(np.float16).astype(np.float32)}
    built = model([helper.make_node("Conv", ["x", "w"], ["y"], group=2)], weights, ["y"], channels=16)
    document = json.loads(write_tfjs(built, encode(built)[1])["model.json"])
    entries = {entry["name"]: entry for entry in document["weightsManifest"][0]["weights"]}
    assert entries["w.part0"]["quantization"] == entries["w.part1"]["quantization"]


def test_numbers_that_the_encoding_does_not_hold_are_refused() -> None:
    built = model([conv()], {**CONV, "w": np.full((4, 3, 3, 3), 0.1, np.float32)}, ["y"])
    with pytest.raises(TwinlensError, match="float16 does not hold its numbers"):
        write_tfjs(built, {"w": WeightEncoding(shape=[4, 3, 3, 3], encoding="float16")})


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
    built = model(nodes, weights, ["y"])
    _, encodings = encode(built, "int8-channel")
    files = write_tfjs(built, encodings)
    tensors, located = stored(files), locate(files, encodings)
    axes = {"full": [3], "depthwise": [2], "multiplied": [2, 3]}
    for name, array in Walk(built).run().constants.items():
        if name in weights:
            encoding = located[name]
            assert isinstance(encoding, IntegerEncoding)
            assert encoding.axes == [0]
            (part,) = encoding.tfjs
            assert part == StoredIntegers(name=name, axes=axes[name], scales=f"{name}.scales")
            product = tensors[part.name] * tensors[part.scales]
            np.testing.assert_array_equal(product.view(np.uint32), array.view(np.uint32))


def test_packed_shards_are_named_by_what_lies_at_the_host_and_always_the_same() -> None:
    built = model([conv()], {"w": whole(4, 3, 3, 3), "b": np.zeros(4, np.float32)}, ["y"])
    _, encodings = encode(built, "int8-channel")
    files = write_tfjs(built, encodings)
    assert write_tfjs(built, encodings) == files
    (shard,) = [name for name in files if name != "model.json"]
    assert shard == f"weights.{hashlib.sha256(files[shard]).hexdigest()[:16]}.gz.bin"
    assert files[shard][4:8] == bytes(4)  # the time that gzip writes down


def test_parts_of_a_weight_are_integers_where_they_can_be() -> None:
    weight = whole(8, 4, 3, 3)
    built = model([conv()], {"w": weight[:, :3], "b": np.zeros(8, np.float32)}, ["y"])
    _, encodings = encode(built, "int8-channel")
    parts = {"w.0": weight[:4], "w.1": weight[4:], "w.average": np.full((4, 3, 3, 3), 1 / 7, np.float32) ** 2}
    nodes = [helper.make_node("Conv", ["x", name], [name[2:]]) for name in parts]
    cut = model(nodes, {name: part[:, :3] for name, part in parts.items()}, ["0", "1", "average"])
    files = write_tfjs(cut, encodings)
    encoding = locate(files, encodings)["w"]
    assert isinstance(encoding, IntegerEncoding)
    assert [part.name for part in encoding.tfjs] == ["w.0", "w.1", "w.average"]
    tensors = stored(files)
    np.testing.assert_array_equal(tensors["w.1"] * tensors["w.1.scales"], weight[4:, :3].transpose(2, 3, 1, 0))


def test_weights_that_are_no_integers_after_all_are_refused() -> None:
    weight = whole(4, 3, 3, 3)
    built = model([conv()], {**CONV, "w": weight}, ["y"])
    _, encodings = encode(built, "int8-channel")
    other = model([conv()], {**CONV, "w": weight + np.float32(1e-3) * weight**2}, ["y"])
    with pytest.raises(TwinlensError, match="integer does not hold its numbers") as caught:
        write_tfjs(other, encodings)
    assert caught.value.code == "export_mismatch"


def test_what_the_page_is_held_to_is_what_the_writer_writes() -> None:
    assert weights_golden.PATH.read_text(encoding="utf-8") == weights_golden.text(), (
        "Run: python -m tests.unit.training.weights_golden"
    )

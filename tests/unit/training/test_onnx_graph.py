from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.unit.training.networks import LABELS, NORMALIZE, SIZE, inputs, settled
from training.deploy import deploy
from training.onnx_graph import INPUT, OUTPUTS, encode, to_onnx
from training.rounding import integer_bits
from twinlens.contract import IntegerEncoding
from twinlens.golden import relative_error


@pytest.fixture(scope="module")
def exported():
    network, _ = settled("mobilenet_v3_small")
    deployed = deploy(network, SIZE, NORMALIZE)
    return deployed, to_onnx(deployed, SIZE)


def run(model, pixels: torch.Tensor) -> list[np.ndarray]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(list(OUTPUTS), {INPUT: pixels.numpy()})


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_onnx_answers_as_torch_for_any_batch(exported, batch: int) -> None:
    deployed, model = exported
    pixels = inputs(batch)
    with torch.inference_mode():
        expected = deployed(pixels)
    for found, reference in zip(run(model, pixels), expected, strict=True):
        assert relative_error(found, reference.numpy()) < 1e-5


def test_the_graph_describes_itself_and_not_the_machine_that_made_it(exported) -> None:
    _, model = exported
    (image,) = model.graph.input
    assert image.type.tensor_type.elem_type == TensorProto.UINT8
    assert [output.name for output in model.graph.output] == list(OUTPUTS)
    assert model.graph.output[0].type.tensor_type.shape.dim[1].dim_value == LABELS
    assert b".py" not in model.SerializeToString()


def test_encoding_halves_the_file_and_changes_no_number(exported) -> None:
    deployed, model = exported
    encoded, encodings = encode(model)
    assert len(encoded.SerializeToString()) < 0.55 * len(model.SerializeToString())
    for plain, small in zip(run(model, inputs()), run(encoded, inputs()), strict=True):
        np.testing.assert_array_equal(plain, small)
    # The exporter merges tensors that are equal, as untrained biases are.
    found = [
        (value.dim(), encodings[name].encoding) for name, value in deployed.named_parameters() if name in encodings
    ]
    assert set(found) == {(4, "float16"), (2, "float16"), (1, "float32")}
    assert encodings["network.features.0.0.weight"].shape == [16, 3, 3, 3]


@pytest.fixture(scope="module", params=["int8-channel", "int5-channel"])
def whole(request: pytest.FixtureRequest):
    """The kind of rounding, the module, its graph as exported, and that graph with integers stored."""
    network, _ = settled("mobilenet_v3_small")
    deployed = deploy(network, SIZE, NORMALIZE, request.param)
    model = to_onnx(deployed, SIZE)
    return request.param, deployed, model, *encode(model, request.param)


def test_integers_quarter_the_file_and_change_no_number(whole) -> None:
    weights, deployed, model, encoded, encodings = whole
    assert len(encoded.SerializeToString()) < 0.3 * len(model.SerializeToString())
    for plain, small in zip(run(model, inputs()), run(encoded, inputs()), strict=True):
        np.testing.assert_array_equal(plain.view(np.uint32), small.view(np.uint32))
    found = {
        (value.dim(), encodings[name].encoding) for name, value in deployed.named_parameters() if name in encodings
    }
    assert found == {(4, "integer"), (2, "integer"), (1, "float16")}
    # Of few bits, but for the smallest tensors.
    bits = {name: encoding.bits for name, encoding in encodings.items() if encoding.encoding == "integer"}
    assert set(bits.values()) == {8, integer_bits(weights)}
    assert bits["network.features.0.0.weight"] == 8


def test_onnx_runtime_makes_torch_s_weights_of_them_when_it_loads_the_graph(whole, tmp_path: Path) -> None:
    _, deployed, _, encoded, encodings = whole
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    # What comes after constants are folded rearranges them for the processor.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    ort.InferenceSession(encoded.SerializeToString(), options, providers=["CPUExecutionProvider"])
    optimised = onnx.load(options.optimized_model_filepath)
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in optimised.graph.initializer}
    compared = 0
    for name, parameter in deployed.named_parameters():
        if name in encodings and encodings[name].encoding == "integer":
            np.testing.assert_array_equal(held[name].view(np.uint32), parameter.numpy().view(np.uint32), err_msg=name)
            compared += 1
    assert compared > 50
    casts = [node for node in optimised.graph.node if node.op_type == "Cast"]
    assert [node.input[0] for node in casts] == [INPUT]


def test_a_transposed_matrix_has_its_channels_last() -> None:
    weight = np.arange(-6, 6, dtype=np.float32).reshape(4, 3) * np.array([1, 3, 0.5], np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])],
        [numpy_helper.from_array(np.tile(weight, (4, 1)), "w")],
    )
    _, encodings = encode(helper.make_model(graph), "int4-channel")
    assert encodings["w"] == IntegerEncoding(
        shape=[16, 3], encoding="integer", bits=4, axes=[1], scales="w.scales", tfjs=[]
    )


def test_weights_that_float16_cannot_hold_stay_float32() -> None:
    network, _ = settled("mobilenet_v3_small")
    _, encodings = encode(to_onnx(deploy(network, SIZE, NORMALIZE, "float32"), SIZE))
    assert encodings["network.features.0.0.weight"].encoding == "float32"

import numpy as np
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto

from tests.unit.training.networks import LABELS, NORMALIZE, SIZE, inputs, settled
from training.deploy import deploy
from training.onnx_graph import INPUT, OUTPUTS, encode, to_onnx
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


def test_weights_that_float16_cannot_hold_stay_float32() -> None:
    network, _ = settled("mobilenet_v3_small")
    _, encodings = encode(to_onnx(deploy(network, SIZE, NORMALIZE, "float32"), SIZE))
    assert encodings["network.features.0.0.weight"].encoding == "float32"

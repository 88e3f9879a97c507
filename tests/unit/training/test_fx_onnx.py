import numpy as np
import onnxruntime as ort
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.unit.training.networks import NORMALIZE, SIZE, inputs
from training import onnx_graph
from training.deploy import deploy
from training.networks import create
from training.onnx_graph import INPUT, OUTPUTS, to_onnx
from twinlens.golden import relative_error

# One of each family that needs no other exporter, at the smallest size that it takes well.
NETWORKS = {
    "convnext_tiny": 64,
    "densenet121": 64,
    "efficientnet_v2_s": 64,
    "googlenet": 64,
    "inception_v3": 96,
    "mnasnet0_5": 64,
    "mobilenet_v3_small": 64,
    "regnet_y_400mf": 64,
    "resnext50_32x4d": 64,
    "shufflenet_v2_x0_5": 64,
    "squeezenet1_1": 64,
    "alexnet": 64,
}


def answers(model, pixels: torch.Tensor) -> list[np.ndarray]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(list(OUTPUTS), {INPUT: pixels.numpy()})


def no_exporter(*_):
    raise AssertionError("torch's exporter is not needed for this network")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_family_is_written_from_its_graph(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "_export", no_exporter)
    torch.manual_seed(0)
    size = (NETWORKS[name],) * 2
    deployed = deploy(create(name, 5).eval(), size, NORMALIZE)
    pixels = torch.randint(0, 256, (3, *size, 3), dtype=torch.uint8)
    with torch.inference_mode():
        expected = deployed(pixels)
    for found, reference in zip(answers(to_onnx(deployed, size), pixels), expected, strict=True):
        assert relative_error(found, reference.numpy()) < 1e-5


class Odd(nn.Module):
    """A network of the less common forms of operations, with one that is given to it."""

    def __init__(self, extra: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.SiLU(), nn.MaxPool2d(2, ceil_mode=True))
        self.extra = extra
        self.linear = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.extra(torch.add(self.stem(x), 1.0))
        x = F.max_pool2d(F.avg_pool2d(x, 3, stride=2, padding=1), kernel_size=3, stride=2)
        first, second = torch.chunk(torch.transpose(x, 2, 3), 2, dim=1)
        x = torch.cat([second, torch.sigmoid(first)], dim=1)
        return self.linear(x.mean((2, 3)))


def test_the_less_common_forms_are_written_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "_export", no_exporter)
    torch.manual_seed(0)
    deployed = deploy(Odd(nn.ReLU6()).eval(), SIZE, NORMALIZE)
    with torch.inference_mode():
        expected = deployed(inputs())
    for found, reference in zip(answers(to_onnx(deployed, SIZE), inputs()), expected, strict=True):
        assert relative_error(found, reference.numpy()) < 1e-5


@pytest.mark.parametrize("extra", [nn.LogSigmoid(), nn.Conv2d(8, 8, 3, padding="same")])
def test_what_is_not_in_the_table_is_left_to_torchs_exporter(extra: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    export = onnx_graph._export
    monkeypatch.setattr(onnx_graph, "_export", lambda *given: asked.append(given) or export(*given))
    torch.manual_seed(0)
    deployed = deploy(Odd(extra).eval(), SIZE, NORMALIZE)
    with torch.inference_mode():
        expected = deployed(inputs())
    for found, reference in zip(answers(to_onnx(deployed, SIZE), inputs()), expected, strict=True):
        assert relative_error(found, reference.numpy()) < 1e-5
    assert len(asked) == 1

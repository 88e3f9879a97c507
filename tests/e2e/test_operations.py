"""Every operation of the direct writer, in tiny graphs, gives ONNX Runtime's answer on every TensorFlow.js backend."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
import pytest
from onnx import helper
from playwright.sync_api import Browser

from browser.chromium import chromium
from browser.tfjs import BACKENDS, Backend, GraphPage, graph_page
from tests.unit.training.onnx_models import SIZE, model
from training.tfjs.files import write_tfjs
from training.tfjs.operations import OPERATIONS
from twinlens.golden import relative_error

CHANNELS = 16
RANDOM = np.random.default_rng(3)
PIXELS = RANDOM.integers(0, 256, (2, SIZE, SIZE, CHANNELS)).astype(np.uint8)


class Node(NamedTuple):
    """One ONNX node; what it takes that is not an array is an earlier node's result, or ``x``."""

    op: str
    inputs: list[Any]
    outputs: list[str]
    attributes: dict[str, Any]


def do(op: str, inputs: list[Any], output: str | list[str] = "y", **attributes: Any) -> Node:
    return Node(op, inputs, [output] if isinstance(output, str) else output, attributes)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def number(value: float) -> np.ndarray:
    return np.array(value, np.float32)


def conv(source: str, output: str, shape: tuple[int, int, int, int], **attributes: Any) -> Node:
    return do("Conv", [source, normal(*shape), normal(shape[0])], output, **attributes)


def pool(op: str, kernel: int = 3, source: str = "x", **attributes: Any) -> Node:
    return do(op, [source], kernel_shape=[kernel, kernel], **attributes)


SAME = {"pads": [1, 1, 1, 1]}
WIDE = {"pads": [3, 3, 3, 3]}
FIRST, LAST = [0, 3, 1, 2], [0, 2, 3, 1]
# GELU is fitted rather than exact; the others differ in rounding alone, which attention's large exponents multiply.
TOLERANCES = {"gelu": 5e-6, "attention": 2e-5}
CASES: dict[str, list[Node]] = {
    "convolution": [conv("x", "y", (6, 16, 3, 3), pads=[1, 1, 1, 1], strides=[2, 2])],
    "convolution, uneven padding": [conv("x", "y", (6, 16, 3, 2), pads=[0, 1, 2, 0])],
    "convolution, dilated": [conv("x", "y", (6, 16, 3, 3), pads=[2, 2, 2, 2], dilations=[2, 2])],
    "convolution without bias, then relu6": [
        do("Conv", ["x", normal(6, 16, 1, 1)], "c"),
        do("Clip", ["c", number(0), number(6)]),
    ],
    "groups of the input": [conv("x", "y", (8, 8, 3, 3), group=2, **SAME)],
    "groups of a convolution": [
        conv("x", "c", (16, 16, 1, 1)),
        do("Relu", ["c"], "r"),
        conv("r", "g", (32, 8, 3, 3), group=2, pads=[1, 1, 1, 1], strides=[2, 2]),
        do("Relu", ["g"], "s"),
        conv("s", "y", (4, 32, 1, 1)),
    ],
    "narrow groups": [conv("x", "c", (16, 16, 1, 1)), conv("c", "y", (16, 2, 3, 3), group=8, **SAME)],
    "groups read twice": [
        conv("x", "c", (16, 16, 1, 1)),
        conv("c", "g", (32, 8, 3, 3), group=2, **SAME),
        do("ReduceMean", ["g", whole(2, 3)], "m", keepdims=1),
        do("Mul", ["g", "m"]),
    ],
    "depthwise": [conv("x", "y", (16, 1, 3, 3), group=16, pads=[1, 1, 1, 1], strides=[2, 2])],
    "depthwise, two each": [conv("x", "y", (32, 1, 3, 3), group=16, **SAME)],
    "depthwise 7 x 7": [conv("x", "y", (16, 1, 7, 7), group=16, **WIDE)],
    "depthwise 7 x 7, then relu": [conv("x", "c", (16, 1, 7, 7), group=16, **WIDE), do("Relu", ["c"])],
    "depthwise 7 x 7, strided": [conv("x", "y", (16, 1, 7, 7), group=16, strides=[2, 2], **WIDE)],
    "depthwise 7 x 7, not padded": [conv("x", "y", (16, 1, 7, 7), group=16)],
    "depthwise 9 x 9": [conv("x", "y", (16, 1, 9, 9), group=16, pads=[4, 4, 4, 4])],
    "batch norm, then relu": [
        do("BatchNormalization", ["x", normal(16), normal(16), normal(16), abs(normal(16)) + 0.1], "n", epsilon=1e-3),
        do("Relu", ["n"]),
    ],
    "maximum": [pool("MaxPool", 2, strides=[2, 2])],
    "maximum, as it is padded by itself": [pool("MaxPool", strides=[1, 1], **SAME)],
    "maximum, padded": [pool("MaxPool", strides=[2, 2], **SAME)],
    "maximum after relu, padded": [do("Relu", ["x"], "r"), pool("MaxPool", source="r", strides=[2, 2], **SAME)],
    "maximum, over the edge": [pool("MaxPool", strides=[2, 2], ceil_mode=1)],
    "maximum, padded and over the edge": [pool("MaxPool", 2, strides=[2, 2], ceil_mode=1, pads=[1, 1, 0, 0])],
    "average": [pool("AveragePool", 2, strides=[2, 2])],
    "average, padding counts": [pool("AveragePool", strides=[1, 1], count_include_pad=1, **SAME)],
    "average, padding does not count": [pool("AveragePool", strides=[1, 1], **SAME)],
    "average, padding does not count, strided": [pool("AveragePool", strides=[2, 2], **SAME)],
    "average, over the edge": [pool("AveragePool", strides=[2, 2], ceil_mode=1)],
    "average, padding counts, over the edge": [
        pool("AveragePool", 2, strides=[2, 2], ceil_mode=1, count_include_pad=1, pads=[1, 1, 0, 0])
    ],
    "mean": [do("ReduceMean", ["x", whole(2, 3)], keepdims=0)],
    "mean, kept": [do("GlobalAveragePool", ["x"])],
    "gate": [
        do("ReduceMean", ["x", whole(-1, -2)], "m", keepdims=1),
        conv("m", "c", (16, 16, 1, 1)),
        do("Sigmoid", ["c"], "s"),
        do("Mul", ["s", "x"]),
    ],
    "silu": [do("Sigmoid", ["x"], "s"), do("Mul", ["x", "s"])],
    "gelu": [do("Mul", ["x", number(4)], "m"), do("Gelu", ["m"])],
    "tanh": [do("Tanh", ["x"])],
    "scale and offset of each channel, then relu": [
        do("Mul", [normal(16, 1, 1), "x"], "m"),
        do("Add", ["m", normal(1, 16, 1, 1)], "a"),
        do("Relu", ["a"]),
    ],
    "scale and offset of pixels": [
        do("Transpose", ["x"], "t", perm=LAST),
        do("Mul", ["t", normal(16)], "m"),
        do("Add", [normal(16), "m"], "a"),
        do("Transpose", ["a"], perm=FIRST),
    ],
    "constants": [
        do("Add", ["x", normal(16, 1, 1)], "a"),
        do("Sub", [normal(1, 16, 8, 8), "a"], "b"),
        do("Div", ["b", number(3)]),
    ],
    "constants of a constant": [
        do("Transpose", [normal(1, 1, 16)], "t", perm=[2, 0, 1]),
        do("Mul", ["t", "x"]),
    ],
    "layer norm": [
        do("Transpose", ["x"], "t", perm=LAST),
        do("LayerNormalization", ["t", normal(16), normal(16)], "n", epsilon=1e-3),
        do("Transpose", ["n"], perm=FIRST),
    ],
    "layer norm over an axis that lies outside": [do("LayerNormalization", ["x", normal(8), normal(8)])],
    "softmax": [do("Softmax", ["x"], axis=-1)],
    "linear layer on a flattened image": [
        do("Flatten", ["x"], "f", axis=1),
        do("Gemm", ["f", normal(5, 1024), normal(5)], transB=1),
    ],
    "linear layer of a mean, then relu": [
        do("ReduceMean", ["x", whole(2, 3)], "m", keepdims=0),
        do("Gemm", ["m", normal(16, 5)], "g"),
        do("Relu", ["g"]),
    ],
    "linear layer on pixels": [
        do("Transpose", ["x"], "t", perm=LAST),
        do("MatMul", ["t", normal(16, 5)], "m"),
        do("Add", ["m", normal(5)], "a"),
        do("Transpose", ["a"], perm=FIRST),
    ],
    "linear layer on rows": [
        do("Transpose", ["x"], "t", perm=LAST),
        do("Reshape", ["t", whole(-1, 16)], "rows"),
        do("Gemm", ["rows", normal(6, 16), normal(6)], "g", transB=1),
        do("Reshape", ["g", whole(-1, 8, 8, 6)]),
    ],
    "join": [conv("x", "c", (6, 16, 1, 1)), do("Concat", ["x", "c"], axis=1)],
    "join ever more": [
        conv("x", "c", (6, 16, 1, 1)),
        do("Concat", ["x", "c"], "one", axis=1),
        conv("one", "d", (6, 22, 1, 1)),
        do("Concat", ["x", "c", "d"], axis=1),
    ],
    "channel shuffle and halves": [
        conv("x", "c", (16, 16, 1, 1)),
        do("Concat", ["x", "c"], "j", axis=1),
        do("Reshape", ["j", whole(-1, 2, 16, 8, 8)], "r"),
        do("Transpose", ["r"], "t", perm=[0, 2, 1, 3, 4]),
        do("Reshape", ["t", whole(-1, 32, 8, 8)], "s"),
        do("Split", ["s"], ["one", "other"], axis=1, num_outputs=2),
        conv("other", "d", (4, 16, 1, 1)),
        do("Concat", ["one", "d"], axis=1),
    ],
    "uneven parts": [
        do("Split", ["x", whole(5, 11)], ["one", "other"], axis=1),
        do("Concat", ["other", "one"], axis=1),
    ],
    "box": [do("Slice", ["x", whole(1, -6), whole(2**40, -2), whole(2, 3)])],
    "every second": [do("Slice", ["x", whole(1), whole(2**40), whole(3), whole(2)])],
    "one index": [do("Gather", ["x", np.array(-2)], "g", axis=1), do("Unsqueeze", ["g", whole(1)])],
    "one index, axis from the end": [do("Gather", ["x", np.array(3)], "g", axis=-3), do("Unsqueeze", ["g", whole(1)])],
    "border": [do("Pad", ["x", whole(0, 1, 2, 0, 0, 0, 1, 3), number(7)])],
    "no border": [
        do("Pad", ["x", whole(*[0] * 8)], "p"),
        do("Unsqueeze", ["p", whole(2)], "u"),
        do("Identity", ["u"], "i"),
        do("Squeeze", ["i", whole(2)]),
    ],
    "a reshape that moves": [do("Reshape", ["x", whole(-1, 8, 16, 8)])],
    "a reshape that cuts an axis unevenly": [
        do("Reshape", ["x", whole(-1, 16, 64)], "r"),
        do("Transpose", ["r"], "t", perm=[0, 2, 1]),
        do("Reshape", ["t", whole(-1, 32, 4, 8)]),
    ],
    "attention": [
        do("Reshape", ["x", whole(-1, 16, 64)], "r"),
        do("Transpose", ["r"], "tokens", perm=[0, 2, 1]),
        do("MatMul", ["tokens", normal(16, 24)], "qkv"),
        do("Reshape", ["qkv", whole(-1, 64, 3, 2, 4)], "split"),
        do("Transpose", ["split"], "heads", perm=[2, 0, 3, 1, 4]),
        do("Gather", ["heads", np.array(0)], "q", axis=0),
        do("Gather", ["heads", np.array(1)], "k", axis=0),
        do("Gather", ["heads", np.array(2)], "v", axis=0),
        do("Transpose", ["k"], "kt", perm=[0, 1, 3, 2]),
        do("MatMul", ["q", "kt"], "scores"),
        do("Softmax", ["scores"], "share", axis=-1),
        do("MatMul", ["share", "v"], "found"),
        do("Transpose", ["found"], "back", perm=[0, 2, 1, 3]),
        do("Reshape", ["back", whole(-1, 64, 8)]),
    ],
    "windows": [
        do("Transpose", ["x"], "t", perm=LAST),
        do("Reshape", ["t", whole(-1, 2, 4, 2, 4, 16)], "r"),
        do("Transpose", ["r"], "w", perm=[0, 1, 3, 2, 4, 5]),
        do("Reshape", ["w", whole(-1, 16, 16)], "windows"),
        do("Softmax", ["windows"], "s", axis=-1),
        do("Reshape", ["s", whole(-1, 2, 2, 4, 4, 16)], "u"),
        do("Transpose", ["u"], "v", perm=[0, 1, 3, 2, 4, 5]),
        do("Reshape", ["v", whole(-1, 8, 8, 16)]),
    ],
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(webgl=True) as started:
        yield started


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """A folder with a graph model for each case, and ONNX Runtime's answers."""
    folder = tmp_path_factory.mktemp("operations")
    answers = {}
    for number, (name, nodes) in enumerate(CASES.items()):
        weights: dict[str, np.ndarray] = {}
        made = []
        for node in nodes:
            inputs = []
            for value in node.inputs:
                if isinstance(value, str):
                    inputs.append(value)
                else:
                    inputs.append(f"weight{len(weights)}")
                    weights[inputs[-1]] = value
            made.append(helper.make_node(node.op, inputs, node.outputs, **node.attributes))
        built = model(made, weights, ["y"], CHANNELS, scaled=True)
        session = ort.InferenceSession(built.SerializeToString(), providers=["CPUExecutionProvider"])
        (answer,) = session.run(["y"], {"image": PIXELS})
        answers[name] = answer.transpose(0, 2, 3, 1) if answer.ndim == 4 else answer
        (folder / str(number)).mkdir()
        for path, data in write_tfjs(built, {}).items():
            (folder / str(number) / path).write_bytes(data)
    return folder, answers


@pytest.fixture(scope="module", params=BACKENDS)
def page(request: pytest.FixtureRequest, browser: Browser, expected: Any) -> Iterator[tuple[GraphPage, Backend]]:
    with graph_page(browser, expected[0]) as opened:
        yield opened, request.param


@pytest.mark.parametrize("name", CASES)
def test_an_operation_answers_as_onnx_runtime_does(page: tuple[GraphPage, Backend], expected: Any, name: str) -> None:
    opened, backend = page
    found = opened.run(str(list(CASES).index(name)), PIXELS, backend)["y"]
    assert found.shape == expected[1][name].shape
    assert relative_error(found, expected[1][name]) < TOLERANCES.get(name, 2e-6)


def test_every_operation_is_tried() -> None:
    tried = {node.op for nodes in CASES.values() for node in nodes} | {"Cast", "Transpose", "Mul", "Add"}
    assert set(OPERATIONS) == tried

"""The shipped network as ONNX files that ONNX Runtime's own users would make of it, to find the smallest.

All of them take ``pixel_values``, float32 of shape (N, 3, height, width), normalised as the contract says, and give
``logits``: that is what both peers' documentation starts from.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnx.utils
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from training.progress import say
from twinlens.contract import Contract
from twinlens.store import ModelVersion

INPUT: Final = "pixel_values"
LOGITS: Final = "logits"
_INT4_OPSET: Final = 21
_INT4_LARGEST: Final = 7
_BATCH: Final = 16


class Files:
    """Candidates for the weights of ONNX Runtime's page and of Transformers.js'.

    :param version: the model whose ``model.onnx`` they are made of. ``float32`` is the network with float32 weights.
    """

    def __init__(self, version: ModelVersion) -> None:
        self._exported = exported(version)
        self.float32 = float32(self._exported)

    def candidates(self, calibration: NDArray[np.float32] | None, only: str | None = None) -> dict[str, bytes]:
        """The files by name.

        :param calibration: images of shape (N, 3, height, width) for the form that needs some; without them it is not
            there.
        :param only: the one that is wanted; None for all.
        """
        makers: dict[str, Callable[[], onnx.ModelProto]] = {
            "float32": lambda: self.float32,
            "float16": lambda: float16(self.float32),
            "dynamic int8": lambda: dynamic_int8(self.float32),
            "int8 as exported": lambda: self._exported,
            "int4 and int8 as exported": lambda: int4(self._exported),
        }
        if calibration is not None:
            images = calibration
            makers["static int8"] = lambda: static_int8(self.float32, images)
        found = {}
        for name, make in makers.items():
            if only in (None, name):
                say(f"Weights for ONNX Runtime: {name}")
                found[name] = make().SerializeToString()
        return found

    def answers(self, data: bytes, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """The index of the best label of each image, by ONNX Runtime.

        :param data: an ONNX file.
        :param images: of shape (N, 3, height, width).
        """
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        logits = [session.run([LOGITS], {INPUT: images[at : at + _BATCH]})[0] for at in range(0, len(images), _BATCH)]
        return np.asarray(np.concatenate(logits).argmax(axis=1), np.int64)


def exported(version: ModelVersion) -> onnx.ModelProto:
    """The exported graph from its first convolution to its logits, weights in the integers that were exported."""
    contract = version.contract
    logits = contract.graphs.onnx.logits.name
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(version.read(contract.graphs.onnx.path)))
    planes = next(node.input[0] for node in model.graph.node if node.op_type == "Conv")
    cut = onnx.utils.Extractor(model).extract_model([planes], [logits])
    names = {planes: INPUT, logits: LOGITS}
    for node in cut.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    shape: list[str | int | None] = ["batch", 3, contract.crop.height, contract.crop.width]
    cut.graph.input[0].CopyFrom(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape))
    shape = ["batch", len(contract.labels)]
    cut.graph.output[0].CopyFrom(helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, shape))
    del cut.graph.value_info[:]
    return _checked(cut)


def float32(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with every weight as the float32 that it stands for."""
    known = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    kept: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.op_type not in ("Cast", "Mul") or not all(name in known for name in node.input):
            kept.append(node)
        elif node.op_type == "Cast":
            known[node.output[0]] = known[node.input[0]].astype(np.float32)
        else:
            known[node.output[0]] = known[node.input[0]] * known[node.input[1]]
    tensors = {name: numpy_helper.from_array(array, name) for name, array in known.items()}
    return _checked(_with(model, kept, tensors))


def int4(model: onnx.ModelProto) -> onnx.ModelProto:
    """The exported graph with those integers in four bits, two a byte, that fit.

    ONNX Runtime's WebAssembly has a DequantizeLinear of four bits, and no Cast.
    """
    tensors = _tensors(model)
    arrays = {name: numpy_helper.to_array(each) for name, each in tensors.items()}
    small = {
        name
        for name, values in arrays.items()
        if values.dtype == np.int8 and np.abs(values).max(initial=0) <= _INT4_LARGEST
    }
    nodes: list[onnx.NodeProto] = []
    whole: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in small:
            whole[node.output[0]] = node.input[0]
        elif node.op_type == "Mul" and node.input[0] in whole:
            integers, scales = whole[node.input[0]], node.input[1]
            values, factors = arrays[integers], arrays[scales]
            # One scale for each output channel, along the only axis of the scales that is longer than 1.
            axis = int(np.argmax(factors.shape))
            tensors[integers] = helper.make_tensor(integers, TensorProto.INT4, values.shape, values.flatten())
            tensors[scales] = numpy_helper.from_array(factors.flatten(), scales)
            nodes.append(helper.make_node("DequantizeLinear", [integers, scales], list(node.output), axis=axis))
        else:
            nodes.append(node)
    made = _with(model, nodes, tensors)
    made.opset_import[0].version = _INT4_OPSET
    return _checked(made)


def float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The float32 network computed in half precision, by ONNX Runtime's own converter; inputs stay float32."""
    copy = _with(model, model.graph.node, _tensors(model))  # the converter may change what it is given
    made: onnx.ModelProto = convert_float_to_float16(copy, keep_io_types=True)
    return made


def dynamic_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """The float32 network by ONNX Runtime's ``quantize_dynamic``, a scale for each channel."""
    with tempfile.TemporaryDirectory() as name:
        prepared, made = _prepared(model, Path(name)), Path(name, "made.onnx")
        quantize_dynamic(prepared, made, per_channel=True, weight_type=QuantType.QUInt8)
        return onnx.load(made)


def static_int8(model: onnx.ModelProto, images: NDArray[np.float32]) -> onnx.ModelProto:
    """The float32 network by ONNX Runtime's ``quantize_static`` in QDQ form, a scale for each channel.

    :param images: what it is calibrated on, of shape (N, 3, height, width).
    """
    with tempfile.TemporaryDirectory() as name:
        prepared, made = _prepared(model, Path(name)), Path(name, "made.onnx")
        quantize_static(prepared, made, _Reader(images), per_channel=True, weight_type=QuantType.QInt8)
        return onnx.load(made)


def images_of(pixels: NDArray[np.uint8], contract: Contract) -> NDArray[np.float32]:
    """What the network is given.

    :param pixels: of shape (N, height, width, 3).
    :return: of shape (N, 3, height, width).
    """
    rules = contract.normalize
    scaled = pixels.astype(np.float32) * np.float32(rules.scale)
    normal = (scaled - np.asarray(rules.mean, np.float32)) / np.asarray(rules.std, np.float32)
    return np.ascontiguousarray(normal.transpose(0, 3, 1, 2))


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, images: NDArray[np.float32]) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        image = next(self._images, None)
        return None if image is None else {INPUT: image[np.newaxis]}


def _prepared(model: onnx.ModelProto, folder: Path) -> Path:
    """What ONNX Runtime's documentation does before either way of quantising."""
    onnx.save(model, folder / "model.onnx")
    quant_pre_process(folder / "model.onnx", folder / "prepared.onnx", skip_symbolic_shape=True)
    return folder / "prepared.onnx"


def _tensors(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    return {each.name: each for each in model.graph.initializer}


def _with(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], tensors: dict[str, onnx.TensorProto]
) -> onnx.ModelProto:
    used = {name for node in nodes for name in node.input}
    found = onnx.ModelProto()
    found.CopyFrom(model)
    del found.graph.node[:], found.graph.initializer[:]
    found.graph.node.extend(nodes)
    found.graph.initializer.extend(tensor for name, tensor in tensors.items() if name in used)
    return found


def _checked(model: onnx.ModelProto) -> onnx.ModelProto:
    onnx.checker.check_model(model)
    return model

"""From the deployed module to ONNX, with weights stored as they were rounded."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.deploy import Deployed
from training.fx_onnx import UnknownOperationError, Writer
from training.halves import exact_float16
from training.integers import FULL_BITS, Integers, integers
from training.rounding import integer_bits
from twinlens.contract import Encoding, IntegerEncoding, WeightEncoding
from twinlens.errors import TwinlensError

INPUT = "image"
OUTPUTS = ("logits", "embedding", "features")
_OPSET = 20
_IR_VERSION = 10


def to_onnx(deployed: Deployed, size: tuple[int, int]) -> onnx.ModelProto:
    """Write the deployed module with float32 initializers and a dynamic batch.

    :param deployed: what :func:`training.deploy.deploy` made for this size.
    :param size: height and width of the input in pixels.
    :return: a checked model: input ``image`` uint8 (N, height, width, 3); outputs ``logits`` (N, L), ``embedding``
        (N, E) and ``features`` (N, C, h, w), float32.
    :raises TwinlensError: ``unsupported_operation`` if torch cannot express the network in ONNX.
    """
    try:
        return _tidy(_write(deployed, size))
    except UnknownOperationError:
        return _tidy(_export(deployed, size))


def _write(deployed: Deployed, size: tuple[int, int]) -> onnx.ModelProto:
    """Write the traced graph as it is."""
    writer = Writer()
    scale, offset = (writer.weight(name, getattr(deployed, name)) for name in ("scale", "offset"))
    start = [
        helper.make_node("Cast", [INPUT], ["image.pixels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["image.pixels", scale], ["image.scaled"]),
        helper.make_node("Add", ["image.scaled", offset], ["image.normalized"]),
        helper.make_node("Transpose", ["image.normalized"], ["image.planes"], perm=[0, 3, 1, 2]),
    ]
    results = writer.network(deployed.network, "image.planes", "network.")
    end = [helper.make_node("Identity", [result], [name]) for result, name in zip(results, OUTPUTS, strict=True)]
    graph = helper.make_graph(
        [*start, *writer.nodes, *end],
        "twinlens",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["batch", *size, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in OUTPUTS],
        list(writer.initializers.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    return onnx.shape_inference.infer_shapes(model)


def _export(deployed: Deployed, size: tuple[int, int]) -> onnx.ModelProto:
    """Let torch's own exporter trace the module once more."""
    sample = torch.zeros(2, *size, 3, dtype=torch.uint8)
    # The exporter talks to standard output and warns of its own internals, which says nothing to who exports a model.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                deployed,
                (sample,),
                dynamo=True,
                opset_version=_OPSET,
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
                verbose=False,
            )
        except Exception as error:
            raise TwinlensError(
                "unsupported_operation", f"torch cannot export this network to ONNX: {str(error).splitlines()[0]}"
            ) from error
    if program is None:
        raise TwinlensError("unsupported_operation", "torch exported nothing for this network.")
    exported: onnx.ModelProto = program.model_proto
    return exported


def _tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop what describes the machine that exported: stack traces with its paths, and shapes of inner tensors."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in [*model.graph.input, *model.graph.output]:
        value.ClearField("metadata_props")
    for initializer in model.graph.initializer:
        initializer.ClearField("metadata_props")
    del model.graph.value_info[:]
    del model.metadata_props[:]
    model.graph.ClearField("metadata_props")
    model.graph.doc_string = ""
    model.graph.name = "twinlens"
    onnx.checker.check_model(model, full_check=True)
    return model


def encode(model: onnx.ModelProto, weights: str = "float16") -> tuple[onnx.ModelProto, dict[str, Encoding]]:
    """Store every weight in the smallest encoding that holds its numbers exactly.

    What is stored smaller comes with the nodes that give its float32 numbers: a Cast from float16, or a Cast from int8
    and a product with the scales. ONNX Runtime computes them once, when it loads the graph: it then runs on the same
    float32 numbers as TensorFlow.js, as fast as if they were stored.

    :param model: a model with float32 initializers.
    :param weights: what they were rounded to, one of :data:`training.rounding.WEIGHTS`. Integers are looked for,
        and tensors of one dimension in float16, only where it names integers.
    :return: the model to write, and the encoding of each tensor of weights by its name. Where TensorFlow.js keeps
        integers, :func:`training.tfjs.files.locate` adds.
    """
    encoded = onnx.ModelProto()
    encoded.CopyFrom(model)
    bits = integer_bits(weights)
    encodings: dict[str, Encoding] = {}
    initializers, expansions = [], []
    for initializer in encoded.graph.initializer:
        name, values = initializer.name, numpy_helper.to_array(initializer)
        if values.dtype != np.float32 or values.ndim == 0:
            initializers.append(initializer)
            continue
        whole = _whole(values) if bits and values.ndim >= 2 else None
        half = exact_float16(values) if values.ndim >= 2 or bits is not None else None
        if whole is not None and (half is None or whole.nbytes < half.nbytes):
            encodings[name] = IntegerEncoding(
                shape=list(values.shape),
                encoding="integer",
                bits=bits if bits and whole.bits <= bits else FULL_BITS,
                axes=whole.axes,
                scales=f"{name}.scales",
                tfjs=[],
            )
            initializers += [
                numpy_helper.from_array(whole.values, f"{name}.integers"),
                numpy_helper.from_array(whole.scales, f"{name}.scales"),
            ]
            expansions += [
                helper.make_node("Cast", [f"{name}.integers"], [f"{name}.whole"], to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{name}.whole", f"{name}.scales"], [name]),
            ]
            continue
        encodings[name] = WeightEncoding(shape=list(values.shape), encoding="float32" if half is None else "float16")
        if half is not None:
            initializers.append(numpy_helper.from_array(half, f"{name}.float16"))
            expansions.append(helper.make_node("Cast", [f"{name}.float16"], [name], to=TensorProto.FLOAT))
        else:
            initializers.append(initializer)
    nodes = list(encoded.graph.node)
    del encoded.graph.initializer[:], encoded.graph.node[:]
    encoded.graph.initializer.extend(initializers)
    encoded.graph.node.extend([*expansions, *nodes])
    onnx.checker.check_model(encoded)
    return encoded, encodings


def _whole(values: NDArray[np.float32]) -> Integers | None:
    """A tensor as integers: its output channels lie first, or last where the exporter has transposed it."""
    found = [integers(values, (axis,)) for axis in (0, values.ndim - 1)]
    return min((each for each in found if each is not None), key=lambda each: each.nbytes, default=None)

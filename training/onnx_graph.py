"""From the deployed module to ONNX: torch's own exporter, tidied, with weights stored as they were rounded."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from training.deploy import Deployed
from twinlens.contract import WeightEncoding
from twinlens.errors import TwinlensError

INPUT = "image"
OUTPUTS = ("logits", "embedding", "features")
_OPSET = 20


def to_onnx(deployed: Deployed, size: tuple[int, int]) -> onnx.ModelProto:
    """Export the deployed module with float32 initializers and a dynamic batch.

    :param deployed: what :func:`training.deploy.deploy` made.
    :param size: height and width of the input in pixels.
    :return: a checked model: input ``image`` uint8 (N, height, width, 3); outputs ``logits`` (N, L), ``embedding``
        (N, E) and ``features`` (N, C, h, w), float32.
    :raises TwinlensError: ``unsupported_operation`` if torch cannot express the network in ONNX.
    """
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
    return _tidy(program.model_proto)


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


def encode(model: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, WeightEncoding]]:
    """Store every weight in the smallest encoding that holds its numbers exactly.

    A float16 weight is an initializer of half the size and a Cast, which ONNX Runtime computes once, when it loads the
    graph: it then runs on the same float32 numbers as TensorFlow.js.

    :param model: a model with float32 initializers.
    :return: the model to write, and the encoding of each tensor of weights by its name.
    """
    encoded = onnx.ModelProto()
    encoded.CopyFrom(model)
    encodings: dict[str, WeightEncoding] = {}
    initializers, casts = [], []
    for initializer in encoded.graph.initializer:
        values = numpy_helper.to_array(initializer)
        if values.dtype != np.float32 or values.ndim == 0:
            initializers.append(initializer)
            continue
        half = values.astype(np.float16)
        exact = values.ndim >= 2 and bool(np.array_equal(half.astype(np.float32), values))
        encodings[initializer.name] = WeightEncoding(
            shape=list(values.shape), encoding="float16" if exact else "float32"
        )
        if exact:
            stored = f"{initializer.name}.float16"
            initializers.append(numpy_helper.from_array(half, stored))
            casts.append(helper.make_node("Cast", [stored], [initializer.name], to=TensorProto.FLOAT))
        else:
            initializers.append(initializer)
    nodes = list(encoded.graph.node)
    del encoded.graph.initializer[:], encoded.graph.node[:]
    encoded.graph.initializer.extend(initializers)
    encoded.graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(encoded)
    return encoded, encodings

"""The shape of every tensor of an ONNX graph, in which the dimensions that grow with the batch are told from others."""

from __future__ import annotations

import math

import onnx
from onnx import helper, shape_inference

from training.tfjs.layout import Batched, Shape
from twinlens.errors import TwinlensError

# Larger constants hold weights, whose values no shape depends on.
_VALUES_MATTER = 64


def infer(model: onnx.ModelProto) -> dict[str, Shape]:
    """Infer shapes for a batch of one image and of two, and compare.

    :param model: a model of one input whose first dimension is the batch.
    :return: the shape of every tensor but the constants, by its name; without those that ONNX cannot tell.
    :raises TwinlensError: ``unsupported_operation`` if the shapes contradict each other, or do not simply grow.
    """
    one, two = _for_batch(model, 1), _for_batch(model, 2)
    shapes: dict[str, Shape] = {}
    for name, sizes in one.items():
        if name not in two:
            continue
        pairs = list(zip(sizes, two[name], strict=False))
        if len(sizes) != len(two[name]) or any(large not in (small, 2 * small) for small, large in pairs):
            raise TwinlensError("unsupported_operation", f"The shape of {name!r} does not simply grow with the batch.")
        shapes[name] = tuple(Batched(small) if small != large else small for small, large in pairs)
    return shapes


def _for_batch(model: onnx.ModelProto, size: int) -> dict[str, tuple[int, ...]]:
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    light.graph.name = model.graph.name
    light.graph.node.extend(model.graph.node)
    for image in model.graph.input:
        dims = [dim.dim_value for dim in image.type.tensor_type.shape.dim]
        light.graph.input.append(
            helper.make_tensor_value_info(image.name, image.type.tensor_type.elem_type, [size, *dims[1:]])
        )
    for initializer in model.graph.initializer:
        whole = helper.tensor_dtype_to_np_dtype(initializer.data_type).kind == "i"
        if whole and math.prod(initializer.dims) <= _VALUES_MATTER:
            light.graph.initializer.append(initializer)
        else:
            light.graph.input.append(
                helper.make_tensor_value_info(initializer.name, initializer.data_type, list(initializer.dims))
            )
    for output in model.graph.output:
        light.graph.output.append(helper.make_tensor_value_info(output.name, output.type.tensor_type.elem_type, None))
    try:
        inferred = shape_inference.infer_shapes(light, strict_mode=True, data_prop=True)
    except shape_inference.InferenceError as error:
        raise TwinlensError("unsupported_operation", f"ONNX cannot tell the shapes of this graph: {error}") from error
    known = [*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output]
    shapes = {info.name: info.type.tensor_type.shape.dim for info in known if info.type.tensor_type.HasField("shape")}
    # A size that depends on the numbers has no value, which reads as 0.
    told = {name: dims for name, dims in shapes.items() if all(dim.HasField("dim_value") for dim in dims)}
    return {name: tuple(dim.dim_value for dim in dims) for name, dims in told.items()}

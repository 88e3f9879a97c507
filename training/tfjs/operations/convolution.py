"""Convolutions, with groups and without, and what is best written as one.

Measured on TensorFlow.js 4.22's wasm backend, whose convolutions are XNNPACK's:

- It has no groups, and cutting a tensor along its channels costs more than the convolution: every cut copies the whole
  tensor out of the heap, then goes through JavaScript pixel by pixel. So a convolution that a grouped one alone reads
  is written in as many parts as there are groups, no cut is needed, and the results are joined by one transpose.
- A depthwise kernel has a fast way for exactly 3, 4, 9 or 25 taps, and else one that is about ten times slower.
- A depthwise convolution of one tap is the fastest ``x * scale + offset``, with a ReLU thrown in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from training.tfjs.graph import Attributes, integers
from training.tfjs.layout import Layout
from training.tfjs.operations.table import CHANNELS_LAST, NHWC, fused, operation, padding

if TYPE_CHECKING:
    from training.tfjs.convert import Walk

# XNNPACK computes this many output channels at once; a narrower group would leave lanes idle.
_LANES: Final = 8
# The largest depthwise kernel that has a fast way, height and width.
_LARGEST_FAST: Final = 5


@dataclass(frozen=True)
class _Convolution:
    """An ONNX node as it was read."""

    node: onnx.NodeProto
    weight: NDArray[Any]  # (out, in / groups, height, width)
    bias: NDArray[Any]
    groups: int
    pads: list[int]
    strides: list[int]
    dilations: list[int]

    @property
    def weight_name(self) -> str:
        return str(self.node.input[1])

    @property
    def bias_name(self) -> str:
        return str(self.node.input[2]) if len(self.node.input) > 2 else f"{self.weight_name}.no_bias"

    def attributes(
        self, activation: str | None, pads: list[int] | None = None, spread: tuple[int, int] = (1, 1)
    ) -> Attributes:
        """What the TensorFlow.js node needs; ``spread`` multiplies the dilations."""
        dilations = [self.dilations[0] * spread[0], self.dilations[1] * spread[1]]
        return {
            "strides": integers([1, *self.strides, 1]),
            "dilations": integers([1, *dilations, 1]),
            **padding(self.pads if pads is None else pads),
            **NHWC,
            **fused(activation),
        }


@operation("Conv")
def _convolution(walk: Walk, node: onnx.NodeProto) -> None:
    walk.activation(node)
    conv = _read(walk, node)
    if conv.groups == 1:
        _ungrouped(walk, conv)
    elif conv.groups == walk.shape(node.input[0])[1] and conv.weight.shape[1] == 1:
        _depthwise(walk, conv)
    else:
        _grouped(walk, conv)


def _read(walk: Walk, node: onnx.NodeProto) -> _Convolution:
    weight = walk.array(node, 1)
    at = walk.attributes(
        node, auto_pad=b"NOTSET", dilations=[1, 1], group=1, kernel_shape=None, pads=[0, 0, 0, 0], strides=[1, 1]
    )
    if weight.ndim != 4 or at["auto_pad"] != b"NOTSET":
        walk.refuse(node, "only two-dimensional convolutions with explicit padding are known")
    if max(at["strides"]) > 1 and max(at["dilations"]) > 1:
        walk.refuse(node, "TensorFlow.js has no convolution with both strides and dilations")
    bias = walk.optional(node, 2)
    bias = np.zeros(weight.shape[0], np.float32) if bias is None else bias
    return _Convolution(node, weight, bias, at["group"], at["pads"], at["strides"], at["dilations"])


def _ungrouped(walk: Walk, conv: _Convolution) -> None:
    source = walk.arranged(conv.node.input[0], CHANNELS_LAST)
    end, activation = walk.fuse_activation(conv.node)
    kernel = conv.weight.transpose(2, 3, 1, 0)
    count = _parts_wanted(walk, end.output[0])
    width = kernel.shape[3] // count
    batch, _, height, breadth = walk.shape(end.output[0])
    nodes = []
    for index in range(count):
        part = slice(index * width, (index + 1) * width)
        mark = f".part{index}" if count > 1 else ""
        inputs = [
            source,
            walk.constant(conv.weight_name, kernel[..., part], mark),
            walk.constant(conv.bias_name, conv.bias[part], mark),
        ]
        shape = [batch, height, breadth, width]
        nodes.append(walk.add("_FusedConv2D", f"{end.output[0]}{mark}", inputs, shape, **conv.attributes(activation)))
    _bind_parts(walk, end, nodes, activation)


def _parts_wanted(walk: Walk, name: str) -> int:
    """How many parts a convolution's output is best written in: those that a grouped convolution will read it in."""
    reader = walk.only_reader(name)
    if reader is None or reader.op_type != "Conv" or reader.input[0] != name:
        return 1
    conv = _read(walk, reader)
    return 1 if conv.groups == 1 or conv.weight.shape[1] == 1 else _bundles(conv)


def _bundles(conv: _Convolution) -> int:
    """Into how many parts the groups are bundled, so that none is narrower than XNNPACK's lanes."""
    bundles = conv.groups
    while bundles % 2 == 0 and conv.weight.shape[0] // bundles < _LANES:
        bundles //= 2
    return bundles


def _grouped(walk: Walk, conv: _Convolution) -> None:
    count = _bundles(conv)
    parts, layout = walk.parts(conv.node.input[0], 1, count, CHANNELS_LAST)
    image = [layout.shape[axis] for axis in CHANNELS_LAST]
    end, activation = walk.fuse_activation(conv.node)
    batch, channels, height, breadth = walk.shape(end.output[0])
    width = channels // count
    nodes = []
    for index, part in enumerate(parts):
        inputs = [
            walk.reshaped(part, image),
            walk.constant(conv.weight_name, _bundle(conv, index, count), f".part{index}"),
            walk.constant(conv.bias_name, conv.bias[index * width : (index + 1) * width], f".part{index}"),
        ]
        shape = [batch, height, breadth, width]
        nodes.append(
            walk.add("_FusedConv2D", f"{end.output[0]}.part{index}", inputs, shape, **conv.attributes(activation))
        )
    _bind_parts(walk, end, nodes, activation)


def _bind_parts(walk: Walk, end: onnx.NodeProto, nodes: list[str], activation: str | None) -> None:
    layout = Layout.stacked(walk.shape(end.output[0]), 1, len(nodes), CHANNELS_LAST)
    walk.bind(end.output[0], nodes, layout, not_negative=activation is not None)


def _bundle(conv: _Convolution, index: int, count: int) -> NDArray[Any]:
    """The kernel of one bundle of groups, (height, width, in, out): zero from one group to another."""
    out, narrow, height, width = conv.weight.shape
    groups = conv.groups // count
    each = out // conv.groups
    kernel = np.zeros((height, width, groups * narrow, groups * each), np.float32)
    for group in range(groups):
        first = (index * groups + group) * each
        block = conv.weight[first : first + each].transpose(2, 3, 1, 0)
        kernel[:, :, group * narrow : (group + 1) * narrow, group * each : (group + 1) * each] = block
    return kernel


def _depthwise(walk: Walk, conv: _Convolution) -> None:
    channels = conv.groups
    multiplier = conv.weight.shape[0] // channels
    kernel = conv.weight.reshape(channels, multiplier, *conv.weight.shape[2:]).transpose(2, 3, 0, 1)
    source = walk.arranged(conv.node.input[0], CHANNELS_LAST)
    end, activation = walk.fuse_activation(conv.node)
    pieces = list(_pieces(conv, kernel))
    shape = walk.shape(end.output[0])
    image = [shape[axis] for axis in CHANNELS_LAST]
    sums = ""
    for index, piece in enumerate(pieces):
        mark = f".piece{index}" if len(pieces) > 1 else ""
        last = index == len(pieces) - 1
        bias = conv.bias if index == 0 else np.zeros_like(conv.bias)
        bias_name = conv.bias_name if index == 0 else f"{conv.weight_name}.no_bias"
        found = walk.add(
            "FusedDepthwiseConv2dNative",
            f"{end.output[0]}{mark}",
            [source, walk.constant(conv.weight_name, piece.kernel, mark), walk.constant(bias_name, bias)],
            image,
            **conv.attributes(activation if len(pieces) == 1 else None, piece.pads, piece.spread),
        )
        sums = walk.add("AddV2", f"{end.output[0]}.sum{index}", [sums, found], image) if sums else found
        if last and activation and len(pieces) > 1:
            sums = walk.add(activation, end.output[0], [sums], image)
    walk.bind(end.output[0], sums, Layout.plain(shape, CHANNELS_LAST), not_negative=activation is not None)


@dataclass(frozen=True)
class _Piece:
    """Some taps of a depthwise kernel, as a kernel of their own that is spread out."""

    kernel: NDArray[Any]
    pads: list[int]
    spread: tuple[int, int]


def _pieces(conv: _Convolution, kernel: NDArray[Any]) -> Iterator[_Piece]:
    """Cut a large depthwise kernel into pieces that have a fast way; their results add up to its own.

    A square kernel of 7 or more becomes its inner 5 x 5, and for each ring around that one of 3 x 3 spread out to the
    corners and the middles of the sides, and kernels of 2 x 2 spread out to the ring's other taps, 4 at a time.
    """
    height, width = kernel.shape[:2]
    middle = height // 2
    centred = conv.pads == [middle * dilation for dilation in conv.dilations] * 2
    spreads = max(conv.strides) == 1  # TensorFlow.js spreads no kernel that is strided
    if height != width or height % 2 == 0 or height <= _LARGEST_FAST or not centred or not spreads:
        yield _Piece(kernel, conv.pads, (1, 1))
        return

    def piece(rows: list[int], columns: list[int]) -> _Piece:
        taps = kernel[np.ix_([middle + row for row in rows], [middle + column for column in columns])].copy()
        if len(rows) == len(columns) == 3:
            taps[1, 1] = 0  # the middle of the kernel is the inner piece's
        pads = [rows[-1] * conv.dilations[0], columns[-1] * conv.dilations[1]] * 2
        return _Piece(taps, pads, (rows[1] - rows[0], columns[1] - columns[0]))

    yield _Piece(
        kernel[middle - 2 : middle + 3, middle - 2 : middle + 3],
        [2 * dilation for dilation in conv.dilations] * 2,
        (1, 1),
    )
    for ring in range(3, middle + 1):
        yield piece([-ring, 0, ring], [-ring, 0, ring])
        for near in range(1, ring):
            yield piece([-ring, ring], [-near, near])
            yield piece([-near, near], [-ring, ring])


@operation("BatchNormalization")
def _batch_norm(walk: Walk, node: onnx.NodeProto) -> None:
    walk.activation(node)
    at = walk.attributes(node, epsilon=1e-5, momentum=0.9, training_mode=0)
    if at["training_mode"] or len(walk.shape(node.input[0])) != 4:
        walk.refuse(node, "only the batch norm of images, with its statistics fixed, is known")
    scale, offset, mean, variance = (walk.array(node, position).astype(np.float64) for position in (1, 2, 3, 4))
    slope = scale / np.sqrt(variance + at["epsilon"])
    name = node.output[0]
    constants = (f"{name}.scale", slope), (f"{name}.offset", offset - mean * slope)
    scaled(walk, node.input[0], node, CHANNELS_LAST, *constants)


def scaled(
    walk: Walk,
    source: str,
    node: onnx.NodeProto,
    order: tuple[int, ...],
    scale: tuple[str, NDArray[Any]],
    offset: tuple[str, NDArray[Any]],
) -> None:
    """Write ``x * scale + offset``, and a ReLU that follows, as a depthwise convolution of one tap.

    :param source: ``x``, an activation of four axes.
    :param node: the node whose output this is.
    :param order: the axes of ``x`` as they are to lie in memory; scale and offset go along the last.
    :param scale: name and numbers, one for each index of that axis.
    :param offset: as the scale.
    """
    inputs = [
        walk.arranged(source, order),
        walk.constant(scale[0], scale[1].astype(np.float32).reshape(1, 1, -1, 1)),
        walk.constant(offset[0], offset[1].astype(np.float32)),
    ]
    end, activation = walk.fuse_activation(node)
    shape = walk.shape(end.output[0])
    found = walk.add(
        "FusedDepthwiseConv2dNative",
        end.output[0],
        inputs,
        [shape[axis] for axis in order],
        strides=integers([1, 1, 1, 1]),
        dilations=integers([1, 1, 1, 1]),
        **padding([0, 0, 0, 0]),
        **NHWC,
        **fused(activation),
    )
    walk.bind(end.output[0], found, Layout.plain(shape, order), not_negative=activation is not None)

"""Pools over windows and over whole images.

TensorFlow.js pools take no explicit padding and no ``ceil_mode``. Its ``SAME`` has the padding of most networks all the
same, since what hangs over the edge counts in neither; where it has not, a pad comes before the pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from training.tfjs.graph import integers, kind, text
from training.tfjs.layout import Layout, Shape
from training.tfjs.operations.table import CHANNELS_LAST, NHWC, operation

if TYPE_CHECKING:
    from training.tfjs.convert import Walk


@dataclass(frozen=True)
class _Windows:
    """The windows of a pool along height and width."""

    kernel: list[int]
    strides: list[int]
    before: list[int]
    after: list[int]  # as far as the last window reaches, which ceil_mode may put beyond the padding
    declared: list[int]  # the padding after the image that was asked for
    same: bool

    @property
    def padded(self) -> bool:
        return any(reach > 0 for reach in (*self.before, *self.after))


def _windows(walk: Walk, node: onnx.NodeProto, **own: Any) -> tuple[_Windows, dict[str, Any]]:
    """The windows of a pool, and its attributes: those that all pools have, and its own over their defaults."""
    at = walk.attributes(
        node,
        auto_pad=b"NOTSET",
        ceil_mode=0,
        dilations=[1, 1],
        kernel_shape=None,
        pads=[0, 0, 0, 0],
        strides=[1, 1],
        **own,
    )
    if at["auto_pad"] != b"NOTSET" or list(at["dilations"]) != [1, 1] or len(at["kernel_shape"]) != 2:
        walk.refuse(node, "only two-dimensional pools without dilations, with explicit padding, are known")
    sizes, results = walk.shape(node.input[0])[2:], walk.shape(node.output[0])[2:]
    kernel, strides, before = list(at["kernel_shape"]), list(at["strides"]), list(at["pads"][:2])
    after, same = [], []
    for size, result, window, stride, pad in zip(sizes, results, kernel, strides, before, strict=True):
        if (result - 1) * stride - pad >= size:
            walk.refuse(node, "its last window lies beyond the image, which ONNX Runtime and others count differently")
        reach = (result - 1) * stride + window - size
        after.append(reach - pad)
        overhang = max(reach, 0)
        same.append(result == -(-size // stride) and pad == overhang // 2)
    return _Windows(kernel, strides, before, after, list(at["pads"][2:]), all(same)), at


def _pool(walk: Walk, node: onnx.NodeProto, op: str, source: str, windows: _Windows, *, same: bool) -> str:
    shape = walk.shape(node.output[0])
    return walk.add(
        op,
        node.output[0],
        [source],
        [shape[axis] for axis in CHANNELS_LAST],
        ksize=integers([1, *windows.kernel, 1]),
        strides=integers([1, *windows.strides, 1]),
        padding=text("SAME" if same else "VALID"),
        explicit_paddings=integers([]),
        **NHWC,
    )


def _pad(walk: Walk, node: onnx.NodeProto, windows: _Windows, value: float) -> str:
    """The pool's input with a border of one value, as far as the windows reach."""
    top, left, bottom, right = (max(reach, 0) for reach in (*windows.before, *windows.after))
    batch, channels, height, width = walk.shape(node.input[0])
    name = f"{node.output[0]}.padded"
    borders = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
    inputs = [
        walk.arranged(node.input[0], CHANNELS_LAST),
        walk.constant(f"{name}.borders", borders),
        walk.scalar(value),
    ]
    shape = [batch, height + top + bottom, width + left + right, channels]
    return walk.add("PadV2", name, inputs, shape, Tpaddings=kind("DT_INT32"))


def _bind(walk: Walk, node: onnx.NodeProto, found: str, *, not_negative: bool) -> None:
    walk.bind(node.output[0], found, Layout.plain(walk.shape(node.output[0]), CHANNELS_LAST), not_negative=not_negative)


@operation("MaxPool")
def _max_pool(walk: Walk, node: onnx.NodeProto) -> None:
    not_negative = walk.activation(node).not_negative
    windows, _ = _windows(walk, node, storage_order=0)
    if windows.same or not windows.padded:
        source = walk.arranged(node.input[0], CHANNELS_LAST)
    else:  # after a ReLU, 0 is as low as any value
        source = _pad(walk, node, windows, 0.0 if not_negative else float(np.finfo(np.float32).min))
    found = _pool(walk, node, "MaxPool", source, windows, same=windows.same and windows.padded)
    _bind(walk, node, found, not_negative=not_negative)


@operation("AveragePool")
def _average_pool(walk: Walk, node: onnx.NodeProto) -> None:
    not_negative = walk.activation(node).not_negative
    windows, at = _windows(walk, node, count_include_pad=0)
    counted = _counted(walk.shape(node.input[0]), walk.shape(node.output[0]), windows, bool(at["count_include_pad"]))
    whole = windows.kernel[0] * windows.kernel[1]
    if not windows.padded or (windows.same and not at["count_include_pad"]):
        source = walk.arranged(node.input[0], CHANNELS_LAST)
        found = _pool(walk, node, "AvgPool", source, windows, same=windows.padded)
    else:  # over a border of zeros, then corrected where it should not have counted
        found = _pool(walk, node, "AvgPool", _pad(walk, node, windows, 0.0), windows, same=False)
        if np.any(counted != whole):
            shape = walk.shape(node.output[0])
            correction = (whole / counted).astype(np.float32)[None, :, :, None]
            inputs = [found, walk.constant(f"{node.output[0]}.correction", correction)]
            found = walk.add("Mul", node.output[0], inputs, [shape[axis] for axis in CHANNELS_LAST])
    _bind(walk, node, found, not_negative=not_negative)


def _counted(before: Shape, after: Shape, windows: _Windows, include: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How many of a window's places are divided by, (height, width): those within the image, or the padding too."""
    counts = []
    for axis in range(2):
        size, pad = before[2 + axis], windows.before[axis]
        low, high = (-pad, size + windows.declared[axis]) if include else (0, size)
        starts = np.arange(after[2 + axis]) * windows.strides[axis] - pad
        counts.append(np.minimum(starts + windows.kernel[axis], high) - np.maximum(starts, low))
    return np.outer(counts[0], counts[1]).astype(np.float64)


@operation("GlobalAveragePool", "ReduceMean")
def _mean(walk: Walk, node: onnx.NodeProto) -> None:
    not_negative = walk.activation(node).not_negative
    shape = walk.shape(node.input[0])
    if node.op_type == "GlobalAveragePool":
        axes, keep = [2, 3], 1
    else:
        at = walk.attributes(node, keepdims=1, noop_with_empty_axes=0)
        given = walk.optional(node, 1)
        axes, keep = sorted(int(axis) % len(shape) for axis in (() if given is None else given)), at["keepdims"]
    if len(shape) != 4 or axes != [2, 3]:
        walk.refuse(node, "only the mean over height and width is known")
    batch, channels, height, width = shape
    found = walk.add(
        "AvgPool",  # as a pool it needs no transpose
        node.output[0],
        [walk.arranged(node.input[0], CHANNELS_LAST)],
        [batch, 1, 1, channels],
        ksize=integers([1, height, width, 1]),
        strides=integers([1, height, width, 1]),
        padding=text("VALID"),
        explicit_paddings=integers([]),
        **NHWC,
    )
    walk.bind(
        node.output[0],
        found,
        Layout.plain([batch, channels, 1, 1] if keep else [batch, channels]),
        not_negative=not_negative,
    )

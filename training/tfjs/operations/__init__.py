"""How each ONNX operation is written for TensorFlow.js, one small function each, by theme."""

from training.tfjs.operations import convolution, elementwise, matrix, normalization, pooling, shape
from training.tfjs.operations.table import OPERATIONS

__all__ = ["OPERATIONS", "convolution", "elementwise", "matrix", "normalization", "pooling", "shape"]

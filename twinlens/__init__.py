"""Twinlens: one image classifier that gives the same answer on a server and in the browser.

This package is what server, training and load test share: NumPy, Pillow and ONNX Runtime, never torch and
never TensorFlow, so that the serving environment stays small and starts fast.
"""

__version__ = "0.1.0"

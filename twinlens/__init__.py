"""Twinlens: one image classifier that gives the same answer on a server and in the browser.

This package is what server, training and load test share: NumPy, Pillow and ONNX Runtime, never torch and
never TensorFlow, so that the serving environment stays small and starts fast.
"""

import os

# Nothing leaves the machine unasked. Since 1.29 ONNX Runtime reports its use to its maker, and for that keeps an
# identifier of the device in the home folder. It looks for this variable once, when it is first imported; its own
# function, `disable_telemetry_events`, comes too late for the identifier and the first event.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

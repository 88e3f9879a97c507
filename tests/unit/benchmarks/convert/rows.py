"""Rows as ``benchmarks.convert.row.measure`` makes them."""

from typing import Any


def route(**changes: Any) -> dict[str, Any]:
    """A route that is right everywhere."""
    error = {"wasm": 2e-6, "webgl": 3e-6, "cpu": 1e-6}
    found = {"failed": None, "seconds": 0.5, "megabytes": 4.5, "error": error, "stopped": {}, "ms": 20.0}
    return found | changes


def failed(why: str) -> dict[str, Any]:
    """A route that has written nothing."""
    return route(failed=why, seconds=None, megabytes=None, error={}, ms=None)


def row(network: str, direct: dict[str, Any] | None = None, official: dict[str, Any] | None = None) -> dict[str, Any]:
    """A network, right by both routes unless said otherwise."""
    routes = {"direct": direct or route(), "official": official or route(seconds=40.0, ms=30.0)}
    ms = [found["ms"] for found in routes.values()]
    return {
        "network": network,
        "millions": 3.5,
        "pixels": 224,
        "speed_ratio": None if None in ms else ms[1] / ms[0],
        **routes,
    }


ROWS = [
    row("mobilenet_v2"),
    row("resnet18", official=route(ms=18.0)),
    row("shufflenet_v2_x1_0", failed("Node 'cat' (Concat) cannot be written for TensorFlow.js: x."), failed("onnx2tf")),
    row(
        "mobilenet_v3_small",
        route(error={"wasm": 2e-6, "webgl": 0.02}, stopped={"cpu": "not within 300 s"}),
        route(error={}, stopped={"wasm": "no", "webgl": "no", "cpu": "no"}, ms=None),
    ),
    row("vgg16", route(seconds=9.0), failed("onnx2tf")),
]

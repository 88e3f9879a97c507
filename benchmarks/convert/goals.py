"""What was asked of the conversion, and what the figures mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.convert.row import TOLERANCE, passes
from benchmarks.convert.runs import DIRECT, OFFICIAL, SPEED_RATIO
from benchmarks.results import Goal
from browser.tfjs import BACKENDS

NAMED: Final = (
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "squeezenet1_1",
    "vgg16",
    "convnext_tiny",
    "densenet121",
    "shufflenet_v2_x1_0",
    "mnasnet1_0",
    "regnet_y_400mf",
    "googlenet",
    "inception_v3",
)
"""The networks that have goals of their own."""
_SLOW_TO_WRITE: Final = ("vgg16",)
"""Of these, those without a goal for the seconds of a conversion: 134 million weights."""
COMPARED_AT: Final = "compared_at"
DEFINITIONS: Final = {
    "direct": "ONNX to TensorFlow.js by the direct writer, training/tfjs",
    "official": "the same ONNX file by onnx2tf and tensorflowjs_converter, training/official",
    "millions": "weights in millions, as torchvision counts them with 1000 labels; measured with 10",
    "weights": "random, with the batch-norm statistics of real activations, rounded to float16 before both routes",
    COMPARED_AT: "commit of all but a row's times on the page and the direct writer's seconds, if it is another one",
    "seconds": "from the ONNX file to the files of the graph model; for the official route with the start of its two "
    "programs and with another network's conversion beside it, for the direct writer without the import of onnx and "
    "NumPy, the median of three conversions with nothing beside them",
    "megabytes": "the files of the graph model, 10^6 bytes",
    "environment_megabytes": "10^6 bytes of files that the conversion loads (direct) or installs (official), on top of "
    "Python and without what Python compiles; PyTorch, which makes the ONNX file for both, not counted",
    "error": "max |difference| / max |logit| against PyTorch with the same rounded weights, by backend; two images on "
    "wasm, one on webgl and cpu",
    "stopped": "why a graph model gives no answer on a backend, by backend",
    "ms": "median milliseconds of one image on the wasm backend with SIMD and one thread, both routes' graph models in "
    "memory and taking turns of one image; quartiles beside it",
    "NAME_error": "the largest error of the direct writer's graph model over wasm, webgl and cpu",
    "networks_passed": "networks whose graph model by the direct writer answers on wasm, webgl and cpu, each with an "
    f"error of at most {TOLERANCE:g}",
    "speed_ratio": "the official route's milliseconds over the direct writer's in the same two turns, one in either "
    "order, the median of all; where the official route runs on wasm",
    "speed_ratio_NAME": "speed_ratio of that network",
}
_OPERATION: Final = re.compile(r"\((\w+)\) cannot be written")


def goals(rows: Sequence[dict[str, Any]]) -> list[Goal]:
    """Every goal for the networks that were measured, the missed ones too."""
    by_name = {row["network"]: row for row in rows}
    named = [name for name in NAMED if name in by_name]
    found = [Goal(f"{name}_error", largest_error(by_name[name][DIRECT]), "ratio", TOLERANCE, "lower") for name in named]
    found += [
        Goal(f"{name}_seconds", by_name[name][DIRECT]["seconds"], "s", 2.0, "lower")
        for name in named
        if name not in _SLOW_TO_WRITE
    ]
    found.append(Goal("networks_passed", sum(passes(row[DIRECT]) for row in rows), "networks", 50, "higher"))
    found += [
        Goal(f"speed_ratio_{name}", by_name[name][SPEED_RATIO], "ratio", 1.0, "higher")
        for name in named
        if by_name[name][OFFICIAL]["ms"] is not None
    ]
    return found


def largest_error(found: dict[str, Any]) -> float | None:
    """The largest error of a route over the backends; ``None`` unless it answers on each."""
    errors = found["error"]
    return max(errors.values()) if set(errors) == set(BACKENDS) else None


def stopped_by(found: dict[str, Any]) -> str | None:
    """What stopped a route: the operation if the direct writer named one, else the message; ``None`` if it passes."""
    if passes(found):
        return None
    if found["failed"]:
        operation = _OPERATION.search(found["failed"])
        return operation[1] if operation else str(found["failed"])
    wrong = [f"{backend}: {why}" for backend, why in found["stopped"].items()]
    wrong += [f"{backend}: off by {error:.1e}" for backend, error in found["error"].items() if error > TOLERANCE]
    return "; ".join(wrong)

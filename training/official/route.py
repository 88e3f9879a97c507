"""Run the official route: ONNX to a SavedModel with onnx2tf, and that to a graph model with tensorflowjs_converter.

Both are started as anyone would start them, in a folder of their own, in the pinned environment. What they say is kept
out of sight unless they fail: then the error names what they said.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from training.official.adopt import adopt
from training.official.environment import VARIABLES
from training.progress import say
from twinlens.errors import TwinlensError
from twinlens.isolated import Environment

_SAVED_MODEL: Final = "saved_model"
_GRAPH_MODEL: Final = "graph_model"
_REPLACEMENTS: Final = "replacements.json"
# onnx2tf 1.28.8 (utils/common_functions.py, download_test_image_data) fetches this file unless it is there.
_CALIBRATION: Final = "calibration_image_sample_data_20x128x128x3_float32.npy"
_CALIBRATION_SHAPE: Final = (20, 128, 128, 3)
_GIVEN: Final = "given.npy"
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_RAISED: Final = re.compile(r"[\w.]*(?:Error|Exception|Interrupt|Exit)\b(?:: |$)")
_LOGGED: Final = re.compile(r"ERROR: (?!The trace log)")
_NODE: Final = re.compile(r"onnx_op_name: (\S+)")
_SHOWN: Final = 400


def convert(model: onnx.ModelProto, environment: Environment) -> dict[str, bytes]:
    """Convert an ONNX model by the official route.

    :param model: what :func:`training.onnx_graph.to_onnx` made, with its weights as float32.
    :return: the files of the graph model by path, ``model.json`` among them, as
        :func:`training.official.adopt.adopt` leaves them.
    :raises TwinlensError: ``unsupported_operation`` with what the program said that could not convert it.
    """
    (image,) = model.graph.input
    with tempfile.TemporaryDirectory(prefix="twinlens-convert-") as name:
        folder = Path(name)
        _place_files(folder, model)
        say("Converting with onnx2tf")
        _run(
            [
                *("onnx2tf", "-i", "model.onnx", "-o", _SAVED_MODEL, "-v", "warn"),
                *("-kat", image.name),  # the input is NHWC already
                "-dgc",  # TensorFlow.js convolutions have no groups
                *("-prf", _REPLACEMENTS),
            ],
            folder,
            environment,
            made=f"{_SAVED_MODEL}/saved_model.pb",
            model=model,
        )
        say("Converting with tensorflowjs_converter")
        _run(
            [
                *("tensorflowjs.converters.converter", "--input_format=tf_saved_model"),
                *("--output_format=tfjs_graph_model", _SAVED_MODEL, _GRAPH_MODEL),
            ],
            folder,
            environment,
            made=f"{_GRAPH_MODEL}/model.json",
            model=model,
        )
        files = {path.name: path.read_bytes() for path in (folder / _GRAPH_MODEL).iterdir()}
    return adopt(files, model)


def to_tflite(
    model: onnx.ModelProto, environment: Environment, calibration: NDArray[np.float32] | None = None
) -> dict[str, bytes]:
    """Convert an ONNX model to LiteRT's format by the first half of the official route, in every form that it has.

    :param model: with one input of shape (N, channels, height, width) and its weights as float32.
    :param calibration: images of shape (N, height, width, channels) as the network is given them, which the integer
        forms need.
    :return: the files by form, ``float32`` or ``dynamic_range_quant`` for example; their input has the shape (1,
        height, width, channels).
    :raises TwinlensError: ``unsupported_operation`` with what onnx2tf said.
    """
    (image,) = model.graph.input
    options = ["-b", "1", "-odrqt"]
    with tempfile.TemporaryDirectory(prefix="twinlens-convert-") as name:
        folder = Path(name)
        _place_files(folder, model)
        if calibration is not None:
            np.save(folder / _GIVEN, calibration)
            channels = calibration.shape[-1]
            # A mean and a deviation have to be given; the images have been normalised already.
            options += ["-oiqt", "-cind", image.name, _GIVEN, f"[[[{[0.0] * channels}]]]", f"[[[{[1.0] * channels}]]]"]
        say("Converting to .tflite with onnx2tf")
        _run(
            ["onnx2tf", "-i", "model.onnx", "-o", _SAVED_MODEL, "-v", "warn", "-prf", _REPLACEMENTS, *options],
            folder,
            environment,
            made=f"{_SAVED_MODEL}/model_float32.tflite",
            model=model,
        )
        found = (folder / _SAVED_MODEL).glob("model_*.tflite")
        return {path.stem.removeprefix("model_"): path.read_bytes() for path in found}


def _place_files(folder: Path, model: onnx.ModelProto) -> None:
    """What onnx2tf reads."""
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    pixels = np.random.default_rng(0).random(_CALIBRATION_SHAPE, dtype=np.float32)
    np.save(folder / _CALIBRATION, pixels)
    # Without a file of replacements, onnx2tf looks for some, for minutes, before it ends with the same error.
    (folder / _REPLACEMENTS).write_text(json.dumps({"format_version": 1, "operations": []}), encoding="utf-8")


def _run(command: list[str], folder: Path, environment: Environment, *, made: str, model: onnx.ModelProto) -> None:
    """Run a module of the environment; ``made`` is the file that there must be afterwards."""
    done = subprocess.run(
        [str(environment.python), "-I", "-m", *command],
        cwd=folder,
        env=environment.variables() | VARIABLES,  # onnx2tf starts onnxsim by its name
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    # onnx2tf may end well although it has not saved anything.
    if done.returncode != 0 or not (folder / made).is_file():
        program = command[0].partition(".")[0]
        raise TwinlensError(
            "unsupported_operation",
            f"{program} cannot convert this network{_place(done.stdout, model)}: "
            f"{complaint(done.stdout, done.returncode)} Nothing was written.",
        )


def complaint(output: str, status: int) -> str:
    """What a program ended with, on one line: the last exception and the line of details below it, or an error."""
    lines = [line.strip() for line in _COLOUR.sub("", output).splitlines() if line.strip()]
    raised = [number for number, line in enumerate(lines) if _RAISED.match(line)]
    logged = [line for line in lines if _LOGGED.match(line)]
    if raised:
        text = " ".join(lines[raised[-1] : raised[-1] + 2])
    elif logged:
        text = logged[0]
    else:
        text = f"it ended with status {status}" + (f" after saying: {lines[-1]}" if lines else "")
    return (text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…").rstrip(".") + "."


def _place(output: str, model: onnx.ModelProto) -> str:
    """At which ONNX node it ended, if the output names it."""
    named = _NODE.findall(_COLOUR.sub("", output))
    if not named:
        return ""
    operation = next((node.op_type for node in model.graph.node if node.name == named[-1]), None)
    return f" at node {named[-1]!r}" + (f" ({operation})" if operation else "")

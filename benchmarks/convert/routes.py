"""``python -m benchmarks.convert.routes ROUTE FOLDER CACHE``: convert one network's ONNX file by one of the routes.

``FOLDER/model.onnx`` becomes the graph model in ``FOLDER/direct`` or ``FOLDER/official``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import onnx

from benchmarks.convert.runs import DIRECT, GRAPH
from benchmarks.process import FAILED, answer
from training.official.environment import prepare
from training.official.route import convert
from training.onnx_graph import encode
from training.tfjs.files import write_tfjs
from twinlens.errors import TwinlensError


def run(route: str, folder: Path, cache: Path) -> dict[str, Any]:
    """Convert by a route.

    :param cache: where the environment of the official route is.
    :return: ``seconds`` from the ONNX file to the files of the graph model, and their ``megabytes`` (10^6 bytes).
    :raises TwinlensError: as the route does.
    """
    environment = None if route == DIRECT else prepare(cache)
    out = folder / route
    out.mkdir(exist_ok=True)  # a conversion that is timed again writes the same files
    began = time.perf_counter()
    model = onnx.load(folder / GRAPH)
    files = convert(model, environment) if environment else write_tfjs(model, encode(model)[1])
    for name, data in files.items():
        (out / name).write_bytes(data)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "megabytes": sum(map(len, files.values())) / 1e6}


if __name__ == "__main__":
    try:
        answer(run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
    except TwinlensError as error:
        answer({FAILED: error.detail})

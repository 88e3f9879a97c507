"""The environment of the official route, see :mod:`twinlens.isolated`.

TensorFlow needs other versions of packages that PyTorch's exporter needs too, and a Python that it has packages for.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from training.progress import say
from twinlens import isolated
from twinlens.errors import TwinlensError
from twinlens.isolated import Environment, Python, Recipe

REQUIREMENTS: Final = Path(__file__).parents[2] / "requirements" / "convert.txt"
VARIABLES: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
"""What its programs are started with on top: few messages, no GPU."""
# TensorFlow 2.19 has packages for Python 3.9 to 3.12; the pins are resolved from 3.11 on, as all of Twinlens is.
PYTHONS: Final = ("3.12", "3.11")


def prepare(cache: Path | None = None) -> Environment:
    """The environment, made first if it is not there.

    :param cache: folder that keeps environments; :func:`twinlens.isolated.default_cache` by default.
    :raises TwinlensError: ``missing_requirement`` without a Python that TensorFlow has packages for, and as
        :func:`twinlens.isolated.prepare` does.
    """
    recipe = Recipe("convert", "the environment of TensorFlow's converter", REQUIREMENTS, "about 3 GB", 4.0)
    return isolated.prepare(recipe, cache, find_python=find_python, say=say)


def find_python() -> Python:
    """A Python that TensorFlow has packages for: the one that runs, else the newest on the PATH.

    :raises TwinlensError: ``missing_requirement`` if there is none.
    """
    running = isolated.running_python()
    if running.version in PYTHONS:
        return running
    for version in PYTHONS:
        path = shutil.which(f"python{version}")
        # One that is found need not be one: version managers put stand-ins on the PATH.
        if path and _reply([path, "-c", "import sys; print(*sys.version_info[:2], sep='.')"]) == version:
            return Python(path, version)
    raise TwinlensError(
        "missing_requirement",
        f"This is Python {running.version}, but TensorFlow 2.19, which --via tensorflowjs needs, has "
        "packages for Python 3.9 to 3.12 only, and Twinlens pins them for 3.11 and 3.12. Install one of these beside "
        "it (for example `uv python install 3.12`) so that python3.12 or python3.11 is on the PATH.",
    )


def _reply(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None

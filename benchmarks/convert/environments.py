"""How large the environment of each route is, and which versions took part."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from benchmarks.convert.runs import DIRECT, OFFICIAL
from benchmarks.results import ROOT, significant
from training.official.environment import REQUIREMENTS
from twinlens.isolated import Environment

# What the direct writer is made of; torch, which makes the ONNX file for both routes, is not loaded by it.
_WRITER: Final = "training.tfjs.files"
_PINNED: Final = ("onnx2tf", "tensorflow", "tensorflowjs")


def megabytes(environment: Environment) -> dict[str, float]:
    """Megabytes (10^6 bytes) of what each route needs on top of Python, by route."""
    direct = sum(map(_size, direct_packages())) / 1e6
    return {DIRECT: significant(direct), OFFICIAL: significant(environment.megabytes)}


def direct_packages() -> list[str]:
    """The packages that the direct writer loads, found by loading it in a fresh Python."""
    code = f"import json, sys, {_WRITER}; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    ).stdout
    owners = metadata.packages_distributions()
    found = {owner for name in json.loads(printed) for owner in owners.get(name, [])}
    return sorted(found - {"twinlens"})


def _size(package: str) -> int:
    paths = [Path(str(file.locate())) for file in metadata.files(package) or []]
    return sum(path.stat().st_size for path in paths if path.suffix != ".pyc" and path.is_file())


def versions() -> dict[str, str]:
    """Versions of both routes' programs and of TensorFlow.js."""
    pinned = dict(line.split(" ")[0].split("==") for line in REQUIREMENTS.read_text().splitlines() if "==" in line)
    package: dict[str, Any] = json.loads(
        (ROOT / "web" / "node_modules" / "@tensorflow" / "tfjs-core" / "package.json").read_bytes()
    )
    return {
        **{name: metadata.version(name) for name in ("torch", "torchvision", "onnx")},
        **{name: pinned[name] for name in _PINNED},
        "tfjs": package["version"],
    }

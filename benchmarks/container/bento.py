"""A bento made anew from this checkout, the context that the image is built from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.results import ROOT
from twinlens.errors import TwinlensError

_TAG = "__tag__:"


def build(home: Path) -> Path:
    """Build a bento.

    :param home: folder that takes the place of the user's store of bentos.
    :return: the bento's folder.
    :raises TwinlensError: ``container_failed`` with what BentoML said, if it does not build.
    """
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", ".", "--output", "tag"],
        cwd=ROOT,
        env={**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    tags = [line.removeprefix(_TAG) for line in done.stdout.splitlines() if line.startswith(_TAG)]
    if done.returncode != 0 or not tags:
        raise TwinlensError("container_failed", f"`bentoml build` failed: {done.stdout}{done.stderr}")
    return home / "bentos" / tags[0].replace(":", "/")

"""Making a candidate: learning goes on in a process of its own, then the run becomes a version that nobody uses yet.

A process of its own gives all memory back when it ends, which is what lets ``--watch`` run for weeks, and keeps what a
training does to a process (threads, a GPU) out of what compares and publishes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from training.checkpoint import BEST, best_sha256
from training.export import ABOUT, LABELS, export
from training.progress import say
from training.rounding import WEIGHTS, integer_bits
from training.run import RUN as RECORD
from training.run import load
from twinlens.contract import Contract
from twinlens.errors import TwinlensError
from twinlens.publishing import Publication
from twinlens.settings import ROOT
from twinlens.store import ModelVersion, open_version

RUN: Final = "run"
TUNED: Final = "tuned"
CANDIDATE: Final = "candidate"
_TUNED_BELOW: Final = 6
"""Bits below which weights are tuned before they are rounded: docs/decisions/006-integer-weights.md."""


@dataclass(frozen=True)
class Recipe:
    """The numbers of the training that goes on: few small steps, since what is there is mostly right."""

    epochs: int = 4
    lr_body: float = 1e-4
    lr_head: float = 5e-4
    train_size: int | None = None
    """Edge of the crops in pixels; by default that of the served input."""
    batch_size: int = 32
    seed: int = 0
    device: str = "auto"
    workers: int | None = None


def source_of(version: ModelVersion, log: Sequence[Publication]) -> Path:
    """What learning goes on from: the run that the version in use was exported from, if it is there, else the version.

    A run has weights that are not rounded yet, and its norms.

    :param log: the model's publications.
    """
    for entry in reversed(log):
        if entry.digest != version.digest or entry.run is None:
            continue
        run = Path(entry.run)
        there = (run / BEST).is_file() and (run / RECORD).is_file()
        if there and best_sha256(run) == entry.run_sha256 and load(run).finished:
            return run
        break
    return version.path


def weights_of(contract: Contract) -> str:
    """What the weights of a version were rounded to, one of :data:`training.rounding.WEIGHTS`."""
    bits = [weight.bits for weight in contract.weights.values() if weight.encoding == "integer"]
    if bits:
        return f"int{min(bits)}-channel"
    return "float16" if any(weight.encoding == "float16" for weight in contract.weights.values()) else "float32"


def learn(data: Path, out: Path, source: Path, contract: Contract, weights: str, recipe: Recipe, resume: bool) -> Path:
    """Train, and tune where the weights are to be rounded to few bits.

    :param out: folder of the retraining; the runs go into folders of their own in it.
    :param source: what learning goes on from.
    :param contract: of the version in use, whose network and preprocessing are kept.
    :return: the folder of the run to export.
    :raises TwinlensError: ``training_failed`` if a process does not end well; it has said why.
    """
    run = out / RUN
    options: list[object] = [
        *("--arch", contract.model.architecture, "--init", source),
        *("--image-size", contract.crop.height, "--shorter-edge", contract.resize.shorter_edge),
        *("--squeeze", contract.resize.squeeze, "--train-size", recipe.train_size or contract.crop.height),
        *("--epochs", recipe.epochs, "--batch-size", recipe.batch_size, "--seed", recipe.seed),
        *("--lr-body", recipe.lr_body, "--lr-head", recipe.lr_head, "--device", recipe.device),
        *([] if recipe.workers is None else ["--workers", recipe.workers]),
    ]
    _training("train", data, "--out", run, *options, resume=resume and run.exists())
    if (integer_bits(weights) or _TUNED_BELOW) >= _TUNED_BELOW:
        return run
    tuned = out / TUNED
    device = ["--device", recipe.device]
    _training("tune", run, "--out", tuned, "--weights", weights, *device, resume=resume and tuned.exists())
    return tuned


def make(run: Path, out: Path, model: Path, data: Path, weights: str) -> ModelVersion:
    """Export a run beside the models, as it would be published.

    :param run: the run to export.
    :param out: folder of the retraining.
    :param model: folder of the model in use, whose display names and card's text are taken.
    :return: the version; made already where the retraining is resumed.
    :raises TwinlensError: as :func:`training.export.export` does.
    """
    folder = out / CANDIDATE / model.resolve().name
    made = [entry for entry in folder.glob("*") if not entry.name.startswith(".")] if folder.is_dir() else []
    if made:
        return open_version(made[0])

    labels, about = (model / name if (model / name).is_file() else None for name in (LABELS, ABOUT))
    return export(run, folder, data=data, weights=weights, labels=labels, about=about, current=False)


def check_weights(weights: str) -> str:
    """Give one of :data:`training.rounding.WEIGHTS` back.

    :raises TwinlensError: ``unsupported_operation`` if a version's weights are of a kind that is no longer written.
    """
    if weights not in WEIGHTS:
        raise TwinlensError(
            "unsupported_operation",
            f"The version in use has weights of {weights}, which are not written. Give "
            f"--weights {' or '.join(WEIGHTS)}.",
        )
    return weights


def _training(command: str, *arguments: object, resume: bool) -> None:
    """Run a command of ``python -m training``; what it prints is seen, and Ctrl-C ends it too."""
    words = [command, *map(str, arguments), *(["--resume"] if resume else [])]
    say(f"python -m training {' '.join(words)}")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen([sys.executable, "-m", "training", *words], env={**os.environ, "PYTHONPATH": path})
    try:
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if status:
        raise TwinlensError(
            "training_failed",
            f"`python -m training {command}` ended with status {status}; what it said stands above. Nothing was "
            "published. --resume goes on where it stopped.",
        )

"""Making a candidate: learning goes on in a process of its own, then the run becomes a version that nobody uses yet.

A process of its own gives all memory back when it ends, which is what lets ``--watch`` run for weeks, and keeps what a
training does to a process (threads, a GPU) out of what compares and publishes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from training.checkpoint import BEST, best_sha256
from training.export import ABOUT, LABELS, export
from training.progress import say
from training.retrain import child
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

    A run has weights that are not rounded yet, and its norms; that it is missing is said.

    :param log: the model's publications.
    """
    entry = next((each for each in reversed(log) if each.digest == version.digest and each.run is not None), None)
    if entry is None or entry.run is None:
        return version.path
    run = Path(entry.run)
    there = (run / BEST).is_file() and (run / RECORD).is_file()
    if there and best_sha256(run) == entry.run_sha256 and load(run).finished:
        return run
    say(
        f"{run}, the run that {version.contract.model.version} was made from, is "
        f"{'another one by now' if there else 'not there'}: learning goes on from the version itself, whose weights "
        "are rounded."
    )
    return version.path


def known_runs(trained_on: Path | None, log: Sequence[Publication]) -> list[Path]:
    """Where the manifest of a version that was in use may lie, other than in the data set.

    :param trained_on: folder of a run, or a manifest, that was said to be it.
    """
    return [*([] if trained_on is None else [trained_on]), *(Path(entry.run) for entry in log if entry.run)]


def weights_of(contract: Contract) -> str:
    """What the weights of a version were rounded to, one of :data:`training.rounding.WEIGHTS`."""
    bits = [weight.bits for weight in contract.weights.values() if weight.encoding == "integer"]
    if bits:
        return f"int{min(bits)}-channel"
    return "float16" if any(weight.encoding == "float16" for weight in contract.weights.values()) else "float32"


def learn(data: Path, out: Path, source: Path, contract: Contract, weights: str, recipe: Recipe, resume: bool) -> Path:
    """Train, and tune where the weights are to be rounded to few bits; a run that has ended already is left alone.

    :param data: the photos, which nobody changes meanwhile.
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
    _training("train", data, run, options, resume)
    if (integer_bits(weights) or _TUNED_BELOW) >= _TUNED_BELOW:
        return run
    tuned = out / TUNED
    _training("tune", run, tuned, ["--weights", weights, "--device", recipe.device], resume)
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


def _training(command: str, source: Path, out: Path, options: Sequence[object], resume: bool) -> None:
    """Run a command of ``python -m training``, which writes a run."""
    going_on = resume and (out / RECORD).is_file()
    if going_on and load(out).finished:
        say(f"{out} has ended already.")
        return
    words = [command, str(source), "--out", str(out), *map(str, options), *(["--resume"] if going_on else [])]
    say(f"python -m training {' '.join(words)}")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    status = child.run([sys.executable, "-m", "training", *words], {**os.environ, "PYTHONPATH": path})
    if status:
        raise TwinlensError(
            "training_failed",
            f"`python -m training {command}` ended with status {status}; what it said stands above. Nothing was "
            "published. --resume goes on where it stopped.",
        )

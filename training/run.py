"""A training run on disk: what ``run.json`` records of it, and which photo was in which split.

A run's folder holds ``run.json`` (rewritten after every epoch), ``splits.json`` (written once, since it grows with
the data), ``manifest.jsonl`` where the photos had one, ``best.pt`` and ``last.pt`` (:mod:`training.checkpoint`),
``curves.png`` and, once something was measured, ``measurements.json``.
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import torch
import torchvision
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

import twinlens
from twinlens.contract import Sha256, Triple
from twinlens.dataset import manifest
from twinlens.dataset.manifest import MANIFEST, Row
from twinlens.errors import TwinlensError
from twinlens.store import write_atomically

RUN: Final = "run.json"
SPLITS: Final = "splits.json"

Splits = dict[str, dict[str, list[str]]]
"""Split, then label, then paths relative to the data's folder, with ``/``."""


class Epoch(BaseModel):
    """What was measured in one epoch; validation is at the served size, of the averaged (EMA) or the tuned weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: Annotated[int, Field(ge=1)]
    lr_body: float
    """Learning rate of the body's weights at the end of the epoch."""
    lr_head: float
    train_loss: float
    """Mean over the augmented photos, label smoothing included; in a tuning the divergence from the answers before."""
    train_top1: float
    validation_loss: float
    """Mean negative log-likelihood, without label smoothing."""
    validation_top1: float
    train_seconds: float
    data_seconds: float
    """Part of ``train_seconds`` that was spent waiting for augmented photos."""
    validation_seconds: float

    @property
    def rank(self) -> tuple[float, float]:
        """What epochs are compared by: validation accuracy, then the lower validation loss."""
        return self.validation_top1, -self.validation_loss


class Taught(BaseModel):
    """A network that taught in a run."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    arch: str
    """torchvision's name of it."""
    sha256: Sha256
    """Of the ``best.pt`` of the run that it came from."""


class Ingredient(BaseModel):
    """A run that was tried in a soup (:mod:`training.soup`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    run: str
    """Name of its folder."""
    sha256: Sha256
    """Of its ``best.pt``."""
    seed: int
    epochs: int
    validation_top1: float
    validation_loss: float
    """Mean negative log-likelihood, the temperature fitted on validation."""
    kept: bool
    """Whether its weights are in the average."""


class Tuned(BaseModel):
    """How a network was tuned for integer weights (:mod:`training.tuning`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    weights: str
    """What it was tuned for, one of :data:`training.rounding.WEIGHTS`. The run's weights are rounded to it."""
    source: str
    """The run or the version that it was before."""
    sha256: Sha256
    """Of the source's ``best.pt``, or of its contract."""
    origin: list[str]
    """Lines of the model card that say what the source came from."""
    float_top1: float
    """On validation, of the source's own weights, from which the tuning learned."""
    rounded_top1: float
    """On validation, of the source's weights rounded without tuning."""


class Run(BaseModel):
    """Everything that is recorded of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_version: Literal[1] = 1
    started: str
    """ISO 8601, UTC."""
    arguments: dict[str, Any]
    """As given, with the defaults filled in."""
    arch: str
    """torchvision's name of the network."""
    labels: Annotated[list[str], Field(min_length=2)]
    """In the order of the logits."""
    seed: int
    data: str
    """Absolute path of the folder of photos."""
    data_digest: Sha256
    """See :class:`twinlens.contract.DataSet`."""
    counts: dict[str, int]
    """Number of photos by split."""
    left_out: list[tuple[str, str]]
    """Files that are not used: path relative to the data's folder, and why."""
    shorter_edge: Annotated[int, Field(ge=1)]
    """Of the served preprocessing, in pixels."""
    squeeze: Annotated[float, Field(ge=1)] = 1.0
    """Of the served preprocessing: see :class:`twinlens.contract.Resize`."""
    crop: Annotated[int, Field(ge=1)]
    """Height and width of the served input, in pixels."""
    mean: Triple
    std: Triple
    init: str
    init_sha256: Sha256 | None
    """Of the file of initial weights; ``null`` if there was none."""
    init_name: str | None = None
    """The run or the version that learning went on from, in words; ``null`` where it began anew."""
    teachers: list[Taught] = []
    """What taught beside the labels."""
    device: str
    precision: Literal["float32", "bfloat16", "float16"]
    threads: int
    """Of each process."""
    processes: Annotated[int, Field(ge=1)]
    """That trained together."""
    versions: dict[str, str]
    git_commit: str | None
    epochs: list[Epoch] = []
    soup: list[Ingredient] = []
    """What was averaged, where the weights are an average of other runs'; there are no epochs then."""
    tuned: Tuned | None = None
    """What the weights were tuned for, and from what; the epochs are those of the tuning then."""
    finished: str | None = None
    """Why the training ended; ``null`` while it has not."""

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights are in ``best.pt``, the first of the best ones."""
        return max(self.epochs, key=lambda epoch: epoch.rank, default=None)


def load(run: Path) -> Run:
    """Read a run.

    :param run: the run's folder.
    :raises TwinlensError: ``invalid_run`` if there is none, or its ``run.json`` cannot be used.
    """
    try:
        return Run.model_validate_json(_read(run, RUN), strict=True)
    except ValidationError as error:
        raise _broken(run / RUN, error) from None


def to_resume(
    out: Path, arguments: Mapping[str, Any], resume: bool, free: Collection[str] = (), processes: int = 1
) -> Run | None:
    """The run to go on with in a folder, or ``None`` where a new one begins there.

    :param out: the run's folder, which need not exist.
    :param arguments: those of the run to be, as ``run.json`` records them.
    :param resume: whether going on was asked for.
    :param free: names of arguments that may differ.
    :param processes: how many will train together.
    :raises TwinlensError: ``already_exists`` if there is something else, or a run that must not be touched.
    """
    if not out.exists() or (out.is_dir() and all(entry.name.startswith(".") for entry in out.iterdir())):
        return None
    if not (out / RUN).is_file():
        raise TwinlensError("already_exists", f"{out} exists and is no training run. Give another --out.")
    if not resume:
        raise TwinlensError(
            "already_exists", f"{out} is a training run already. --resume goes on with it; else give another --out."
        )
    record = load(out)
    changed = [
        f"--{name.replace('_', '-')} {record.arguments.get(name)} (now {value})"
        for name, value in arguments.items()
        if name not in free and record.arguments.get(name) != value
    ]
    if changed:
        raise TwinlensError(
            "already_exists",
            f"{out} was begun with other arguments: {', '.join(changed)}. Resume it with those, or give another --out.",
        )
    if record.processes != processes:
        raise TwinlensError(
            "already_exists",
            f"{out} was begun with {record.processes} processes (now {processes}), and would not go on exactly. Resume "
            f"it with torchrun --nproc-per-node {record.processes}, or give another --out.",
        )
    return record


def refuse_among_photos(out: Path, data: Path) -> None:
    """Keep a run's folder out of the folder of photos.

    :raises TwinlensError: ``invalid_arguments`` if it lies there.
    """
    if out.resolve().is_relative_to(data.resolve()):
        raise TwinlensError(
            "invalid_arguments",
            f"--out {out} lies in the folder of photos, {data}, where it would be taken for a label as soon as the "
            "photos are read again. Give a folder elsewhere.",
        )


def load_splits(run: Path) -> Splits:
    """Read which photos are in which split of a run.

    :param run: the run's folder.
    :raises TwinlensError: ``invalid_run`` if there is no ``splits.json``, or it cannot be used.
    """
    try:
        return TypeAdapter(Splits).validate_json(_read(run, SPLITS), strict=True)
    except ValidationError as error:
        raise _broken(run / SPLITS, error) from None


def save(run: Path, record: Run) -> None:
    """Write ``run.json`` in one step.

    :param run: the run's folder.
    """
    write_atomically(run / RUN, as_json(record.model_dump(mode="json")))


def save_splits(run: Path, splits: Splits, rows: Sequence[Row] | None = None) -> None:
    """Write ``splits.json``, each file in one step, and what the manifest says of the photos, where there is one.

    :param run: the run's folder.
    :param rows: the manifest as it was trained on; the one beside the photos may change.
    """
    write_atomically(run / SPLITS, as_json(splits))
    if rows is not None:
        write_atomically(run / MANIFEST, manifest.encode(rows))


def as_json(value: Any) -> bytes:
    """UTF-8 JSON that a person can read: two spaces, ending with a newline."""
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def versions() -> dict[str, str]:
    """Versions of what decides the outcome of a training."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "twinlens": twinlens.__version__,
    }


def git_commit() -> str | None:
    """The commit of the code that runs, ``-dirty`` appended if files were changed; ``None`` outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _read(run: Path, name: str) -> bytes:
    try:
        return (run / name).read_bytes()
    except OSError as error:
        raise TwinlensError(
            "invalid_run",
            f"{run} is no training run: its {name} cannot be read ({error.strerror}). Give the folder that "
            "`python -m training train DATA --out RUN` wrote.",
        ) from None


def _broken(path: Path, error: ValidationError) -> TwinlensError:
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"]) or "the file"
    return TwinlensError(
        "invalid_run",
        f"{path}: {where}: {first['msg']}. It was changed by hand or by another version of Twinlens: train again.",
    )

"""What ``python -m training evaluate`` measures: a run's best weights or an exported graph, on a folder's photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from training import checkpoint, networks
from training.data import DataSet, Sample, open_dataset, reopen
from training.evaluate import WEIGHTS_OF_RUN, Predict, predictor
from training.files import Read
from training.rules import Preprocessing, preprocessing
from training.run import RUN, Run, load
from twinlens.contract import Contract
from twinlens.errors import TwinlensError
from twinlens.inference import Network
from twinlens.store import CONTRACT, CURRENT, ModelVersion, open_model


@dataclass(frozen=True)
class Target:
    """What is measured: a run's best weights in torch, or a model's graph in ONNX Runtime."""

    path: Path
    what: str
    digest: str
    """SHA-256 of the run's ``best.pt``, or of the model's contract."""
    labels: Sequence[str]
    data_digest: str
    rules: Contract | Preprocessing
    predict: Predict
    subject: Run | ModelVersion

    @property
    def name(self) -> str:
        """The model's name, or that of the run's folder."""
        return self.path.resolve().name if isinstance(self.subject, Run) else self.subject.contract.model.name

    @property
    def architecture(self) -> str:
        """torchvision's name of the network."""
        subject = self.subject
        return subject.arch if isinstance(subject, Run) else subject.contract.model.architecture

    @property
    def run(self) -> Run | None:
        """The run, if it is one."""
        return self.subject if isinstance(self.subject, Run) else None

    @property
    def version(self) -> ModelVersion | None:
        """The exported version, if it is one."""
        return self.subject if isinstance(self.subject, ModelVersion) else None


@dataclass(frozen=True)
class Calibration:
    """How logits become scores, and when an answer is "not sure"."""

    temperature: float
    threshold: float | None
    """``None`` where none was fitted."""
    fitted: Literal["contract", "validation", "no"]
    """Taken from the contract; fitted on the run's validation photos, as an export will do; or not at all."""


@dataclass(frozen=True)
class Measured:
    """A target's answers for the photos of one split, and the figures that came of them."""

    target: Target
    photos: DataSet
    split: str
    logits: NDArray[np.float32]
    """Of shape (N, labels), in the order of ``samples``."""
    calibration: Calibration
    result: dict[str, Any]
    """See :func:`training.measure.evaluate`."""

    @property
    def samples(self) -> list[Sample]:
        """The photos that were measured, with their right labels."""
        return self.photos.splits[self.split]

    @property
    def targets(self) -> NDArray[np.int64]:
        """Indices of the right labels, of shape (N,)."""
        return np.array([sample.label for sample in self.samples], np.int64)


def open_target(path: Path) -> Target:
    """Open what lies at a path.

    :param path: folder of a run, of a model, or of one version of a model.
    :raises TwinlensError: ``model_not_found`` if there is neither run nor model, ``invalid_run``, or what opening the
        model raises.
    """
    if (path / RUN).is_file():
        record = load(path)
        network = networks.create(record.arch, len(record.labels))
        network.load_state_dict(checkpoint.load_best(path))
        rules = preprocessing(record)
        digest = checkpoint.best_sha256(path)
        predict = predictor(network, rules.normalize, torch.device("cpu"))
        best = f", epoch {record.best.epoch}" if record.best else ""
        what = f"{WEIGHTS_OF_RUN}{best}, float32, torch"
        return Target(path, what, digest, record.labels, record.data_digest, rules, predict, record)
    if not (path / CURRENT).is_file() and not (path / CONTRACT).is_file():
        raise TwinlensError(
            "model_not_found",
            f"{path} is neither a training run (it has no {RUN}) nor a model (no {CURRENT} or {CONTRACT}).",
        )
    version = open_model(path)
    contract = version.contract
    what = f"exported graph, version {contract.model.version}"
    predict = Network(version).logits
    return Target(
        version.path, what, version.digest, contract.label_names, contract.dataset.digest, contract, predict, version
    )


def open_photos(target: Target, data: Path | None, other_data: bool, seed: int, read: Read | None = None) -> DataSet:
    """The photos to measure a target on, with the labels in the target's order.

    :param data: folder of photos; may be left out for a run.
    :param other_data: accept photos that it was not trained on.
    :param seed: of the split, where ``data`` has none of its own.
    :param read: decodes a file where all of them have to be read, to keep what it shows.
    :raises TwinlensError: ``invalid_data`` or ``invalid_arguments``.
    """
    if target.run is not None and not other_data:
        return reopen(target.path, target.run, data)
    if data is None:
        raise TwinlensError("invalid_arguments", f"Give the folder of photos that {target.path} is for: --data DATA.")
    photos = open_dataset(data, seed, read)
    if not other_data and not photos.is_of(target.data_digest):
        raise TwinlensError(
            "invalid_data",
            f"The photos in {data} are not those that {target.path} was trained on (digest {photos.digest[:12]}…, not "
            f"{target.data_digest[:12]}…). If it was trained with another --split-seed, give that; to measure on "
            "other photos all the same, add --other-data.",
        )
    unknown = sorted(set(photos.labels) - set(target.labels))
    if unknown:
        raise TwinlensError(
            "invalid_data", f"{data} has labels that {target.path} does not know: {', '.join(unknown)}. Remove them."
        )
    position = {label: index for index, label in enumerate(target.labels)}
    splits = {
        split: [Sample(sample.path, position[photos.labels[sample.label]]) for sample in samples]
        for split, samples in photos.splits.items()
    }
    return replace(photos, labels=list(target.labels), splits=splits)

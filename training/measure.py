"""The command ``python -m training evaluate``: a run, or an exported model, on the photos of one split."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch

from training import checkpoint, networks
from training.data import TEST, VALIDATION, DataSet, Sample, open_dataset, reopen
from training.evaluate import (
    MEASUREMENTS,
    Predict,
    append_measurement,
    evaluate_logits,
    measurements,
    predictor,
    run_network,
)
from training.progress import say
from training.rules import preprocessing
from training.run import RUN, Run, as_json, load
from training.train import whole
from twinlens.contract import Rules
from twinlens.errors import TwinlensError
from twinlens.inference import Network
from twinlens.store import CONTRACT, CURRENT, open_current, open_version, write_atomically

CARD: Final = "MODEL_CARD.md"


@dataclass(frozen=True)
class Target:
    """What is measured: a run's best weights in torch, or a model's graph in ONNX Runtime."""

    path: Path
    what: str
    digest: str
    """SHA-256 of the run's ``best.pt``, or of the model's contract."""
    labels: Sequence[str]
    data_digest: str
    rules: Rules
    predict: Predict
    run: Run | None


def add_parser(commands: Any) -> None:
    """Declare the command.

    :param commands: what :meth:`argparse.ArgumentParser.add_subparsers` gave.
    """
    parser = commands.add_parser(
        "evaluate",
        help="measure a run or an exported model",
        description="Measure a run or an exported model on the photos of one split, through the preprocessing that it "
        "is served with. Every measurement on test is recorded, in the run's measurements.json or the model's card.",
    )
    add = parser.add_argument
    add("target", type=Path, metavar="TARGET", help="folder of a run, of a model, or of one version of a model")
    add("--split", choices=[VALIDATION, TEST], required=True, help="which photos")
    add("--data", type=Path, help="folder of photos (for a run by default the one it was trained on)")
    add("--other-data", action="store_true", help="the photos need not be those that it was trained on")
    add("--seed", type=whole(0), default=0, help="of the split, where DATA has no splits of its own (default: 0)")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(func=run)


def run(options: argparse.Namespace) -> None:
    """Measure, record, print.

    :raises TwinlensError: as :func:`evaluate` does.
    """
    result = evaluate(options.target, options.split, options.data, options.other_data, options.seed)
    say(as_json(result).decode().rstrip() if options.json else table(result))


def evaluate(
    path: Path, split: str, data: Path | None = None, other_data: bool = False, seed: int = 0
) -> dict[str, Any]:
    """Measure what lies at a path, and record it if the split is test.

    :param path: folder of a run, of a model, or of one version of a model.
    :param split: ``validation`` or ``test``.
    :param data: folder of photos; may be left out for a run.
    :param other_data: accept photos that it was not trained on.
    :param seed: of the split, where ``data`` has none of its own.
    :return: what :func:`training.evaluate.evaluate_logits` gives, ``per_label`` by label's name, with ``date``,
        ``what``, ``target``, ``split``, ``digest`` (of what was measured), ``data`` and ``data_digest``.
    :raises TwinlensError: ``model_not_found`` if there is neither run nor model, ``invalid_run``, ``invalid_data``,
        ``invalid_arguments``, or what opening the model raises.
    """
    target = _open(path)
    photos = _photos(target, data, other_data, seed)
    samples = photos.splits[split]
    if not samples:
        raise TwinlensError("invalid_data", f"{photos.path} has no photos in its {split} split.")
    measured = evaluate_logits(*run_network(target.predict, samples, target.rules))
    measured["per_label"] = dict(zip(target.labels, measured["per_label"], strict=True))
    trained_on = photos.digest == target.data_digest
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "what": target.what if trained_on else f"{target.what}, on other photos ({photos.path.name})",
        "target": str(target.path),
        "split": split,
        "digest": target.digest,
        "data": str(photos.path),
        "data_digest": photos.digest,
        **measured,
    }
    if split == TEST:
        _record(target, result)
    return result


def table(result: Mapping[str, Any]) -> str:
    """A measurement as text: the figure with its interval, and recall by label."""
    low, high = result["interval"]
    width = max(len(label) for label in result["per_label"])
    lines = [
        f"{result['target']} ({result['what']}) on {result['split']} of {result['data']}",
        f"top-1 {result['top1']:.4f} ({result['correct']} of {result['n']}; 95 % interval {low:.3f} to {high:.3f}), "
        f"mean negative log-likelihood {result['nll']:.3f}",
        f"{'label':{width}}  photos  right  recall",
    ]
    for label, found in result["per_label"].items():
        recall = "     -" if found["recall"] is None else f"{found['recall']:6.3f}"
        lines.append(f"{label:{width}}  {found['n']:6}  {found['correct']:5}  {recall}")
    return "\n".join(lines)


def _open(path: Path) -> Target:
    if (path / RUN).is_file():
        record = load(path)
        network = networks.create(record.arch, len(record.labels))
        network.load_state_dict(checkpoint.load_best(path))
        rules = preprocessing(record)
        digest = hashlib.sha256((path / checkpoint.BEST).read_bytes()).hexdigest()
        predict = predictor(network, rules.normalize, torch.device("cpu"))
        best = f", epoch {record.best.epoch}" if record.best else ""
        what = f"weights of the run{best}, float32, torch"
        return Target(path, what, digest, record.labels, record.data_digest, rules, predict, record)
    if not (path / CURRENT).is_file() and not (path / CONTRACT).is_file():
        raise TwinlensError(
            "model_not_found",
            f"{path} is neither a training run (it has no {RUN}) nor a model (no {CURRENT} or {CONTRACT}).",
        )
    version = open_version(path) if (path / CONTRACT).is_file() else open_current(path)
    contract = version.contract
    what = f"exported graph, version {contract.model.version}"
    digest, predict = version.digest, Network(version).logits
    return Target(version.path, what, digest, contract.label_names, contract.dataset.digest, contract, predict, None)


def _photos(target: Target, data: Path | None, other_data: bool, seed: int) -> DataSet:
    if target.run is not None and not other_data:
        return reopen(target.path, target.run, data)
    if data is None:
        raise TwinlensError("invalid_arguments", f"Give the folder of photos to measure {target.path} on: --data DATA.")
    photos = open_dataset(data, seed)
    if not other_data and photos.digest != target.data_digest:
        raise TwinlensError(
            "invalid_data",
            f"The photos in {data} are not those that {target.path} was trained on (digest {photos.digest[:12]}…, not "
            f"{target.data_digest[:12]}…). If it was trained with another --seed, give that; to measure on other "
            "photos all the same, add --other-data.",
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
    return DataSet(photos.path, list(target.labels), splits, photos.digest, photos.left_out, photos.notes)


def _record(target: Target, result: Mapping[str, Any]) -> None:
    kept = ("date", "what", "split", "digest", "data_digest", "top1", "n", "correct")
    measurement = {key: result[key] for key in kept}
    if target.run is None:
        append_measurement(target.path / CARD, measurement)
    else:
        done = [*measurements(target.path), measurement]
        write_atomically(target.path / MEASUREMENTS, as_json(done))

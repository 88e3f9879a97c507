"""The command ``python -m training evaluate``: a run, or an exported model, on the photos of one split."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.calibration import fit_not_sure, fit_temperature
from training.data import TEST, VALIDATION, DataSet
from training.evaluate import MEASUREMENTS, append_measurement, evaluate_logits, measurements, run_network
from training.model_card import CARD
from training.progress import say
from training.report.write import METRICS, REPORT, write
from training.run import as_json
from training.target import Calibration, Measured, Target, open_photos, open_target
from twinlens.arguments import integer
from twinlens.errors import TwinlensError
from twinlens.inference import softmax
from twinlens.store import write_atomically


def add_parser(commands: Any) -> None:
    """Declare the command.

    :param commands: what :meth:`argparse.ArgumentParser.add_subparsers` gave.
    """
    parser = commands.add_parser(
        "evaluate",
        help="measure a run or an exported model, and write a report",
        description="Measure a run or an exported model on the photos of one split, through the preprocessing that it "
        f"is served with, and write {METRICS} and {REPORT}. Every measurement on test is recorded, in the run's "
        "measurements.json or the model's card.",
    )
    add = parser.add_argument
    add("target", type=Path, metavar="TARGET", help="folder of a run, of a model, or of one version of a model")
    add("--split", choices=[VALIDATION, TEST], required=True, help="which photos")
    add("--data", type=Path, help="folder of photos (for a run by default the one it was trained on)")
    add("--other-data", action="store_true", help="the photos need not be those that it was trained on")
    add(
        "--split-seed",
        type=integer(0),
        default=0,
        help="of the split, where DATA has none of its own: what the model was trained with (default: 0)",
    )
    add(
        "--out",
        type=Path,
        metavar="FOLDER",
        help=f"where {METRICS} and {REPORT} go (default: RUN/report/SPLIT, or report/MODEL/VERSION/SPLIT here)",
    )
    add("--no-page", action="store_true", help="do not time the page in Chromium")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(func=run)


def run(options: argparse.Namespace) -> None:
    """Measure, record, write the report, print.

    :raises TwinlensError: as :func:`measure` does.
    """
    measured = measure(options.target, options.split, options.data, options.other_data, options.split_seed)
    if not options.json:
        say(table(measured.result))
    folder = options.out or default_folder(measured)
    write(measured, folder, page=not options.no_page)
    if options.json:
        say(as_json({**measured.result, "report": str(folder / REPORT)}).decode().rstrip())
    else:
        say(f"{folder / REPORT} shows it, {folder / METRICS} holds the figures")


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
    return measure(path, split, data, other_data, seed).result


def measure(path: Path, split: str, data: Path | None = None, other_data: bool = False, seed: int = 0) -> Measured:
    """Do what :func:`evaluate` does, and keep every answer."""
    target = open_target(path)
    photos = open_photos(target, data, other_data, seed)
    samples = photos.splits[split]
    if not samples:
        raise TwinlensError("invalid_data", f"{photos.path} has no photos in its {split} split.")
    logits, targets = run_network(target.predict, samples, target.rules)
    trained_on = photos.is_of(target.data_digest)
    calibration = _calibration(target, photos, (split, logits, targets) if trained_on else None)
    measured = evaluate_logits(logits, targets, calibration.temperature, calibration.threshold)
    measured["per_label"] = dict(zip(target.labels, measured["per_label"], strict=True))
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
    return Measured(target, photos, split, logits, calibration, result)


def default_folder(measured: Measured) -> Path:
    """Where the report goes if nobody says where: into the run, or below the working folder for a model.

    A version's own folder is left as it was exported. Other photos than the model's own get a folder of their own.
    """
    own = measured.photos.is_of(measured.target.data_digest)
    name = measured.split if own else f"{measured.split} of {measured.photos.path.resolve().name}"
    if measured.target.version is None:
        return measured.target.path / "report" / name
    model = measured.target.version.contract.model
    return Path("report", model.name, model.version, name)


def table(result: Mapping[str, Any]) -> str:
    """A measurement as text: the figure with its interval, and recall by label."""
    low, high = result["interval"]
    width = max(len(label) for label in result["per_label"])
    lines = [
        f"{result['target']} ({result['what']}) on {result['split']} of {result['data']}",
        f"top-1 {result['top1']:.4f} ({result['correct']} of {result['n']}; 95 % interval {low:.3f} to {high:.3f}), "
        f"mean negative log-likelihood {result['nll']:.3f}, calibration error {result['ece']:.3f}",
        f"{'label':{width}}  photos  right  recall",
    ]
    for label, found in result["per_label"].items():
        recall = "     -" if found["recall"] is None else f"{found['recall']:6.3f}"
        lines.append(f"{label:{width}}  {found['n']:6}  {found['correct']:5}  {recall}")
    return "\n".join(lines)


def _calibration(target: Target, photos: DataSet, answers: tuple[str, Any, Any] | None) -> Calibration:
    """A model's own calibration; for a run the one that an export would fit now.

    :param answers: split, logits and right labels of what was measured; ``None`` if those are other photos.
    """
    if target.version is not None:
        contract = target.version.contract
        return Calibration(contract.temperature, contract.not_sure.threshold, "contract")
    if answers is None:
        return Calibration(1.0, None, "no")
    split, logits, targets = answers
    if split != VALIDATION:
        logits, targets = run_network(target.predict, photos.splits[VALIDATION], target.rules)
    temperature = fit_temperature(logits, targets)
    return Calibration(temperature, fit_not_sure(softmax(logits, temperature), targets).threshold, "validation")


def _record(target: Target, result: Mapping[str, Any]) -> None:
    kept = ("date", "what", "split", "digest", "data_digest", "top1", "n", "correct")
    measurement = {key: result[key] for key in kept}
    if target.run is None:
        append_measurement(target.path / CARD, measurement)
    else:
        done = [*measurements(target.path), measurement]
        write_atomically(target.path / MEASUREMENTS, as_json(done))

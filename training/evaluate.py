"""Measuring a network on photos, through the exact preprocessing that it is served with.

Whatever is measured on the test split is written down beside what was measured, since every look at it makes the
next figure a little less honest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training.data import TEST, Sample
from training.model_card import MEASUREMENTS_HEADING
from training.networks import to_input
from training.photos import Photos, served
from training.progress import bar
from training.run import as_json
from twinlens.contract import Normalize, Rules
from twinlens.errors import TwinlensError
from twinlens.inference import available_threads, softmax
from twinlens.metrics import evaluate_scores
from twinlens.store import write_atomically

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From uint8 (N, height, width, 3), RGB, to logits, float32 (N, labels)."""

MEASUREMENTS: Final = "measurements.json"
WEIGHTS_OF_RUN: Final = "weights of the run"
"""What is said to have been measured, in words, begins so where it was a run."""
_TABLE_HEAD: Final = ("| Date | What | Digest | Top-1 | Photos |", "| --- | --- | --- | --- | --- |")
# What `append_measurement` writes.
_ROW: Final = re.compile(
    r"\| (?P<date>\S+) \| (?P<what>.+) \| `(?P<digest>[0-9a-f]+)` \| (?P<top1>[01]\.\d+) \| (?P<n>\d+) \|"
)
_BATCH: Final = 32


def evaluate_logits(
    logits: NDArray[np.floating],
    targets: NDArray[np.integer],
    temperature: float = 1.0,
    threshold: float | None = None,
) -> dict[str, Any]:
    """Accuracy of a network's answers.

    :param logits: array of shape (N, labels), N at least 1.
    :param targets: index of the right label, of shape (N,).
    :param temperature: what the logits are divided by.
    :param threshold: the score below which an answer is "not sure"; ``None`` where there is none.
    :return: what :func:`twinlens.metrics.evaluate_scores` gives for the scores, and ``temperature``.
    :raises ValueError: if there is no photo.
    """
    measured = evaluate_scores(softmax(logits, temperature), targets, threshold)
    return {**measured, "temperature": temperature}


def run_network(
    predict: Predict, samples: Sequence[Sample], rules: Rules
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Run a network on photos.

    :param predict: the network.
    :param samples: the photos.
    :param rules: a contract, or the rules of a run.
    :return: logits, float32 (N, labels), and the index of the right label, int64 (N,).
    :raises TwinlensError: as :func:`twinlens.decode.decode` does, for a file that is no image.
    """
    return run_photos(predict, Photos(samples, served(rules)), "Measuring")


def run_photos(predict: Predict, photos: Photos, what: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Run a network on photos of the served size, the next ones being decoded in threads meanwhile.

    :return: as :func:`run_network` does.
    """
    logits = []
    starts = range(0, len(photos), _BATCH)
    with ThreadPoolExecutor(available_threads()) as pool, bar(len(photos), what) as progress:

        def read(start: int) -> list[Any]:
            return [pool.submit(photos.__getitem__, i) for i in range(start, min(start + _BATCH, len(photos)))]

        following = read(0)
        for start in starts:
            pixels = np.stack([job.result() for job in following])
            following = read(start + _BATCH)
            logits.append(predict(pixels))
            progress.update(len(pixels))
    return np.concatenate(logits), np.array([sample.label for sample in photos.samples], np.int64)


def predictor(network: nn.Module, normalize: Normalize, device: torch.device) -> Predict:
    """A torch network as a function of arrays, in float32 and in evaluation mode."""

    def predict(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        network.eval()
        with torch.inference_mode():
            return np.asarray(network(to_input(torch.from_numpy(pixels), normalize, device)).float().cpu().numpy())

    return predict


def measurements(run: Path) -> list[dict[str, Any]]:
    """What was ever measured on test with a run, oldest first.

    :param run: the run's folder.
    :return: dictionaries with at least ``date``, ``what``, ``split``, ``digest``, ``top1``, ``n`` and ``correct``.
    :raises TwinlensError: ``invalid_run`` if its ``measurements.json`` cannot be read.
    """
    path = run / MEASUREMENTS
    try:
        return list(json.loads(path.read_bytes())) if path.exists() else []
    except (OSError, ValueError) as error:
        raise TwinlensError(
            "invalid_run", f"{path} cannot be read ({error}). Mend it: it is the only record."
        ) from None


def measurements_from(run: Path) -> list[dict[str, Any]]:
    """As :func:`measurements`, for the record of what is made from the run: which run it was is said.

    :param run: the run's folder.
    :raises TwinlensError: as :func:`measurements` does.
    """
    own = f"{WEIGHTS_OF_RUN} {run.resolve().name},"
    return [{**each, "what": str(each["what"]).replace(f"{WEIGHTS_OF_RUN},", own, 1)} for each in measurements(run)]


def measurements_in(card: Path) -> list[dict[str, Any]]:
    """The rows that :func:`append_measurement` has written into a card, as :func:`measurements` gives them.

    :param card: the ``MODEL_CARD.md``; it may be missing, and anybody may have changed it.
    """
    try:
        lines = card.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    rows = (_ROW.fullmatch(line) for line in lines)
    return [
        {
            "date": row["date"],
            "what": row["what"].replace("\\|", "|"),
            "split": TEST,
            "digest": row["digest"],
            "top1": float(row["top1"]),
            "n": int(row["n"]),
            "correct": round(float(row["top1"]) * int(row["n"])),
        }
        for row in rows
        if row
    ]


def inherit(run: Path, looks: Sequence[Mapping[str, Any]]) -> None:
    """Begin a run's record with what was measured on test with what it is made from, unless it has a record.

    Whoever measures it anew has seen those figures.

    :param run: the run's folder.
    :param looks: as :func:`measurements` gives them.
    """
    if looks and not (run / MEASUREMENTS).exists():
        write_atomically(run / MEASUREMENTS, as_json(list(looks)))


def append_measurement(card: Path, measurement: Mapping[str, Any]) -> None:
    """Add a row to the model card's table of measurements on test, which is begun if the card has none.

    :param card: the ``MODEL_CARD.md``.
    :param measurement: as :func:`measurements` gives them; ``digest`` names what was measured.
    :raises TwinlensError: ``invalid_model`` if the card cannot be read.
    """
    try:
        lines = card.read_text(encoding="utf-8").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TwinlensError("invalid_model", f"The model card {card} cannot be read: {error}.") from None
    what = str(measurement["what"]).replace("|", "\\|")
    row = (
        f"| {measurement['date']} | {what} | `{measurement['digest']}` | {measurement['top1']:.4f} "
        f"| {measurement['n']} |"
    )
    if MEASUREMENTS_HEADING not in lines:
        lines += ["", MEASUREMENTS_HEADING, "", *_TABLE_HEAD]
    end = lines.index(MEASUREMENTS_HEADING) + 1
    while end < len(lines) and (not lines[end] or lines[end].startswith("|")):
        end += 1
    while not lines[end - 1]:
        end -= 1
    lines.insert(end, row)
    write_atomically(card, ("\n".join(lines) + "\n").encode())

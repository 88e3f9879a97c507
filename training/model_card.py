"""MODEL_CARD.md: what a model was made from, what was measured, and what it must not be used for.

After Mitchell et al., "Model Cards for Model Reporting", 2019. The text that only the people who trained it know (where
the photos come from, their licence) is a Markdown file of theirs, set in as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.run import Run
from twinlens.contract import Contract
from twinlens.metrics import BINS, wilson

CARD: Final = "MODEL_CARD.md"
MEASUREMENTS_HEADING: Final = "## Measurements on test"
_WORST_SHOWN: Final = 5
_INITIAL: Final = "- Initial weights:"
_TAUGHT: Final = "- Taught,"
_TRAINING: Final = "- Training:"
_TUNING: Final = "- Tuned"


def render(
    contract: Contract, run: Run, about: str, evaluation: Mapping[str, Any], confused: Sequence[tuple[str, str, int]]
) -> str:
    """The card of a freshly exported version, without its measurements on test.

    :param about: Markdown on origin, licence and intended use; empty if nobody wrote any.
    :param evaluation: what ``evaluation.json`` holds: by split, what :func:`training.evaluate.evaluate_logits` gives,
        ``per_label`` by label's name.
    :param confused: right label, answered label and number of photos, on validation, most first.
    """
    model, counts = contract.model, contract.dataset.counts
    lines = [
        f"# {model.name}, version {model.version}",
        "",
        about.strip() or "Nobody has written where the photos come from, under which licence, and what this is for.",
        "",
        "## What it is",
        "",
        f"- Network: torchvision's {model.architecture}, {len(contract.labels)} labels: "
        f"{', '.join(contract.label_names)}.",
        f"- Trained on {counts['train']} photos, chosen on {counts['validation']}, tested on {counts['test']}; "
        f"digest of the data `{contract.dataset.digest}`.",
        *origin(run),
        f"- Input: {contract.crop.width} x {contract.crop.height} pixels, the centre of the photo with its shorter "
        f"edge at {contract.resize.shorter_edge}{_squeezed(contract)}.",
        f"- Weights: {_encodings(contract)}; temperature {contract.temperature:g}.",
        "",
        "## How right it is",
        "",
        *_figures(evaluation),
        "",
        f"Below a score of {contract.not_sure.threshold:.2f} it is not sure ({contract.not_sure.rule}).",
        "Its scores are calibrated by the temperature, which was fitted on validation as well. ECE is the expected",
        f"calibration error, over {BINS} bins of equal width (Guo et al. 2017): how far the scores are from the share",
        "that is right. What was fitted on validation looks a little better there than it is.",
        "",
        "## Where it fails",
        "",
        *_failures(evaluation["validation"], confused),
        "",
        "Photos unlike those it was trained on (drawings, several things at once, nothing of the kind) still get one",
        "of its labels, sometimes with a high score.",
        "",
        "## What it must not be used for",
        "",
        "Decisions about people, or any use where a wrong label does harm. It names what is in a photo, as far as that",
        "is one of its labels, and nothing else.",
        "",
    ]
    return "\n".join(lines)


def origin(run: Run) -> list[str]:
    """What a run's weights came from, as lines of a card."""
    made = f"{_trained(run)}, torch {run.versions['torch']}, torchvision {run.versions['torchvision']}."
    if run.tuned is None:
        return [f"{_INITIAL} {_initial(run)}.", *_taught(run), f"{_TRAINING} {made}"]
    tuned = run.tuned
    return [
        *tuned.origin,
        f"{_TUNING} for {tuned.weights}, so that rounding changes few answers: {tuned.source} (sha256 "
        f"`{tuned.sha256}`) learned, rounded, to answer as it did before: {made}",
    ]


def origin_in(card: Path) -> list[str]:
    """The lines that :func:`origin` gave for a card that was written.

    :param card: the ``MODEL_CARD.md``; it may be missing, and anybody may have changed it.
    :return: a line that says so where it holds none of them.
    """
    try:
        lines = card.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    found = [line for line in lines if line.startswith((_INITIAL, _TAUGHT, _TRAINING, _TUNING))]
    return found or [f"{_TRAINING} unknown: the card of the version that it was before says nothing of it."]


def most_confused(
    logits: NDArray[np.floating], targets: NDArray[np.integer], labels: Sequence[str]
) -> list[tuple[str, str, int]]:
    """Right label, answered label and how often, most first, at most five pairs.

    :param logits: array of shape (N, labels).
    :param targets: indices of the right labels, shape (N,).
    """
    wrong = [(int(t), int(a)) for t, a in zip(targets, logits.argmax(axis=1), strict=True) if t != a]
    pairs = sorted(set(wrong), key=lambda pair: (-wrong.count(pair), pair))
    return [(labels[right], labels[answer], wrong.count((right, answer))) for right, answer in pairs[:_WORST_SHOWN]]


def _figures(evaluation: Mapping[str, Any]) -> list[str]:
    lines = [
        "| Split | Photos | Top-1 | 95 % interval | ECE | Not sure | Right of the others | 95 % interval |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for split, found in evaluation.items():
        sure = found["not_sure"]
        of_others = "- | -" if sure["interval"] is None else f"{sure['accuracy']:.1%} | {_interval(sure['interval'])}"
        lines.append(
            f"| {split} | {found['n']} | {found['top1']:.4f} | {_interval(found['interval'])} | {found['ece']:.3f} "
            f"| {sure['share_not_sure']:.1%} | {of_others} |"
        )
    return lines


def _failures(validation: Mapping[str, Any], confused: Sequence[tuple[str, str, int]]) -> list[str]:
    """The labels of least recall and the most frequent mistakes, both on validation."""
    below = [
        (found["recall"], label, found)
        for label, found in validation["per_label"].items()
        if found["recall"] is not None and found["recall"] < validation["top1"]
    ]
    labels = [
        f"- {label}: {found['correct']} of {found['n']} validation photos right (95 % interval "
        f"{_interval(wilson(found['correct'], found['n']))})"
        for _, label, found in sorted(below, key=lambda each: each[:2])[:_WORST_SHOWN]
    ]
    pairs = [f"- {right} taken for {answered}: {count} of the validation photos" for right, answered, count in confused]
    return [*labels, *pairs] or ["No validation photo was answered wrongly."]


def _interval(ends: Sequence[float]) -> str:
    low, high = ends
    return f"{low:.3f} to {high:.3f}"


def _initial(run: Run) -> str:
    known = f" (sha256 `{run.init_sha256}`)" if run.init_sha256 else ""
    if run.init_name is not None:
        return f"those of {run.init_name}{known}, from which learning went on"
    return {
        "none": "none, trained from random numbers",
        "imagenet": f"torchvision's own for ImageNet, BSD-3-Clause{known}",
    }.get(run.init, f"a file given to the training{known}; its licence is what is said of it above, if anything is")


def _squeezed(contract: Contract) -> str:
    squeeze = contract.resize.squeeze
    return f"; of a longer photo, {squeeze:g} times as much along its longer edge, squeezed" if squeeze > 1 else ""


def _trained(run: Run) -> str:
    if run.soup:
        kept = [part for part in run.soup if part.kept]
        parts = ", ".join(f"seed {part.seed}, {part.epochs} epochs (`{part.sha256[:12]}`)" for part in kept)
        return f"the mean of the weights of {len(kept)} runs, of {len(run.soup)} that were tried: {parts}"
    best = f", the best was {run.best.epoch}" if run.best else ""
    return f"{len(run.epochs)} epochs{best}, seed {run.seed}"


def _taught(run: Run) -> list[str]:
    if not run.teachers:
        return []
    teachers = ", ".join(f"{taught.arch} (sha256 of its weights `{taught.sha256}`)" for taught in run.teachers)
    return [f"{_TAUGHT} beside the labels, by the mean answer of other networks trained before it: {teachers}."]


def _encodings(contract: Contract) -> str:
    kinds = [
        f"{weight.bits}-bit integers" if weight.encoding == "integer" else weight.encoding
        for weight in contract.weights.values()
    ]
    return ", ".join(f"{kinds.count(kind)} tensors in {kind}" for kind in sorted(set(kinds)))

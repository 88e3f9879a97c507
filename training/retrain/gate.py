"""The gate: what a candidate must show, beside the model in use and on the same photos, before it may take its place.

Pure functions from counts to verdicts. What they see and what they do not:

- **Overall.** Only the photos that one of the two answers rightly and the other wrongly can tell. From
  :data:`Limits.enough` photos on, the candidate has to show that it is not worse: the lower end of the one-sided 95 %
  interval of its accuracy less that of the model in use, by a paired bootstrap, must not lie below minus the tolerance.
  With 372 photos, of which 3 % are answered differently (rightly by one), a candidate that is just as good passes in
  three of four cases and one that is a point better nearly always; one that is worse by the tolerance of two points
  passes in one of fifteen. With 5 % that differ, nearly half of the equal ones are refused. That is the side to err on:
  refusing costs a retraining, publishing costs every answer. A finer tolerance needs more photos, by its square.
- **Few photos.** Below that number nothing could show it, so a candidate is refused only if it is shown to be worse:
  the upper end of the interval lies below zero.
- **By label.** A label may lose a share of its photos up to the margin; a loss of one or two photos is never held
  against it, since of a dozen photos two are a sixth. A label of which nothing is answered rightly any more is refused
  from two photos on. A fall within the margin, or of a label with one photo on test, is not seen.
- **What no figure here can see**: a change that shows on other photos only. A queue of reviews that was poisoned so
  that one mark in the picture decides the answer leaves these figures alone; the guard against that is who may review.

The test split is looked at once more with every candidate. The gate refuses by it and never chooses between candidates
by it, so that what is spent is small, but it is not nothing: replace the split after some dozens of retrainings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from twinlens.report.html import Content, Text, both

_DRAWS: Final = 10_000
_TAIL: Final = 5.0
_SEED: Final = 0


@dataclass(frozen=True)
class Limits:
    """How much worse a candidate may be. ``retrain.json`` records them."""

    tolerance: float = 0.02
    """Share of all photos."""
    label_margin: float = 0.1
    """Share of a label's photos."""
    label_photos: int = 3
    """Loss of a label, in photos, below which it is never refused."""
    enough: int = 100
    """Photos from which on a candidate has to show that it is not worse."""
    test_changes: float = 0.05
    """Share of the test photos that may have been relabelled or removed since the model in use was trained."""


@dataclass(frozen=True)
class Pairs:
    """How the model in use and the candidate did on the same photos."""

    both: int
    """Photos that both answered rightly."""
    only_old: int
    only_new: int
    neither: int

    @property
    def n(self) -> int:
        """All photos."""
        return self.both + self.only_old + self.only_new + self.neither

    @property
    def old(self) -> float:
        """Accuracy of the model in use."""
        return (self.both + self.only_old) / self.n

    @property
    def new(self) -> float:
        """Accuracy of the candidate."""
        return (self.both + self.only_new) / self.n

    def __add__(self, other: Pairs) -> Pairs:
        return Pairs(
            self.both + other.both,
            self.only_old + other.only_old,
            self.only_new + other.only_new,
            self.neither + other.neither,
        )


@dataclass(frozen=True)
class Verdict:
    """What one part of the gate says."""

    name: str
    """A stable word."""
    passed: bool | None
    """``None`` where there was nothing to judge."""
    english: str
    """What was found, in a sentence."""
    text: Content
    """The same in the report's languages."""
    figures: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As it stands in ``retrain.json``."""
        return {"name": self.name, "passed": self.passed, "said": self.english, **self.figures}


def verdict(name: str, passed: bool | None, en: str, zh: str, figures: Mapping[str, Any], **values: str) -> Verdict:
    """A verdict whose sentence is written once for each language.

    :param values: for the places in both sentences.
    """
    return Verdict(name, passed, en.format(**values), both(en, zh, **values), dict(figures))


def pairs_by_label(compared: Mapping[str, Any]) -> dict[str, Pairs]:
    """The counts of each label that both models know.

    :param compared: what :func:`twinlens.compare.measure.measure` gave for labelled photos, A the model in use and B
        the candidate.
    """
    old, new = (compared["models"][side]["figures"]["per_label"] for side in ("a", "b"))
    differ = {label: [each for each in compared["differ"] if each["label"] == label] for label in old}
    found = {}
    for label, of_old in old.items():
        only_old = sum(each["a"]["label"] == label for each in differ[label])
        only_new = sum(each["b"]["label"] == label for each in differ[label])
        right = of_old["correct"] - only_old
        assert right == new[label]["correct"] - only_new, "both answered the same photos"
        found[label] = Pairs(right, only_old, only_new, of_old["n"] - right - only_old - only_new)
    return found


def interval(pairs: Pairs) -> tuple[float, float]:
    """The one-sided 95 % ends of the candidate's accuracy less the other's, by a paired bootstrap over the photos.

    Drawing photos again, each with both answers, is drawing from the four counts, which is done here directly.
    """
    n = pairs.n
    shares = [pairs.only_old / n, pairs.only_new / n, (pairs.both + pairs.neither) / n]
    drawn = np.random.default_rng(_SEED).multinomial(n, shares, _DRAWS)
    low, high = np.percentile((drawn[:, 1] - drawn[:, 0]) / n, [_TAIL, 100 - _TAIL])
    return float(low), float(high)


def not_worse(name: str, by_label: Mapping[str, Pairs], limits: Limits) -> Verdict:
    """Whether the candidate is right as often as the model in use, or nothing shows otherwise where photos are few."""
    if not by_label:
        return verdict(name, None, "No photo to judge by.", "没有可用于判断的照片。", {"n": 0})
    pairs = sum(by_label.values(), Pairs(0, 0, 0, 0))
    low, high = interval(pairs)
    figures = {
        "n": pairs.n,
        "old": pairs.old,
        "new": pairs.new,
        "only_old": pairs.only_old,
        "only_new": pairs.only_new,
        "interval": [low, high],
    }
    values = {
        "new": f"{pairs.new:.1%}",
        "old": f"{pairs.old:.1%}",
        "n": str(pairs.n),
        "low": _points(low),
        "high": _points(high),
        "tolerance": _points(-limits.tolerance),
    }
    if pairs.n >= limits.enough:
        return verdict(
            name,
            low >= -limits.tolerance,
            "{new} after {old} on {n} photos: {low} points or better (one-sided 95 %); {tolerance} or better is let "
            "through.",
            "{n} 张照片上由 {old} 变为 {new}：差值不低于 {low} 个百分点（单侧 95%），允许的下限为 {tolerance}。",
            figures,
            **values,
        )
    return verdict(
        name,
        high >= 0,
        "{new} after {old} on {n} photos, too few to show that nothing was lost: {low} to {high} points; it is refused "
        "only if all of that is below zero.",
        "{n} 张照片上由 {old} 变为 {new}。照片太少，无法证明没有变差：{low} 至 {high} 个百分点；"
        "只有区间全部低于零才会拒绝。",
        figures,
        **values,
    )


def labels_kept(by_label: Mapping[str, Pairs], lost: list[str], limits: Limits) -> Verdict:
    """Whether no label became worse than the margin allows.

    :param lost: labels that the model in use knows and the candidate does not.
    """
    if lost:
        return verdict(
            "labels",
            False,
            "The candidate no longer knows {lost}.",
            "候选模型不再认识 {lost}。",
            {"lost": lost},
            lost=", ".join(lost),
        )
    worse = [label for label, pairs in by_label.items() if _fell(pairs, limits)]
    changes = {label: pairs.new - pairs.old for label, pairs in by_label.items()}
    figures = {"change": changes, "worse": worse}
    if not by_label:
        return verdict("labels", None, "No photo to judge by.", "没有可用于判断的照片。", figures)
    least = min(changes, key=lambda label: changes[label])
    values = {
        "margin": _points(-limits.label_margin),
        "photos": str(limits.label_photos),
        "least": f"{least} {_points(changes[least])}",
        "worse": ", ".join(f"{label} {_points(changes[label])}" for label in worse),
    }
    if not worse:
        return verdict(
            "labels",
            True,
            "No label lost more than {margin} points and {photos} photos or more; the least good: {least}.",
            "没有标签的损失超过 {margin} 个百分点且达到 {photos} 张；变化最差的是 {least}。",
            figures,
            **values,
        )
    return verdict(
        "labels",
        False,
        "Labels that became worse by more than {margin} points: {worse}.",
        "变差超过 {margin} 个百分点的标签：{worse}。",
        figures,
        **values,
    )


def same_test(before: int, kept: int, limits: Limits) -> Verdict:
    """Whether the test split is still the one that the model in use was measured on.

    Judged is by the photos that are there as they were. Where many are not, whoever reviewed has changed the judge.

    :param before: test photos when the model in use was trained.
    :param kept: those of them that are still in test, with the label that they had.
    """
    return verdict(
        "test-split",
        before > 0 and before - kept <= limits.test_changes * before,
        "{kept} of the {before} test photos of the model in use are as they were; at most {most} of them may have "
        "changed, and those that have are not judged by.",
        "当前模型的 {before} 张测试照片中有 {kept} 张保持原样；最多允许 {most} 发生变化，变化的照片不参与判断。",
        {"before": before, "kept": kept},
        kept=str(kept),
        before=str(before),
        most=f"{limits.test_changes:.0%}",
    )


def published(verdicts: list[Verdict]) -> bool:
    """Whether a candidate may be published: nothing speaks against it."""
    return all(each.passed is not False for each in verdicts)


def heading(name: str) -> Text:
    """What a part of the gate is called."""
    return _HEADINGS[name]


def _fell(pairs: Pairs, limits: Limits) -> bool:
    loss = pairs.only_old - pairs.only_new
    right = pairs.both + pairs.only_old
    gone = right >= 2 and pairs.both + pairs.only_new == 0
    return gone or (loss >= limits.label_photos and loss > limits.label_margin * pairs.n)


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")


_HEADINGS: Final = {
    "test-split": Text("The test split is the same", "测试集未变"),
    "overall": Text("Not worse on test", "测试集上没有变差"),
    "labels": Text("No label worse on test", "测试集上没有标签变差"),
    "held-out": Text("Not worse on reviewed photos held out", "留出的复核照片上没有变差"),
    "held-out-labels": Text("No label worse on those", "这些照片上没有标签变差"),
    "parity": Text("The server gives the golden answers", "服务器给出黄金答案"),
    "exports": Text("The page answers as the server does", "网页与服务器答案一致"),
    "in-use": Text("Nobody else has published meanwhile", "期间没有其他人发布"),
}

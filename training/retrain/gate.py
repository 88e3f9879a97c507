"""The gate: what a candidate must show, beside the model in use and on the same photos, before it may take its place.

Pure functions from counts to verdicts. What they see and what they do not:

- **Overall.** Only the photos that one of the two answers rightly and the other wrongly can tell. From
  :data:`Limits.enough` photos on, the candidate has to show that it is not worse: the lower end of the one-sided 95 %
  interval of its accuracy less that of the model in use, by a paired bootstrap, must not lie below minus the tolerance.
  :mod:`training.retrain.power` says how many candidates pass.

  Refusing is the side to err on: it costs a retraining, publishing costs every answer. A finer tolerance needs more
  photos, by its square.
- **Few photos.** Below that number two of three equal candidates would not pass, so a candidate is refused only if it
  is shown to be worse: the upper end of the interval lies below zero. Photos that are held out are few for long, and
  chosen by whoever reviews: there nothing else is asked at any number.
- **Round after round.** A loss within the limits could come again each time, and photos that were relabelled would be
  the truth of the next round. So a candidate is also held to the last version that a person has published, by test as
  it was then, with the labels of then: what was lost since, observed and all together, must be within the same limits.
- **Scores.** Temperature and "not sure" threshold are fitted on validation, which must not have changed either. The
  mean negative log-likelihood of the right label, the share of "not sure", and the share of wrong answers that are
  given as sure may each rise by so much.
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

DRAWS: Final = 10_000
_TAIL: Final = 5.0
SEED: Final = 0


@dataclass(frozen=True)
class Limits:
    """How much worse a candidate may be. ``retrain.json`` records them."""

    tolerance: float = 0.02
    """Share of all photos."""
    label_margin: float = 0.1
    """Share of a label's photos."""
    label_photos: int = 3
    """Loss of a label, in photos, below which it is never refused."""
    enough: int = 325
    """Photos from which on a candidate has to show that it is not worse."""
    test_changes: float = 0.05
    """Share of the test photos, and of those of validation, that may have been relabelled or removed since."""
    nll: float = 0.1
    """Rise of the negative log-likelihood, in nats: the right label's score is lower by a tenth then, in the mean."""
    not_sure: float = 0.1
    """Share of all photos by which "not sure" may rise."""


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
    drawn = np.random.default_rng(SEED).multinomial(n, shares, DRAWS)
    low, high = np.percentile((drawn[:, 1] - drawn[:, 0]) / n, [_TAIL, 100 - _TAIL])
    return float(low), float(high)


def not_worse(name: str, by_label: Mapping[str, Pairs], limits: Limits) -> Verdict:
    """Whether the candidate is right as often as the model in use, or nothing shows otherwise where photos are few."""
    if sum(pairs.n for pairs in by_label.values()) < limits.enough:
        return not_shown_worse(name, by_label)
    pairs, low, high = _together(by_label)
    return verdict(
        name,
        low >= -limits.tolerance,
        "{new} after {old} on {n} photos: {low} points or better (one-sided 95 %); {tolerance} or better is let "
        "through.",
        "{n} 张照片上由 {old} 变为 {new}：差值不低于 {low} 个百分点（单侧 95%），允许的下限为 {tolerance}。",
        {**_figures(pairs), "interval": [low, high]},
        **_said(pairs),
        low=_points(low),
        tolerance=_points(-limits.tolerance),
    )


def not_shown_worse(name: str, by_label: Mapping[str, Pairs]) -> Verdict:
    """Whether nothing shows that the candidate is worse."""
    if not by_label:
        return verdict(name, None, "No photo to judge by.", "没有可用于判断的照片。", {"n": 0})
    pairs, low, high = _together(by_label)
    return verdict(
        name,
        high >= 0,
        "{new} after {old} on {n} photos: {low} to {high} points (one-sided 95 % each); it is refused only if all of "
        "that is below zero.",
        "{n} 张照片上由 {old} 变为 {new}：{low} 至 {high} 个百分点（两端各为单侧 95%）；只有区间全部低于零才会拒绝。",
        {**_figures(pairs), "interval": [low, high]},
        **_said(pairs),
        low=_points(low),
        high=_points(high),
    )


def not_fallen(name: str, by_label: Mapping[str, Pairs], limits: Limits) -> Verdict:
    """Whether no more was lost, observed, than the tolerance: what all rounds since a version may lose together."""
    if not by_label:
        return verdict(name, None, "No photo to judge by.", "没有可用于判断的照片。", {"n": 0})
    pairs = sum(by_label.values(), Pairs(0, 0, 0, 0))
    return verdict(
        name,
        not _fell(pairs, limits.tolerance, limits),
        "{new} after {old} on {n} photos, since then; it is refused if more than {tolerance} points and {photos} "
        "photos or more are lost.",
        "自那时起，{n} 张照片上由 {old} 变为 {new}；损失超过 {tolerance} 个百分点且达到 {photos} 张时拒绝。",
        _figures(pairs),
        **_said(pairs),
        tolerance=_points(-limits.tolerance),
        photos=str(limits.label_photos),
    )


def scores_kept(name: str, compared: Mapping[str, Any] | None, limits: Limits) -> Verdict:
    """Whether the scores are worth as much: what is fitted on validation shows in these figures only.

    :param compared: as for :func:`pairs_by_label`; ``None`` where there was no photo.
    """
    if compared is None:
        return verdict(name, None, "No photo to judge by.", "没有可用于判断的照片。", {})
    old, new = (compared["models"][side]["figures"] for side in ("a", "b"))
    unsure = [figures["not_sure"]["share_not_sure"] for figures in (old, new)]
    wrong = [figures["not_sure"]["n"] - figures["not_sure"]["correct"] for figures in (old, new)]
    more_wrong = wrong[1] - wrong[0]
    # So written that what is no number is refused.
    passed = (
        new["nll"] - old["nll"] <= limits.nll
        and unsure[1] - unsure[0] <= limits.not_sure
        and (more_wrong < limits.label_photos or more_wrong <= limits.tolerance * new["n"])
    )
    return verdict(
        name,
        passed,
        "Negative log-likelihood {nll} after {nll_old} (at most {nll_more} more), not sure {unsure} after {unsure_old} "
        "(at most {unsure_more} points more), sure and wrong {wrong} photos after {wrong_old}.",
        "负对数似然由 {nll_old} 变为 {nll}（最多增加 {nll_more}）；“不确定”由 {unsure_old} 变为 {unsure}"
        "（最多增加 {unsure_more} 个百分点）；确定但答错的照片由 {wrong_old} 张变为 {wrong} 张。",
        {"nll": [old["nll"], new["nll"]], "not_sure": unsure, "sure_and_wrong": wrong},
        nll=f"{new['nll']:.3f}",
        nll_old=f"{old['nll']:.3f}",
        nll_more=f"{limits.nll:g}",
        unsure=f"{unsure[1]:.1%}",
        unsure_old=f"{unsure[0]:.1%}",
        unsure_more=f"{100 * limits.not_sure:g}",
        wrong=str(wrong[1]),
        wrong_old=str(wrong[0]),
    )


def labels_kept(name: str, by_label: Mapping[str, Pairs], lost: list[str], limits: Limits) -> Verdict:
    """Whether no label became worse than the margin allows.

    :param lost: labels that the other version knows and the candidate does not.
    """
    if lost:
        return verdict(
            name,
            False,
            "The candidate no longer knows {lost}.",
            "候选模型不再认识 {lost}。",
            {"lost": lost},
            lost=", ".join(lost),
        )
    worse = [label for label, pairs in by_label.items() if _fell(pairs, limits.label_margin, limits)]
    changes = {label: pairs.new - pairs.old for label, pairs in by_label.items()}
    figures = {"change": changes, "worse": worse}
    if not by_label:
        return verdict(name, None, "No photo to judge by.", "没有可用于判断的照片。", figures)
    least = min(changes, key=lambda label: changes[label])
    values = {
        "margin": _points(-limits.label_margin),
        "photos": str(limits.label_photos),
        "least": f"{least} {_points(changes[least])}",
        "worse": ", ".join(f"{label} {_points(changes[label])}" for label in worse),
    }
    if not worse:
        return verdict(
            name,
            True,
            "No label lost more than {margin} points and {photos} photos or more; the least good: {least}.",
            "没有标签的损失超过 {margin} 个百分点且达到 {photos} 张；变化最差的是 {least}。",
            figures,
            **values,
        )
    return verdict(
        name,
        False,
        "Labels that became worse by more than {margin} points: {worse}.",
        "变差超过 {margin} 个百分点的标签：{worse}。",
        figures,
        **values,
    )


def same_split(name: str, version: str, before: int, kept: int, limits: Limits) -> Verdict:
    """Whether a split is still the one that a version was measured, or calibrated, on.

    Where many photos are not as they were, whoever reviewed has changed the judge.

    :param version: its name.
    :param before: photos of the split when the version was trained.
    :param kept: those of them that are still in it, with the label that they had.
    """
    return verdict(
        name,
        before > 0 and before - kept <= limits.test_changes * before,
        "{kept} of its {before} photos are as they were for {version}; at most {most} of them may have changed.",
        "其 {before} 张照片中有 {kept} 张与 {version} 当时相同；最多允许 {most} 发生变化。",
        {"before": before, "kept": kept},
        kept=str(kept),
        before=str(before),
        version=version,
        most=f"{limits.test_changes:.0%}",
    )


def published(verdicts: list[Verdict]) -> bool:
    """Whether a candidate may be published: nothing speaks against it."""
    return all(each.passed is not False for each in verdicts)


def heading(name: str) -> Text:
    """What a part of the gate is called."""
    return _HEADINGS[name]


def _together(by_label: Mapping[str, Pairs]) -> tuple[Pairs, float, float]:
    pairs = sum(by_label.values(), Pairs(0, 0, 0, 0))
    return pairs, *interval(pairs)


def _figures(pairs: Pairs) -> dict[str, Any]:
    return {
        "n": pairs.n,
        "old": pairs.old,
        "new": pairs.new,
        "only_old": pairs.only_old,
        "only_new": pairs.only_new,
    }


def _said(pairs: Pairs) -> dict[str, str]:
    return {"new": f"{pairs.new:.1%}", "old": f"{pairs.old:.1%}", "n": str(pairs.n)}


def _fell(pairs: Pairs, margin: float, limits: Limits) -> bool:
    loss = pairs.only_old - pairs.only_new
    right = pairs.both + pairs.only_old
    gone = right >= 2 and pairs.both + pairs.only_new == 0
    return gone or (loss >= limits.label_photos and loss > margin * pairs.n)


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")


_HEADINGS: Final = {
    "test-split": Text("The test split is the same", "测试集未变"),
    "validation-split": Text("The validation split is the same", "验证集未变"),
    "anchor-test-split": Text("Test is the same since a person last published", "自上次人工发布以来测试集未变"),
    "anchor-validation-split": Text(
        "Validation is the same since a person last published", "自上次人工发布以来验证集未变"
    ),
    "overall": Text("Not worse on test", "测试集上没有变差"),
    "labels": Text("No label worse on test", "测试集上没有标签变差"),
    "scores": Text("Its scores are worth as much", "分数同样可信"),
    "anchor": Text("Not worse than what a person last published", "与上次人工发布的版本相比没有变差"),
    "anchor-labels": Text("No label worse than in that version", "与该版本相比没有标签变差"),
    "anchor-scores": Text("Its scores are worth as much as that version's", "分数与该版本同样可信"),
    "held-out": Text("Not worse on reviewed photos held out", "留出的复核照片上没有变差"),
    "held-out-labels": Text("No label worse on those", "这些照片上没有标签变差"),
    "parity": Text("The server gives the golden answers", "服务器给出黄金答案"),
    "exports": Text("The page answers as the server does", "网页与服务器答案一致"),
    "in-use": Text("Nobody else has published meanwhile", "期间没有其他人发布"),
}

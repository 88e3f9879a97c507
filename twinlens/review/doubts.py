"""Which photos to look at first: the probability that a label is wrong, by whatever doubts it most.

Four witnesses, each a number from 0 to 1: the model in use, for which a label that it gives little is a high loss,
and which may not be sure; ``python -m training data check``, whose classifier has not learned from the photo that it
judges; visitors, who say that it shows something else. A photo that a person has confirmed comes last, unless visitors
have spoken of it since. Photos that visitors sent and that are not in the data set come among the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from twinlens.classifier import Classifier
from twinlens.classify import answers
from twinlens.dataset import manifest
from twinlens.dataset.kept import kept
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.feedback.source import Waiting
from twinlens.folders import readable
from twinlens.inference import available_threads
from twinlens.review.decide import Newcomer
from twinlens.review.queue import newcomer
from twinlens.settings import Settings

Kind: TypeAlias = Literal["label-issue", "high-loss", "not-sure", "feedback"]
NOTHING_SAID: Final[Mapping[str, Waiting]] = {}
_DIGITS: Final = 16


@dataclass(frozen=True)
class Reason:
    """Why one label is doubted."""

    kind: Kind
    doubt: float
    """Probability that the label is wrong, as this witness has it."""
    suggested: str | None
    """The label that it would give."""
    suggested_score: float | None
    label: str | None = None
    """The label that it doubts; ``None`` where that is whatever the photo has."""


@dataclass(frozen=True)
class Doubt:
    """A photo, and every reason to look at it."""

    photo: Row | Newcomer
    reasons: list[Reason] = field(default_factory=list)
    waiting: Waiting | None = None
    """What visitors say of it and nobody has decided on."""

    @property
    def path(self) -> str:
        """What the page knows it by."""
        return self.photo.shown if isinstance(self.photo, Newcomer) else self.photo.path

    @property
    def reviewed(self) -> str | None:
        """When a person last said that the label is right; nobody has since visitors spoke of it."""
        return None if isinstance(self.photo, Newcomer) or self.waiting is not None else self.photo.reviewed

    @property
    def score(self) -> float:
        """The largest doubt; 0 where there is none."""
        return max((reason.doubt for reason in self.reasons), default=0.0)


@dataclass(frozen=True)
class Judged:
    """What a model says of photos."""

    labels: Sequence[str]
    scores: Mapping[str, NDArray[np.float64]]
    """By the photo's SHA-256: the score of each label; of those that it could answer."""
    not_sure: float
    """A best score under this means that the model is not sure."""


def judge(folder: Path, rows: Sequence[Row], classifier: Classifier, settings: Settings) -> Judged:
    """Have a model answer the photos of a data set; what it has answered before is kept.

    A photo that cannot be read, or is not what the manifest lists, has no answer; ``python -m training data verify``
    names it.
    """
    labels = classifier.contract.label_names

    def is_listed(row: Row) -> bool:
        return manifest.sha256_of(folder / row.path) == row.sha256

    def compute(some: Sequence[Row]) -> NDArray[np.float64]:
        found = np.full((len(some), len(labels)), np.nan)
        with ThreadPoolExecutor(available_threads()) as pool:
            sound = [at for at, listed in enumerate(pool.map(is_listed, some)) if listed]
        files = [folder / some[at].path for at in sound]
        for at, result in zip(sound, answers(files, classifier, settings, len(labels)), strict=True):
            if not isinstance(result.outcome, TwinlensError):
                for each in result.outcome["predictions"]:
                    found[at, labels.index(each["label"])] = each["score"]
        return found

    scores = kept(folder, f"scores-{classifier.version.digest[:_DIGITS]}", rows, compute, block=256)
    return Judged(
        labels,
        {row.sha256: each for row, each in zip(rows, scores, strict=True) if not np.isnan(each).any()},
        classifier.contract.not_sure.threshold,
    )


def read_issues(path: Path, rows: Sequence[Row]) -> tuple[dict[str, Reason], int]:
    """The doubtful labels of a ``check.json``, by path, and how many were left out.

    One is left out if its photo is no longer there with the bytes and the label that were doubted. A file that does
    not name the bytes counts as long as the data set is the one that it is of, by its digest.

    :param rows: of the manifest of now.
    :raises TwinlensError: ``invalid_data`` if it cannot be read as one.
    """
    there = {row.path: row for row in rows}
    try:
        content = json.loads(path.read_bytes())
        noise, same = content["label_noise"], content.get("digest") == manifest.digest(rows)
        doubtful = [] if noise is None else noise["doubtful"]
        found: dict[str, Reason] = {}
        for each in doubtful:
            score, other = float(each["score"]), float(each["suggested_score"])
            reason = Reason("label-issue", 1 - score, str(each["suggested"]), other, label=str(each["label"]))
            row = there.get(str(each["path"]))
            if row is None or row.label != reason.label:
                continue
            if row.sha256 == each["sha256"] if "sha256" in each else same:
                found[row.path] = reason
    except OSError as error:
        raise TwinlensError("invalid_data", f"{readable(path)} cannot be read ({error.strerror}).") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TwinlensError(
            "invalid_data",
            f"{readable(path)} is not what `python -m training data check` writes. Run it anew, or leave out --issues.",
        ) from None
    return found, len(doubtful) - len(found)


def doubts(
    rows: Sequence[Row], judged: Judged | None, issues: Mapping[str, Reason], said: Mapping[str, Waiting] = NOTHING_SAID
) -> list[Doubt]:
    """Every photo, the most doubtful first, those that were reviewed last; equal ones by path.

    :param issues: by path, see :func:`read_issues`; one on a label that the photo no longer has, or that a person has
        confirmed, is left out.
    :param said: by SHA-256, what visitors say of photos, of those that are not in the data set too.
    """
    found = [
        Doubt(
            row,
            [*_by_model(row, judged), *_issue(row, issues), *_by_visitors(row.label, said.get(row.sha256))],
            said.get(row.sha256),
        )
        for row in rows
    ]
    present = {row.sha256 for row in rows}
    found += [
        Doubt(newcomer(waiting), _by_visitors_alone(waiting), waiting)
        for sha256, waiting in said.items()
        if sha256 not in present
    ]
    return sorted(found, key=lambda doubt: (doubt.reviewed is not None, -doubt.score, doubt.path))


def _by_model(row: Row, judged: Judged | None) -> list[Reason]:
    scores = None if judged is None else judged.scores.get(row.sha256)
    # Of a label that it does not know a model says nothing: whatever it is sure of is something else.
    if judged is None or scores is None or row.label not in judged.labels:
        return []
    best = int(scores.argmax())
    suggested, score = judged.labels[best], float(scores[best])
    reasons = []
    if suggested != row.label:
        given = float(scores[judged.labels.index(row.label)])
        reasons.append(Reason("high-loss", 1 - given, suggested, score))
    if score < judged.not_sure:
        reasons.append(Reason("not-sure", 1 - score, suggested, score))
    return reasons


def _issue(row: Row, issues: Mapping[str, Reason]) -> list[Reason]:
    found = issues.get(row.path)
    return [found] if found is not None and row.reviewed is None and found.label in (None, row.label) else []


def _by_visitors(label: str, waiting: Waiting | None) -> list[Reason]:
    """That some of those who spoke of a photo say something else than its label."""
    if waiting is None:
        return []
    others = sum(count for each, count in waiting.said if each != label)
    return [Reason("feedback", others / len(waiting.words), waiting.label, None)]


def _by_visitors_alone(waiting: Waiting) -> list[Reason]:
    last = waiting.words[-1]
    return [Reason("feedback", waiting.doubt, last.predicted, last.score)]


def as_json(doubt: Doubt) -> dict[str, Any]:
    """What the page is told of one."""
    return {
        "path": doubt.path,
        "label": doubt.photo.label,
        "split": None if isinstance(doubt.photo, Newcomer) else doubt.photo.split,
        "reviewed": doubt.reviewed,
        "doubt": round(doubt.score, 4),
        "reasons": [
            {"kind": each.kind, "doubt": round(each.doubt, 4), "suggested": each.suggested} for each in doubt.reasons
        ],
        "feedback": None if doubt.waiting is None else _said(doubt.waiting),
    }


def _said(waiting: Waiting) -> dict[str, Any]:
    last = waiting.words[-1]
    return {
        "said": [{"label": label, "clients": count} for label, count in waiting.said],
        "predicted": last.predicted,
        "score": round(last.score, 4),
    }

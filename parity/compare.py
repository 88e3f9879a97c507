"""How far apart two answers are, and the goals that come of it. Arrays of answers in, figures out; no files, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.results import Goal, significant
from parity.photos import Photo
from parity.sides import Answer

MARGIN: Final = 0.02

DEFINITIONS: Final = {
    "score difference": "of one photo: the largest |server score - page score| over all labels; 1 where only one side "
    "gives an answer; photos that both sides refuse are listed and not counted",
    "mean_score_difference, max_score_difference": "mean and largest of these over the photos",
    "top1_agreement_at_margin": "share of photos with the same top label on both sides, among those whose two highest "
    f"server scores differ by more than {MARGIN}",
    "large_...": "the same on 12-megapixel JPEGs made out of the photos: enlarged, with noise and a woven pattern",
    "png_tensors_identical": "share of the opaque 8-bit PNG copies whose uint8 network input has the same SHA-256 in "
    "twinlens.preprocess and in the page",
    "png_max_score_difference": "largest score difference on these PNG copies",
}


@dataclass(frozen=True)
class Comparison:
    """One photo with the answers of both sides.

    ``input_sha256`` is that of the network's input on the server's side, where it was computed.
    """

    photo: Photo
    server: Answer
    page: Answer
    input_sha256: str | None = None

    @property
    def counts(self) -> bool:
        """Whether at least one side gave an answer."""
        return self.server.scores is not None or self.page.scores is not None

    @property
    def margin(self) -> float:
        """The difference of the server's two highest scores; 1 where the server gave none."""
        if self.server.scores is None:
            return 1.0
        first, second = sorted(self.server.scores.values(), reverse=True)[:2]
        return first - second

    @property
    def difference(self) -> float:
        """The largest difference of a score over all labels; 1 where only one side gave an answer."""
        if self.server.scores is None or self.page.scores is None:
            return 1.0
        if self.server.scores.keys() != self.page.scores.keys():
            return 1.0
        return max(abs(score - self.page.scores[label]) for label, score in self.server.scores.items())

    @property
    def agrees(self) -> bool:
        """Whether both sides give the same top label."""
        return self.server.label is not None and self.server.label == self.page.label

    @property
    def same_input(self) -> bool:
        """Whether both sides made the same input for the network."""
        return self.input_sha256 is not None and self.input_sha256 == self.page.input_sha256

    def row(self, group: str) -> dict[str, Any]:
        """The comparison as a row of the result file."""
        row: dict[str, Any] = {"group": group, "photo": self.photo.name, **self.photo.facts}
        for side, answer in (("server", self.server), ("page", self.page)):
            if answer.scores is None or answer.label is None:
                row[side] = {"error": answer.error}
            else:
                row[side] = {"label": answer.label, "score": significant(answer.scores[answer.label], 6)}
        if self.counts:
            row |= {"margin": significant(self.margin), "difference": significant(self.difference)}
        if self.input_sha256 is not None:
            row["same_input"] = self.same_input
        return row


def score_goals(comparisons: Sequence[Comparison], prefix: str = "") -> list[Goal]:
    """Agreement of the top label and difference of the scores, over photos.

    :param prefix: begins the goals' names.
    """
    counted = [one for one in comparisons if one.counts]
    clear = [one for one in counted if one.margin > MARGIN]
    differences = [one.difference for one in counted]
    return [
        Goal(f"{prefix}top1_agreement_at_margin", _mean([one.agrees for one in clear]), "share", 1.0, "higher"),
        Goal(f"{prefix}mean_score_difference", _mean(differences), "score", 0.002, "lower"),
        Goal(f"{prefix}max_score_difference", max(differences, default=None), "score", 0.02, "lower"),
    ]


def png_goals(comparisons: Sequence[Comparison]) -> list[Goal]:
    """Equality of the network's input and difference of the scores, over lossless copies."""
    differences = [one.difference for one in comparisons]
    return [
        Goal("png_tensors_identical", _mean([one.same_input for one in comparisons]), "share", 1.0, "higher"),
        Goal("png_max_score_difference", max(differences, default=None), "score", 1e-4, "lower"),
    ]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None

"""What to know of a data set before a model is trained on it: balance, copies and leaks, licences, doubtful labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from training import networks
from training.dataset.embeddings import ARCH, embeddings
from training.dataset.noise import Noise, can_judge, find_noise
from training.dataset.split import together
from training.dataset.twins import NEAR, Pair, twins
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.folders import readable

SPLITS: Final = ("train", "validation", "test", "held-out", None)

# A label with less than a tenth of the photos of the largest one is learned badly, and its figures say little.
_IMBALANCE: Final = 10
_FEW: Final = 30


@dataclass
class Checked:
    """What was found."""

    folder: Path
    rows: list[Row]
    pairs: list[Pair]
    noise: Noise | None
    network: str | None
    """What judged the labels; ``None`` where nothing did."""
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def leaks(self) -> list[Pair]:
        """The same picture in two splits, exact ones first, then by distance."""
        return sorted(filter(self._leaks, self.pairs), key=lambda pair: (not pair.exact, pair.distance))

    @property
    def conflicts(self) -> list[Pair]:
        """The same picture under two labels."""
        return [pair for pair in self.pairs if self.rows[pair.one].label != self.rows[pair.other].label]

    @property
    def copies(self) -> int:
        """Pairs of the same picture within one split and label."""
        return sum(not self._leaks(pair) for pair in self.pairs) - sum(not self._leaks(each) for each in self.conflicts)

    @property
    def torn_groups(self) -> list[str]:
        """Groups with photos in several splits."""
        places = defaultdict(set)
        for row in self.rows:
            if row.group is not None and row.split is not None:
                places[row.group].add(row.split)
        return sorted(group for group, found in places.items() if len(found) > 1)

    def balance(self) -> dict[str, dict[str, int]]:
        """Number of photos by label and split; ``none`` stands for no split."""
        found: dict[str, dict[str, int]] = {}
        for row in sorted(self.rows, key=lambda row: row.label):
            counts = found.setdefault(row.label, {str(split or "none"): 0 for split in SPLITS})
            counts[row.split or "none"] += 1
        return found

    def licences(self) -> dict[str, int]:
        """Number of photos by licence, the most frequent first; ``unknown`` stands for none."""
        return dict(Counter(row.licence or "unknown" for row in self.rows).most_common())

    def warnings(self) -> list[str]:
        """What stands in the way of figures that can be trusted, the worst first; stable words."""
        totals = [sum(counts.values()) for counts in self.balance().values()]
        splits = Counter(row.split for row in self.rows)
        divided = len(splits) - (None in splits) > 0
        found = {
            "leaks": bool(self.leaks),
            "torn_groups": bool(self.torn_groups),
            "conflicts": bool(self.conflicts),
            "one_label": len(totals) < 2,
            "no_split": None in splits and divided,
            "imbalance": max(totals) > _IMBALANCE * min(totals),
            "few_held_out": divided and any(0 < splits[split] < _FEW for split in ("validation", "test")),
            "doubtful_labels": self.noise is not None and bool(self.noise.doubts),
        }
        return [name for name, there in found.items() if there]

    def to_json(self) -> dict[str, Any]:
        """Everything, paths relative to the data set's folder."""
        return {
            "date": self.date,
            "data": readable(self.folder),
            "digest": manifest.digest(self.rows),
            "photos": len(self.rows),
            "warnings": self.warnings(),
            "balance": self.balance(),
            "licences": self.licences(),
            "leaks": [self._pair(pair) for pair in self.leaks],
            "conflicts": [self._pair(pair) for pair in self.conflicts],
            "copies": self.copies,
            "torn_groups": self.torn_groups,
            "label_noise": self._noise(),
        }

    def _leaks(self, pair: Pair) -> bool:
        one, other = self.rows[pair.one].split, self.rows[pair.other].split
        return None not in (one, other) and one != other

    def _pair(self, pair: Pair) -> dict[str, Any]:
        photos = [
            {"path": row.path, "split": row.split, "label": row.label}
            for row in (self.rows[pair.one], self.rows[pair.other])
        ]
        return {"exact": pair.exact, "distance": pair.distance, "photos": photos}

    def _noise(self) -> dict[str, Any] | None:
        if self.noise is None:
            return None
        return {
            "network": self.network,
            "checked": self.noise.checked,
            "not_checked": self.noise.not_checked,
            "accuracy": round(self.noise.accuracy, 4),
            "doubtful": [
                {
                    "path": self.rows[doubt.index].path,
                    "sha256": self.rows[doubt.index].sha256,
                    "split": self.rows[doubt.index].split,
                    "label": doubt.label,
                    "score": round(doubt.score, 4),
                    "suggested": doubt.suggested,
                    "suggested_score": round(doubt.suggested_score, 4),
                }
                for doubt in self.noise.doubts
            ],
        }


def check(
    folder: Path,
    near: int = NEAR,
    arch: str = ARCH,
    init: str = networks.IMAGENET,
    judge_labels: bool = True,
    rows: Sequence[Row] | None = None,
) -> Checked:
    """Look a data set over.

    :param folder: of the data set.
    :param near: as for :func:`training.dataset.twins.twins`.
    :param arch: network that gives the embeddings, by torchvision's name.
    :param init: its weights; see :mod:`training.dataset.embeddings` for why they must not be a model's own.
    :param judge_labels: look for wrong labels, which takes longest; not done where there are too few photos for it.
    :param rows: what to look at, if not what the manifest lists.
    :raises TwinlensError: ``invalid_data`` if there is no manifest, it lists nothing, or a photo cannot be read; what
        :func:`training.networks.create` raises.
    """
    rows = manifest.require(folder) if rows is None else rows
    if not rows:
        raise TwinlensError("invalid_data", f"The manifest of {readable(folder)} lists no photo.")
    pairs = twins(folder, rows, near)
    labels = [row.label for row in rows]
    group_of = [0] * len(rows)
    for number, members in enumerate(together(rows, pairs)):
        for index in members:
            group_of[index] = number
    if not judge_labels or not can_judge(labels, group_of):
        return Checked(folder, list(rows), pairs, None, None)
    vectors = embeddings(folder, rows, arch, init)
    weights = init if init in (networks.IMAGENET, networks.NONE) else Path(init).name
    return Checked(folder, list(rows), pairs, find_noise(vectors, labels, groups=group_of), f"{arch}, {weights}")

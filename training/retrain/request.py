"""What a retraining is asked for, and what it learns from and is judged by."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from training.retrain import held_out
from training.retrain.candidate import Recipe
from training.retrain.gate import Limits
from twinlens.dataset.manifest import Row
from twinlens.store import ModelVersion


@dataclass(frozen=True)
class Request:
    """What a retraining is asked for."""

    data: Path
    model: Path
    """Folder of the model, ``MODELS/NAME``."""
    out: Path
    who: str
    trained_on: Path | None = None
    """Folder of the run, or the manifest, that the version in use was trained on, where the data set has none."""
    weights: str | None = None
    """One of :data:`training.rounding.WEIGHTS`; by default those of the version in use."""
    limits: Limits = field(default_factory=Limits)
    recipe: Recipe = field(default_factory=Recipe)
    page: bool = True
    """Try the candidate in the built page."""
    dry_run: bool = False
    resume: bool = False
    unattended: bool = False
    """Nobody waits for it, as in ``--watch``: what it publishes is not what a person has published."""


@dataclass(frozen=True)
class Prepared:
    """What is learned from, and what is judged by."""

    data: Path
    """Folder of the photos as they were when the retraining began."""
    rows: list[Row]
    base: list[Row]
    """What the version in use was trained on."""
    anchor: ModelVersion
    """The last version that a person has published; mostly the one in use."""
    anchor_base: list[Row]
    learned_before: set[str]
    """SHA-256 of the photos that any published version has learned from."""
    new_reviews: int

    @property
    def test(self) -> list[Row]:
        """The test photos that are as they were for the version in use."""
        return held_out.unchanged(self.rows, self.base, "test")[0]

    @property
    def held_out(self) -> list[Row]:
        """The reviewed photos that nothing has learned from."""
        return held_out.to_judge_by(self.rows, self.learned_before)

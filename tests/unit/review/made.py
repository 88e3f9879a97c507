"""A made data set to review: coloured squares, no model needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from tests import models
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row

Kill = Callable[[Callable[[], object]], None]
"""Takes a decision that is written down, and nothing else comes of it."""


def data_set(folder: Path, *labels: str) -> list[Row]:
    """One photo for each label, in folders of that name; the manifest's rows."""
    rows = []
    for index, label in enumerate(labels):
        path = folder / label / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = models.encoded(models.picture("red", 40 + index, 40), "PNG")
        path.write_bytes(data)
        rows.append(
            Row(path=f"{label}/{index}.png", sha256=hashlib.sha256(data).hexdigest(), label=label, split="train")
        )
    manifest.write(folder, rows)
    return manifest.require(folder)

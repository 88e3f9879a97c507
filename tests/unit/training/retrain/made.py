"""Made rows of a manifest, and a data set of coloured pictures with a model that says it was trained on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from tests import models
from tests.images import encoded
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row, Split

COLOURS = ("red", "green", "white")
SEEN = "2026-11-27T08:00:00+00:00"


def row(number: int, label: str = "a", split: Split | None = "train", **more: Any) -> Row:
    """A row of its own, whose SHA-256 begins with the number."""
    rest = hashlib.sha256(str(number).encode()).hexdigest()[8:]
    return Row(path=f"{label}/{number}.png", sha256=f"{number:08x}{rest}", label=label, split=split, **more)


def photo(folder: Path, shown: str, seed: int, label: str, split: Split | None, reviewed: str | None = None) -> Row:
    """Write a picture of a colour; the row says whatever label it is to have."""
    data = encoded(models.picture(shown, width=60 + seed, noise=10), "PNG")
    path = folder / label / f"{shown} {seed}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    relative = path.relative_to(folder).as_posix()
    return Row(path=relative, sha256=digest, label=label, split=split, reviewed=reviewed)


def shade(folder: Path, green: int, label: str, split: Split | None) -> Row:
    """Write a picture between red and yellow."""
    data = encoded(Image.new("RGB", (80, 80), (255, green, 0)), "PNG")
    path = folder / label / f"shade {green}.png"
    path.write_bytes(data)
    return Row(
        path=path.relative_to(folder).as_posix(), sha256=hashlib.sha256(data).hexdigest(), label=label, split=split
    )


def data_set(folder: Path, test: int = 6) -> list[Row]:
    """Pictures of three colours in every split, with a manifest."""
    rows = []
    for colour in COLOURS:
        splits: list[Split] = ["train"] * 4 + ["validation"] * 2 + ["test"] * test
        rows += [photo(folder, colour, seed, colour, split) for seed, split in enumerate(splits)]
    manifest.write(folder, rows)
    return manifest.require(folder)


def add(folder: Path, *rows: Row) -> None:
    """Have rows in the manifest too."""
    manifest.write(folder, [*manifest.require(folder), *rows])


def model(models_folder: Path, rows: list[Row], version: str = "v1") -> Path:
    """The model that names colours, as if it had been trained on those rows.

    :return: the model's folder.
    """
    data = {"digest": manifest.digest(rows), "counts": {"train": 12}}
    return models.write(models_folder, version=version, dataset=data)


def reviewed(folder: Path, shown: str, label: str, seeds: Iterable[int]) -> None:
    """Have photos in the manifest that somebody has looked at, of whatever label."""
    add(folder, *(photo(folder, shown, seed, label, None, SEEN) for seed in seeds))


def verdicts(record: dict[str, Any]) -> dict[str, bool | None]:
    """What each part of the gate says, by its name."""
    return {each["name"]: each["passed"] for each in record["gate"]}

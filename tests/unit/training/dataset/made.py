"""Made photos for tests of data sets: each is coarse colour noise of its own, so that no two look alike."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from training.dataset.intake import About, Intake
from twinlens.dataset import manifest


def picture(seed: int, edge: int = 128) -> Image.Image:
    """A picture that PDQ tells from every other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((edge, edge), Image.Resampling.BICUBIC)


def photo(seed: int, kind: str = "PNG", edge: int = 128, **options: int) -> bytes:
    """The bytes of a picture's file."""
    file = io.BytesIO()
    picture(seed, edge).save(file, kind, **options)
    return file.getvalue()


def folders(root: Path, counts: dict[str, int]) -> Path:
    """One folder per label with so many photos."""
    seed = 0
    for label, count in counts.items():
        (root / label).mkdir(parents=True)
        for index in range(count):
            (root / label / f"{index}.png").write_bytes(photo(seed))
            seed += 1
    return root


def data_set(root: Path, *photos: tuple[bytes, About]) -> list[manifest.Row]:
    """A data set of those photos, with its manifest."""
    root.mkdir(parents=True, exist_ok=True)
    intake = Intake(root)
    rows = [row for data, about in photos if (row := intake.put(data, about)[0]) is not None]
    intake.save()
    return rows

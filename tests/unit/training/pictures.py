"""Small folders of labelled pictures: each label is a shape of its own colour on a noisy ground."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

LABELS = {"红色": (210, 60, 60), "blue shirt": (60, 60, 210), "vert": (60, 180, 60)}


def picture(colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """An ellipse of a colour, somewhere on grey noise."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(70, 170, (size[1], size[0], 3), dtype=np.uint8))
    left, top = (int(rng.integers(0, edge // 3)) for edge in size)
    ImageDraw.Draw(image).ellipse((left, top, left + size[0] // 2, top + size[1] // 2), fill=colour)
    return image


def label_folders(root: Path, count: int = 10, labels: Iterable[str] = LABELS, first: int = 0) -> Path:
    """Write one folder per label, with so many pictures each; their seeds begin at ``first``.

    :return: the root.
    """
    for number, label in enumerate(labels):
        (root / label).mkdir(parents=True, exist_ok=True)
        colour = LABELS.get(label, (90 + 13 * number, 40 + 31 * number, 120))
        for index in range(count):
            picture(colour, first + index).save(root / label / f"photo {index}.png")
    return root


def split_folders(root: Path, train: int = 10, validation: int = 3, test: int = 3) -> Path:
    """Write train/, validation/ and test/, leaving out those with 0 pictures; no picture is in two of them.

    :return: the root.
    """
    for first, (split, count) in enumerate([("train", train), ("validation", validation), ("test", test)]):
        if count:
            label_folders(root / split, count, first=1000 * first)
    return root

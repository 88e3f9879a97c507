"""Photos that show the same picture: the same bytes, or nearly the same by PDQ, a perceptual hash.

PDQ is Facebook's hash for finding copies of a photo at scale: 256 bits, made to survive other sizes, formats and
qualities. Two photos whose hashes differ in at most 31 bits are taken for the same picture, as its authors advise
(https://github.com/facebook/ThreatExchange/tree/main/pdq). It looks at brightness alone, so a shop's shirt in red and
in blue have one hash: the colours, in 4 x 4 parts, must be alike as well. All pairs within that distance are found
exactly: bits as -1 and 1 make the distance a product of matrices, which is a few lines, and some 10^12 operations for
100,000 photos.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from training.files import decode_in_turn, quiet
from training.progress import bar
from training.rules import standard
from twinlens.dataset.kept import kept, read_listed
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.inference import available_threads

NEAR: Final = 31
"""Bits of 256 by which the hashes of the same picture may differ."""

_BITS: Final = 256
_BYTES: Final = _BITS // 8
_PARTS: Final = 4
# Mean difference of the parts' colours, of 255, up to which pictures are alike; saving again changes it by a few.
_COLOURS: Final = 24
# Below this, PDQ's authors say, a picture has too little in it for its hash to mean anything: a blank wall, a screen.
_LEAST_QUALITY: Final = 50
# So many rows of the product at once: for 100,000 photos, 200 MB.
_BLOCK: Final = 512
# PDQ looks at 64 x 64 means of brightness, so a JPEG may be decoded at a fraction of its size: eight times that.
_SMALL: Final = standard(64, 64)


class Pair(NamedTuple):
    """Two photos that show the same, by their indices."""

    one: int
    other: int
    distance: int
    """Bits by which their hashes differ; 0 for the same bytes too."""
    exact: bool
    """The same bytes."""


def hashes(folder: Path, rows: Sequence[Row]) -> NDArray[np.uint8]:
    """The PDQ hash of each photo, its quality and its colours, computed once for each photo.

    :return: uint8 array of shape (photos, 81): 32 bytes of bits, the quality, 0 to 100, and the RGB of 4 x 4 parts.
    :raises TwinlensError: ``invalid_data`` if a photo cannot be read; ``verify`` finds those.
    """

    import pdqhash  # takes its time to load, which other commands need not wait for

    def one(row: Row) -> NDArray[np.uint8]:
        try:
            image = decode_in_turn(read_listed(folder, row), _SMALL).image
        except (OSError, TwinlensError) as error:
            why = error.detail if isinstance(error, TwinlensError) else error.strerror
            raise TwinlensError(
                "invalid_data", f"{row.path} cannot be used ({why}). Run `python -m training data verify` first."
            ) from None
        image.thumbnail((512, 512))
        bits, quality = pdqhash.compute(np.asarray(image))
        colours = np.asarray(image.resize((_PARTS, _PARTS), Image.Resampling.BOX)).ravel()
        return np.concatenate(
            [np.packbits(np.asarray(bits, np.uint8)), np.array([min(quality, 100)], np.uint8), colours]
        )

    def compute(part: Sequence[Row]) -> NDArray[np.uint8]:
        with ThreadPoolExecutor(available_threads()) as pool, bar(len(part), "Fingerprints") as progress:
            found = []
            for each in pool.map(one, part):
                found.append(each)
                progress.update()
        return np.stack(found)

    quiet()
    return kept(folder, "pdq-colours", rows, compute) if rows else np.zeros((0, 81), np.uint8)


def exact_pairs(rows: Sequence[Row]) -> Iterator[Pair]:
    """Each photo whose bytes came before: with the first of them, then with the first of each other split and label."""
    first: dict[str, dict[tuple[str | None, str], int]] = defaultdict(dict)
    for index, row in enumerate(rows):
        for earlier in first[row.sha256].values():
            yield Pair(earlier, index, 0, True)
        first[row.sha256].setdefault((row.split, row.label), index)


def near_pairs(found: NDArray[np.uint8], rows: Sequence[Row], near: int = NEAR) -> Iterator[Pair]:
    """All pairs of photos with other bytes whose hashes differ in at most so many bits, and whose colours are alike.

    Of the same bytes, the first in each split and with each label stands for the others.

    :param found: as :func:`hashes` gives it.
    :param near: largest distance.
    """
    unique: dict[tuple[str, str | None, str], int] = {}
    for index, row in enumerate(rows):
        unique.setdefault((row.sha256, row.split, row.label), index)
    chosen = np.array([index for index in unique.values() if found[index, _BYTES] >= _LEAST_QUALITY], np.int64)
    signs = torch.from_numpy(np.unpackbits(found[chosen, :_BYTES], axis=1).astype(np.float32) * 2 - 1)
    colours = found[chosen, _BYTES + 1 :].astype(np.int16)
    for start in range(0, len(chosen), _BLOCK):
        products = signs[start : start + _BLOCK] @ signs[start:].T
        # Equal bits less unequal ones: 256 less twice the distance, exactly, in float32.
        for one, other in torch.nonzero(products >= _BITS - 2 * near).tolist():
            first, second = int(chosen[start + one]), int(chosen[start + other])
            if one >= other or rows[first].sha256 == rows[second].sha256:
                continue
            if np.abs(colours[start + one] - colours[start + other]).mean() <= _COLOURS:
                yield Pair(first, second, int(_BITS - products[one, other].item()) // 2, False)


def twins(folder: Path, rows: Sequence[Row], near: int = NEAR) -> list[Pair]:
    """All pairs that show the same picture.

    :param near: as for :func:`near_pairs`; below 0, only the same bytes count.
    """
    pairs = list(exact_pairs(rows))
    if near >= 0:
        pairs += near_pairs(hashes(folder, rows), rows, near)
    return pairs


def clusters(count: int, pairs: Iterable[Pair]) -> list[list[int]]:
    """Photos that hang together by pairs, the largest first, each one's in order; those without a twin are left out."""
    above = list(range(count))

    def top(index: int) -> int:
        while above[index] != index:
            above[index] = above[above[index]]
            index = above[index]
        return index

    for pair in pairs:
        one, other = sorted((top(pair.one), top(pair.other)))
        above[other] = one
    found = defaultdict(list)
    for index in range(count):
        found[top(index)].append(index)
    return sorted((each for each in found.values() if len(each) > 1), key=lambda each: (-len(each), each[0]))

"""What is sent: photos in three sizes, each with the answer that the server's own code gives on its very bytes.

The ones that the model is surest of are taken. A peer resizes by other rules than the contract's, and what is compared
is how fast an answer comes: a photo whose label hangs on the resize would put a peer out for another reason.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import numpy as np
from PIL import Image, ImageOps

from benchmarks.serving.plan import LARGE, MIDDLE, SIZES, SMALL
from loadtest.photos import gather
from loadtest.plan import Shot
from parity.photos import Photo, find, large_copies, samples, spread
from twinlens.classifier import Classifier

_COUNTS: Final = {SMALL: 16, MIDDLE: 6, LARGE: 4}
_CANDIDATES: Final = 3
"""How many times as many small ones are tried."""
_SPARE: Final = 2
_QUALITY: Final = 90
_BOUNDARY: Final = "twinlens-photo"


@dataclass(frozen=True)
class Sent:
    """A photo as it is sent: the photo with its golden label, and the multipart body in a file of its own."""

    shot: Shot
    body: Path


def media_type() -> str:
    """The ``Content-Type`` of every body."""
    return f"multipart/form-data; boundary={_BOUNDARY}"


def make(folder: Path | None, classifier: Classifier, work: Path) -> dict[str, list[Sent]]:
    """Make the photos of every size.

    500x375 ones are crops of photos, the larger ones are made out of those, with fine texture and upright: a tutorial's
    server does not read the EXIF orientation.

    :param folder: the photos, searched with its subfolders; None for crops of scikit-image's pictures.
    :param work: a folder for what is made; what it holds is removed.
    :return: by the size's name, the surest ones first.
    :raises TwinlensError: ``invalid_data`` if the folder has no photo that both sides read and answer decidedly.
    """
    shutil.rmtree(work, ignore_errors=True)
    for name in ("samples", *SIZES):
        (work / name).mkdir(parents=True)
    if folder is None:
        folder = work / "samples"
        samples(folder)
    found, _ = find(folder, classifier.contract)
    crops(found, _CANDIDATES * _COUNTS[SMALL], work / SMALL)
    sets = {SMALL: surest(work / SMALL, classifier, _COUNTS[SMALL], work)}
    small = [Photo(Path(shot.path).name, Path(shot.path), {}) for shot in sets[SMALL]]
    for size in (MIDDLE, LARGE):
        count = _COUNTS[size] + _SPARE
        for _ in large_copies(small[:count], count, work / size, classifier.contract, SIZES[size], orientations=(1,)):
            pass
        sets[size] = surest(work / size, classifier, _COUNTS[size], work)
    return _with_bodies(sets, work)


def crops(photos: Sequence[Photo], count: int, folder: Path, size: tuple[int, int] = SIZES[SMALL]) -> None:
    """Write JPEGs of one size, cropped out of photos that are spread over the list.

    Of a photo that is used more than once, the first crop is the middle of it and the others lie anywhere in it.

    :param size: width and height.
    """
    before: Path | None = None
    for index, photo in enumerate(spread(photos, count)):
        rng = np.random.default_rng(index)
        again = photo.path == before
        centre = (rng.uniform(), rng.uniform()) if again else (0.5, 0.5)
        with Image.open(photo.path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
        crop = ImageOps.fit(upright, size, bleed=rng.uniform(0, 0.3) if again else 0.0, centering=centre)
        crop.save(folder / f"{index:04}.jpg", quality=_QUALITY)
        before = photo.path


def surest(folder: Path, classifier: Classifier, count: int, work: Path) -> list[Shot]:
    """The photos of a folder that the model is surest of, at most ``count``, with their golden answers.

    :raises TwinlensError: ``invalid_data`` if it is sure of none.
    """
    everything = sum(1 for _ in folder.iterdir())
    shots = gather(folder, classifier, everything, 0.0, work).shots
    distinct = {shot.path: shot for shot in shots}.values()
    return sorted(distinct, key=lambda shot: (-(shot.score or 0.0), shot.path))[:count]


def _with_bodies(sets: Mapping[str, Sequence[Shot]], work: Path) -> dict[str, list[Sent]]:
    folder = work / "bodies"
    folder.mkdir()
    sent: dict[str, list[Sent]] = {}
    for size, shots in sets.items():
        sent[size] = []
        for index, shot in enumerate(shots):
            photo = ("photo.jpg", Path(shot.path).read_bytes(), shot.media_type)
            request = httpx.Request(
                "POST", "http://localhost", files={"image": photo}, headers={"Content-Type": media_type()}
            )
            body = folder / f"{size}-{index:02}"
            body.write_bytes(request.read())
            sent[size].append(Sent(shot, body))
    return sent

"""The photos that every page is given: a small JPEG and one of 12 megapixels, whose labels the model is sure of.

Peers resize by other rules than the contract's. A photo whose label hangs on the resize would put one out for that.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Final

from benchmarks.page.plan import LARGE_SIZE, SMALL_SIZE
from benchmarks.page.turn import Photo
from benchmarks.serving.photos import crops, surest
from parity.photos import Photo as Found
from parity.photos import find, large_copies, samples
from twinlens.classifier import Classifier

_TRIED: Final = 24
_ENLARGED: Final = 3


def make(folder: Path | None, classifier: Classifier, work: Path) -> tuple[Photo, Photo]:
    """Make both, the large one out of a small one.

    :param folder: photos, searched with its subfolders; None for crops of scikit-image's pictures.
    :param work: a folder for what is made; what it holds is removed.
    :raises TwinlensError: ``invalid_data`` if the folder has no photo that both sides read and answer decidedly.
    """
    logging.getLogger("PIL").setLevel(logging.ERROR)
    shutil.rmtree(work, ignore_errors=True)
    for name in ("samples", "small", "large"):
        (work / name).mkdir(parents=True)
    if folder is None:
        folder = work / "samples"
        samples(folder)
    elif (folder / "test").is_dir():
        folder = folder / "test"
    found, _ = find(folder, classifier.contract)
    crops(found, _TRIED, work / "small", SMALL_SIZE)
    small = surest(work / "small", classifier, _ENLARGED, work)
    originals = [Found(Path(shot.path).name, Path(shot.path), {}) for shot in small]
    for _ in large_copies(originals, _ENLARGED, work / "large", classifier.contract, LARGE_SIZE, orientations=(1,)):
        pass
    (large,) = surest(work / "large", classifier, 1, work)
    return Photo(Path(small[0].path), small[0].label), Photo(Path(large.path), large.label)

"""Photos as arrays, decoded once and kept in memory as far as they fit, and the augmented view that training sees."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset
from torchvision.transforms import v2

from training.data import TRAIN, DataSet, Sample, open_dataset
from training.files import decode_in_turn
from training.progress import bar
from training.rules import Preprocessing, standard
from twinlens.contract import Rules
from twinlens.inference import available_threads
from twinlens.preprocess import prepare

Pixels = NDArray[np.uint8]

# Of a photo longer than this times its shorter edge, the crops of training and the served one show the centre alone.
_LONGEST: Final = 4
# What `reduced` leaves of a JPEG before the resize: unlike the served photo, it need not be the page's to the bit.
_DCT_HEADROOM: Final = 2.0


class Held:
    """Photos in memory by their paths, as far as they fit.

    :param budget: bytes of pixels.
    """

    def __init__(self, budget: int) -> None:
        self._left = budget
        self._lock = threading.Lock()
        self._pixels: dict[Path, Pixels] = {}
        self.full = budget <= 0
        """Whether a photo did not fit, so that offering more is hardly worth reading them."""

    def put(self, path: Path, pixels: Pixels) -> None:
        """Hold a photo, if it fits; may be called from several threads."""
        with self._lock:
            if pixels.nbytes > self._left:
                self.full = True
            else:
                self._left -= pixels.nbytes
                self._pixels[path] = pixels

    def get(self, path: Path) -> Pixels | None:
        """A photo, if it is held."""
        return self._pixels.get(path)

    def keep_only(self, paths: Collection[Path]) -> None:
        """Drop all others, which makes room for more."""
        for path in self._pixels.keys() - set(paths):
            self._left += self._pixels.pop(path).nbytes
            self.full = False


class Photos(Sequence[Pixels]):
    """Decoded photos, as many held in memory as fit.

    :param samples: the photos.
    :param read: gives a file's pixels; called from several threads.
    :param budget: bytes that may be held, or what is held already with what is left of its budget; what does not fit
        is read again every time.
    :param what: what the progress bar says.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        read: Callable[[Path], Pixels],
        budget: int | Held = 0,
        what: str = "Decoding photos",
    ) -> None:
        self.samples = samples
        self._read = read
        self._held = budget if isinstance(budget, Held) else Held(budget)
        self._held.keep_only([sample.path for sample in samples])
        missing = [sample.path for sample in samples if self._held.get(sample.path) is None]
        if missing and not self._held.full:
            self._fill(missing, what)

    def _fill(self, missing: Sequence[Path], what: str) -> None:
        def hold(path: Path) -> None:
            if not self._held.full:
                self._held.put(path, self._read(path))

        with ThreadPoolExecutor(available_threads()) as pool, bar(len(missing), what) as progress:
            for _ in pool.map(hold, missing):
                progress.update()

    @property
    def held(self) -> int:
        """How many are held in memory."""
        return sum(self._held.get(sample.path) is not None for sample in self.samples)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Pixels:  # type: ignore[override]
        path = self.samples[index].path
        held = self._held.get(path)
        return self._read(path) if held is None else held


def open_reduced(path: Path, seed: int, shorter_edge: int, squeeze: float, budget: int) -> tuple[DataSet, Photos]:
    """Find the photos of a folder and hold those to learn from, reading and decoding every file once.

    :param path: the folder.
    :param seed: as for :func:`training.data.open_dataset`.
    :param shorter_edge: as for :func:`reduced`.
    :param squeeze: as for :func:`reduced`.
    :param budget: bytes that may be held.
    :return: the data set, and the photos of its ``train`` split.
    :raises TwinlensError: as :func:`training.data.open_dataset` does.
    """
    held = Held(budget)
    data = open_dataset(path, seed, lambda file, content: held.put(file, reduced(content, shorter_edge, squeeze)))
    train = data.splits[TRAIN]
    return data, Photos(train, lambda file: reduced(file.read_bytes(), shorter_edge, squeeze), held, "Decoding (train)")


def served(rules: Rules) -> Callable[[Path], Pixels]:
    """A reader that gives what server and page show the network: uint8 (height, width, 3), RGB.

    :param rules: a contract, or the rules of a run.
    """
    return lambda path: prepare(decode_in_turn(path.read_bytes(), rules), rules)


def reduced(data: bytes, shorter_edge: int, squeeze: float = 1.0) -> Pixels:
    """A photo to cut crops from: whole, but for the ends of a very long one, and small enough to be held.

    Its longer edge is squeezed as in the served box, so that crops show things in the same proportions.

    :param data: the bytes of the file.
    :param shorter_edge: how many pixels it has at most.
    :param squeeze: see :class:`twinlens.contract.Resize`.
    :return: uint8 (height, width, 3), RGB.
    :raises TwinlensError: as :func:`twinlens.decode.decode` does.
    """
    image = decode_in_turn(data, _reducing(shorter_edge)).image
    width, height = (min(edge, _LONGEST * min(image.size)) for edge in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    scale = min(shorter_edge / min(width, height), 1.0)
    squeezed = max(1 / squeeze, min(width, height) / max(width, height))
    across, along = (squeezed, 1.0) if width > height else (1.0, squeezed)
    # The gap lets Pillow average whole blocks of a very large photo before it resizes.
    small = image.resize(
        (round(width * scale * across), round(height * scale * along)),
        Image.Resampling.BILINEAR,
        box=(left, top, left + width, top + height),
        reducing_gap=3.0,
    )
    return np.asarray(small)


@cache
def _reducing(shorter_edge: int) -> Preprocessing:
    rules = standard(shorter_edge, shorter_edge)
    return replace(rules, decode=rules.decode.model_copy(update={"jpeg_dct_headroom": _DCT_HEADROOM}))


class Augmented(Dataset[tuple[torch.Tensor, int]]):
    """What training sees of the photos in one epoch.

    The randomness of each photo comes from the seed, the epoch and the photo's index alone, so it is the same in
    whichever process or order the photos are read, and in a run that was killed and resumed.

    :param photos: the photos.
    :param augment: from a PIL image to a PIL image; its randomness must be torch's.
    """

    def __init__(self, photos: Photos, augment: v2.Transform, seed: int, epoch: int) -> None:
        self._photos = photos
        self._augment = augment
        self._seed, self._epoch = seed, epoch

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """A photo as a uint8 tensor (height, width, 3), and the index of its label."""
        generator = torch.default_generator
        before = generator.get_state()
        generator.manual_seed(derive_seed(self._seed, self._epoch, index))
        try:
            pixels = np.array(self._augment(Image.fromarray(self._photos[index])))
        finally:
            generator.set_state(before)
        return torch.from_numpy(pixels), self._photos.samples[index].label


def derive_seed(*numbers: int) -> int:
    """One well-mixed 64-bit seed from several numbers of at least 0 (:class:`numpy.random.SeedSequence`)."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])

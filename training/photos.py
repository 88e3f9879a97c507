"""Photos as arrays, decoded once and kept in memory as far as they fit, and the augmented view that training sees."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset
from torchvision.transforms import v2

from training.data import LIMITS, Sample
from training.progress import bar
from training.rules import Preprocessing, standard
from twinlens.contract import Rules
from twinlens.decode import decode
from twinlens.inference import available_threads
from twinlens.preprocess import load

Pixels = NDArray[np.uint8]


class Photos(Sequence[Pixels]):
    """Decoded photos, the first ones that fit a budget held in memory.

    :param samples: the photos.
    :param read: gives a file's pixels; called from several threads.
    :param budget: bytes that may be held; what does not fit is read again every time.
    :param what: what the progress bar says.
    """

    def __init__(
        self, samples: Sequence[Sample], read: Callable[[Path], Pixels], budget: int = 0, what: str = "Decoding photos"
    ) -> None:
        self.samples = samples
        self._read = read
        self._held: list[Pixels | None] = [None] * len(samples)
        if budget > 0:
            self._fill(budget, what)

    def _fill(self, budget: int, what: str) -> None:
        left, lock = budget, threading.Lock()

        def hold(index: int) -> None:
            nonlocal left
            if left > 0:
                pixels = self._read(self.samples[index].path)
                with lock:
                    left -= pixels.nbytes
                    if left >= 0:
                        self._held[index] = pixels

        with ThreadPoolExecutor(available_threads()) as pool, bar(len(self.samples), what) as progress:
            for _ in pool.map(hold, range(len(self.samples))):
                progress.update()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Pixels:  # type: ignore[override]
        held = self._held[index]
        return self._read(self.samples[index].path) if held is None else held


def served(rules: Rules) -> Callable[[Path], Pixels]:
    """A reader that gives what server and page show the network: uint8 (height, width, 3), RGB.

    :param rules: a contract, or the rules of a run.
    """
    return lambda path: load(path.read_bytes(), rules, LIMITS)


def reduced(shorter_edge: int) -> Callable[[Path], Pixels]:
    """A reader that gives whole photos, reduced so that the shorter edge has at most so many pixels.

    :return: a function from a path to uint8 (height, width, 3), RGB.
    """
    rules: Preprocessing = standard(shorter_edge, shorter_edge)

    def read(path: Path) -> Pixels:
        image = decode(path.read_bytes(), rules, LIMITS).image
        scale = shorter_edge / min(image.size)
        if scale < 1:
            image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
        return np.asarray(image)

    return read


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

"""Made photos and embeddings for tests of the index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests import images, models
from twinlens.classifier import Classifier
from twinlens.errors import TwinlensError
from twinlens.settings import Settings
from twinlens.similar.index import Index
from twinlens.similar.options import Options
from twinlens.store import open_current

PLAIN = Options()


def photos(folder: Path, each: int = 3, colours: tuple[str, ...] = models.LABELS) -> Path:
    """A folder of pictures of each colour, every one a little other than the rest.

    :return: the folder.
    """
    for colour in colours:
        for number in range(each):
            photo(folder / colour / f"{number}.png", colour, number)
    return folder


def photo(path: Path, colour: str, number: int = 0) -> Path:
    """One picture.

    :param number: makes it another one, whose shade is further from the colour.
    :return: its path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    shade = np.abs(np.array(models.COLOURS[colour]) - 4 * number - np.array([1, 2, 3]))
    path.write_bytes(images.encoded(Image.new("RGB", (72, 72), tuple(map(int, shade))), "PNG"))
    return path


def settings(models_folder: Path) -> Settings:
    """Settings that name the made model."""
    return Settings(models=models_folder, model=models.NAME, threads=1, decode_threads=2)


def clusters(count: int, size: int = 32, labels: int = 10, seed: int = 0) -> tuple[NDArray[np.float32], list[str]]:
    """Embeddings in heaps, as networks make them: float32 (count, size), none negative, and their labels."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).gamma(1.0, 1.0, (labels, size))
    of = rng.integers(0, labels, count)
    scattered = centres[of] + rng.normal(0, 0.5, (count, size))
    return np.maximum(scattered, 0).astype(np.float32), [f"label {index}" for index in of]


def digest(settings: Settings) -> str:
    """The digest of the model in use."""
    return open_current(settings.model_folder).digest


def ask(out: Path, settings: Settings, path: Path, k: int = 3) -> list[str]:
    """The ids that are found for a file."""
    classifier = Classifier.current(settings)
    _, embeddings = classifier.scores_and_embeddings(classifier.pixels(classifier.read_header(path.read_bytes()))[None])
    return [each["id"] for each in Index(out, classifier.version.digest).search(embeddings[0], k)]


def refused(code: str, run: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    """What is said of an error that has this code."""
    with pytest.raises(TwinlensError) as caught:
        run(*arguments, **options)
    assert caught.value.code == code, caught.value
    return caught.value.detail

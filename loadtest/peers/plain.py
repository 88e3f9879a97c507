"""What the peers that follow a tutorial share: the model that they are given, a plain resize, the answer's form.

No code of our own takes part in their answers, only the contract's numbers do, so that they answer with the same
labels. ``catalogue`` starts each with :data:`VERSION` and :data:`CORES` in its environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from twinlens.contract import Contract
from twinlens.store import open_version

VERSION: Final = "PEER_VERSION"
"""The environment variable that names the model version's folder."""
CORES: Final = "PEER_CORES"
"""The environment variable that says how many cores there are."""
MOST_LABELS: Final = 5


class Model:
    """The model version that a peer is given: ``contract``, and ``graph``, the path of its ONNX file."""

    def __init__(self) -> None:
        version = open_version(Path(os.environ[VERSION]))
        self.contract: Contract = version.contract
        self.graph = str(version.path / version.contract.graphs.onnx.path)

    def answer(self, logits: NDArray[np.float32]) -> dict[str, Any]:
        """The best labels, best first.

        :param logits: float32 array of shape (labels,).
        """
        exponents = np.exp((logits - logits.max()) / self.contract.temperature)
        scores = exponents / exponents.sum()
        best = np.argsort(scores)[::-1][:MOST_LABELS]
        labels = self.contract.labels
        return {"predictions": [{"label": labels[index].name, "score": float(scores[index])} for index in best]}

    def pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Resize the shorter edge, crop the centre.

        :param image: upright RGB.
        :return: uint8 array of shape (height, width, 3).
        """
        return np.asarray(resized(image, self.contract))


def opened(file: IO[bytes] | Image.Image) -> Image.Image:
    """An image file as upright RGB.

    :raises OSError: if it is none, or is broken; :class:`PIL.UnidentifiedImageError` is one.
    """
    image = file if isinstance(file, Image.Image) else Image.open(file)
    ImageOps.exif_transpose(image, in_place=True)
    return image.convert("RGB")


def resized(image: Image.Image, contract: Contract) -> Image.Image:
    """Resize the shorter edge and crop the centre, by the contract's numbers.

    The longer edge is squeezed as far as the contract says, and no further than to the crop.
    """
    crop, squeeze = contract.crop, contract.resize.squeeze
    scale = contract.resize.shorter_edge / min(image.size)
    width, height = image.width * scale, image.height * scale
    if width > height:
        width = max(width / squeeze, crop.width)
    else:
        height = max(height / squeeze, crop.height)
    image = image.resize((round(width), round(height)), Image.Resampling.BILINEAR)
    left, top = (image.width - crop.width) // 2, (image.height - crop.height) // 2
    return image.crop((left, top, left + crop.width, top + crop.height))

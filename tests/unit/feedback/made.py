"""Made photos and words on them."""

from __future__ import annotations

import hashlib
from typing import Final

from PIL import Image

from tests import images
from twinlens.feedback.rows import Answerer, Word
from twinlens.feedback.store import Photo, Quota

MODEL: Final = Answerer(name="colours", version="v1", digest="5" * 64)
ROOMY: Final = Quota(1_000_000, 1 << 40)


def word(label: str | None = "red", predicted: str = "blue", score: float = 0.75) -> Word:
    """What a client says, and what the model does."""
    return Word(label=label, predicted=predicted, score=score, model=MODEL)


def photo(name: object = "a", size: int = 1000) -> Photo:
    """A photo as the store knows it, another one for each name."""
    return Photo(hashlib.sha256(str(name).encode()).hexdigest(), "jpeg", size)


def encoded(colour: str = "red", size: int = 40, kind: str = "JPEG") -> bytes:
    """A photo's file, another one for each colour and size."""
    return images.encoded(Image.new("RGB", (size, 30), colour), kind)

"""The preprocessing that a run is trained for, before an export writes it into a contract.

Validation during training, evaluation of a run and the exported contract all take it from here, so that a run is
chosen by the very pixels that server and page will show the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from training.run import Run
from twinlens.contract import Crop, Decode, Formats, Normalize, Resize, Triple

IMAGENET_MEAN: Final[Triple] = (0.485, 0.456, 0.406)
IMAGENET_STD: Final[Triple] = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """The parts of a contract that say how a file becomes the network's input."""

    formats: Formats
    decode: Decode
    resize: Resize
    crop: Crop
    normalize: Normalize


def standard(
    shorter_edge: int = 224,
    crop: int = 224,
    mean: Triple = IMAGENET_MEAN,
    std: Triple = IMAGENET_STD,
    squeeze: float = 1.0,
) -> Preprocessing:
    """Twinlens' own rules for the given sizes.

    :param shorter_edge: pixels that the shorter edge of the whole image has after the resize.
    :param crop: height and width of the network's input, in pixels.
    :param mean: per RGB channel, of values scaled to 0 to 1.
    :param std: per RGB channel, of values scaled to 0 to 1.
    :param squeeze: how many times longer than its shorter edge a photo's part is that is squeezed into a square.
    """
    return Preprocessing(
        formats=Formats(
            server=["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif"],
            browser=["jpeg", "png", "webp", "gif", "bmp", "avif"],
        ),
        decode=Decode(
            exif_orientation="apply",
            alpha_background=(255, 255, 255),
            icc_profile="ignore",
            sixteen_bit="shift-right-8",
            animation="first-frame",
            # docs/decisions/005-dct-scaling.md: at less, the answer leaves the page's by more than it may.
            jpeg_dct_headroom=8.0,
        ),
        resize=Resize(
            shorter_edge=shorter_edge,
            squeeze=squeeze,
            filter="triangle",
            antialias=True,
            rounding="pillow-fixed-point-8bit",
            box_precision="float32",
        ),
        crop=Crop(height=crop, width=crop, position="center"),
        normalize=Normalize(scale=1 / 255, mean=mean, std=std),
    )


def preprocessing(run: Run) -> Preprocessing:
    """The rules that a run is validated with and exported with."""
    return standard(run.shorter_edge, run.crop, run.mean, run.std, run.squeeze)

"""Which networks are measured, and on how many pixels."""

from __future__ import annotations

from typing import Final

from benchmarks.convert.goals import NAMED
from training.networks import names, parameters

_MOST_MILLIONS: Final = 100.0
_PIXELS: Final = 224
# Made for another size and no use at 224: Inception's is fixed by its paper, Swin's by its windows of 8 x 8.
_OTHER_PIXELS: Final = {"inception_v3": 299, "swin_v2_t": 256, "swin_v2_s": 256, "swin_v2_b": 256}


def selection() -> dict[str, float]:
    """The networks, smallest first, with their millions of weights as torchvision counts them (1000 labels)."""
    millions = {name: parameters(name) / 1e6 for name in names()}
    chosen = [name for name in millions if millions[name] < _MOST_MILLIONS or name in NAMED]
    return {name: round(millions[name], 3) for name in sorted(chosen, key=lambda name: millions[name])}


def pixels_of(name: str) -> int:
    """Height and width of a network's input: 224, or its own where it is made for another size only."""
    return _OTHER_PIXELS.get(name, _PIXELS)

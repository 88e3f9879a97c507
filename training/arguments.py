"""The numbers of the recipe. :mod:`training.train` explains each on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training import networks


@dataclass(frozen=True)
class Arguments:
    """What a run is begun with; ``run.json`` records all of it."""

    data: Path
    out: Path
    arch: str = "mobilenet_v2"
    init: str = networks.IMAGENET
    epochs: int = 10
    image_size: int = 224
    shorter_edge: int | None = None
    squeeze: float = 1.25
    train_size: tuple[int, ...] = (144, 176, 176)
    """Edges of the crops in pixels, one after another, each for an equal part of the epochs."""
    batch_size: int = 32
    freeze: int = 8
    lr_body: float = 5e-4
    lr_head: float = 2e-3
    weight_decay: float = 0.01
    warmup: float = 0.2
    label_smoothing: float = 0.1
    teacher: tuple[Path, ...] = ()
    teaching: float = 0.7
    ema: float = 0.995
    crop_area: float = 0.35
    patience: int = 6
    seed: int = 0
    split_seed: int = 0
    device: str = "auto"
    workers: int | None = None
    memory_mib: int = 4096
    resume: bool = False

    def size_in(self, epoch: int) -> int:
        """Edge of the crops of one epoch, in pixels.

        :param epoch: its number, from 1.
        """
        return self.train_size[(epoch - 1) * len(self.train_size) // self.epochs]

"""The photos of one epoch in batches, augmented in processes beside the one that learns."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from training import device as devices
from training.distributed import ALONE, Group, PartSampler
from training.photos import Augmented, Photos, derive_seed
from training.progress import say


def load_epoch(
    photos: Photos,
    augment: v2.Transform,
    seed: int,
    epoch: int,
    batch_size: int,
    device: torch.device,
    workers: int | None = None,
    group: Group = ALONE,
) -> DataLoader[Any]:
    """Batches of uint8 (N, height, width, 3) and int64 (N,), the same for the same seed and epoch.

    :param photos: those to learn from; the ones that fill no batch are left out.
    :param augment: as for :class:`training.photos.Augmented`.
    :param epoch: its number, from 1.
    :param batch_size: photos in a step, of all processes together.
    :param device: where the network learns.
    :param workers: processes that augment, see :func:`training.device.workers`.
    :param group: the processes that train together.
    """
    count = devices.workers(workers, device, photos.held == len(photos))
    return DataLoader(
        Augmented(photos, augment, seed, epoch),
        group.part(batch_size),
        sampler=PartSampler(photos, batch_size, derive_seed(seed, epoch), group),
        num_workers=count,
        multiprocessing_context="fork" if count else None,
        pin_memory=device.type == "cuda",
    )


def say_held(photos: Photos, memory_mib: int) -> None:
    """Say so if not all photos are held in memory.

    :param memory_mib: what ``--memory-mib`` allowed.
    """
    held = photos.held
    if held < len(photos):
        say(
            f"{held} of {len(photos)} photos to learn from fit --memory-mib {memory_mib} and half of the free memory; "
            "the others are decoded anew in every epoch, which takes longer."
        )

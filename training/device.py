"""Where a network learns, in which precision, and how many processes prepare its photos."""

from __future__ import annotations

import sys
from typing import Literal

import torch

from twinlens.errors import TwinlensError
from twinlens.inference import available_threads

Precision = Literal["float32", "bfloat16", "float16"]


def choose(name: str, local_rank: int = 0) -> torch.device:
    """The device of a name: ``auto`` is CUDA where there is a device for it, else the CPU.

    :param local_rank: number of this process among those of this machine that train together, each on its own GPU.
    :raises TwinlensError: ``invalid_arguments`` if it is not there.
    """
    there = torch.cuda.is_available()
    if name.startswith("cuda") and not there:
        raise TwinlensError("invalid_arguments", "torch finds no CUDA device here. Begin a run with --device cpu.")
    if name == "cpu" or (name == "auto" and not there):
        return torch.device("cpu")
    if local_rank and local_rank >= torch.cuda.device_count():
        raise TwinlensError(
            "invalid_arguments",
            f"There are {torch.cuda.device_count()} CUDA devices for at least {local_rank + 1} processes. Start one "
            "process a device, or train with --device cpu.",
        )
    return torch.device("cuda", local_rank)


def precision(device: torch.device) -> Precision:
    """The fastest precision for matrix products that a device has instructions for.

    Where a processor lacks them, bfloat16 is emulated and slower than float32.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    there = torch.cpu.get_capabilities()
    return "bfloat16" if there.get("avx512_bf16") or there.get("amx_bf16") else "float32"


def workers(wanted: int | None, device: torch.device, held: bool) -> int:
    """How many processes augment photos: as many as asked for, else one, or one a core where that is too little.

    One keeps ahead of a network on the CPU, for which a photo is some thirty times the work that it is to augment it;
    not of a GPU, nor where photos must be decoded first. They are forked, so that they share the photos held in
    memory; where that is not safe, which is everywhere but on Linux, there are none and the training process augments.

    :param held: whether all photos are held in memory.
    """
    if sys.platform != "linux":
        return 0
    if wanted is not None:
        return wanted
    return 1 if held and device.type == "cpu" else available_threads()

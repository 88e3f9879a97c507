"""Where a network learns, in which precision, and how many processes prepare its photos."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final, Literal

import psutil  # type: ignore[import-untyped]
import torch

from twinlens.errors import TwinlensError
from twinlens.inference import available_threads

Precision = Literal["float32", "bfloat16", "float16"]

_CGROUP: Final = Path("/sys/fs/cgroup")
_CGROUP_MEMORY: Final = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)
"""The limit, what is used of it, and how much of that are files that can be dropped: of version 2 and version 1."""


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


def photo_memory(allowed_mib: int, processes: int = 1) -> int:
    """Bytes of decoded photos that each process may hold: its part of what is allowed, or of half of the free memory.

    :param allowed_mib: what ``--memory-mib`` allows all of them together, in MiB.
    :param processes: those of this machine that train together.
    """
    return min(allowed_mib << 20, free_memory() // 2) // processes


def free_memory(cgroup: Path = _CGROUP) -> int:
    """Bytes of memory that are free on this machine or, where that is less, within the cgroup's limit.

    In a container with a limit the machine's own figure says nothing: whoever goes by it is killed.

    :param cgroup: where the cgroup's files lie.
    """
    free = int(psutil.virtual_memory().available)
    for limit_file, used_file, details_file in _CGROUP_MEMORY:
        try:
            limit = int((cgroup / limit_file).read_text())
            used = int((cgroup / used_file).read_text())
            details = (cgroup / details_file).read_text()
        except (OSError, ValueError):  # another version's cgroup, or "max": no limit
            continue
        droppable = re.search(r"^inactive_file (\d+)$", details, re.MULTILINE)
        free = min(free, max(0, limit - used + (int(droppable[1]) if droppable else 0)))
    return free

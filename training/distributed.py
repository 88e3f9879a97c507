"""Several processes that train one network together, started by ``torchrun``; one process alone is a group of one.

Each process learns from its part of every batch, gradients are averaged (``DistributedDataParallel``), and the first
process alone validates, writes and speaks. The parts of a batch make up the batch that one process alone would have
learned from, so the number of processes changes the statistics of batch norm and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Sampler

from twinlens.errors import TwinlensError

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """The processes that train together: this one's number and how many there are, in all and on this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, writes and speaks."""
        return self.rank == 0

    def share(self, make: Callable[[], T]) -> T:
        """What the first process makes, given to all. The others wait for it."""
        if self.size == 1:
            return make()
        made: list[T | None] = [make() if self.first else None]
        dist.broadcast_object_list(made, src=0)
        return made[0]  # type: ignore[return-value]

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum of a tensor over all processes."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network to learn with: its gradients are averaged over all processes."""
        return DistributedDataParallel(network) if self.size > 1 else network

    def part(self, batch_size: int) -> int:
        """How many photos of each batch are this process's.

        :raises TwinlensError: ``invalid_arguments`` if a batch cannot be divided equally.
        """
        if batch_size % self.size:
            raise TwinlensError(
                "invalid_arguments",
                f"A batch of {batch_size} photos cannot be divided among {self.size} processes. Give a --batch-size "
                f"that is a multiple of {self.size}, of at most as many photos as there are to learn from.",
            )
        return batch_size // self.size


ALONE: Final = Group()


@contextmanager
def joined() -> Iterator[Group]:
    """Join the group that ``torchrun`` started this process for, and leave it at the end.

    NCCL carries gradients between GPUs, gloo between processes on the CPU.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    rank, local_rank, local_size = (int(os.environ[name]) for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    group = Group(rank, size, local_rank, local_size)
    # With NCCL alone, what is not on a GPU could not be shared.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield group
    finally:
        dist.destroy_process_group()


class PartSampler(Sampler[int]):
    """This process's part of every batch, in an order that only the seed decides.

    :param photos: what is sampled from.
    :param batch_size: of all processes together; photos that fill no batch are left out of the epoch.
    :param seed: of the order.
    """

    def __init__(self, photos: Sized, batch_size: int, seed: int, group: Group) -> None:
        self._count, self._batch_size, self._seed, self._group = len(photos), batch_size, seed, group

    def __len__(self) -> int:
        return self._count // self._batch_size * self._group.part(self._batch_size)

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(self._count, generator=torch.Generator().manual_seed(self._seed))
        whole = order[: self._count // self._batch_size * self._batch_size]
        batches = whole.view(-1, self._group.size, self._group.part(self._batch_size))
        yield from batches[:, self._group.rank].flatten().tolist()

"""Adaptive batching: requests that wait while the network runs are run together next.

BentoML's dispatcher decides when a batch goes; it holds nothing but the run of the network, since decoding inside a
batch would put everything in lockstep. Two of its habits are turned off here. It lets a lone request wait for company
while the network is idle, for about as long as requests had to wait lately. And it runs the jobs of requests that
were cancelled meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from bentoml._internal.marshal.dispatcher import CorkDispatcher, Optimizer
from numpy.typing import NDArray

from twinlens.errors import TwinlensError

Run = Callable[[NDArray[np.uint8]], Awaitable[NDArray[np.float64]]]


@dataclass(eq=False)
class _Job:
    """One image in the queue: uint8 (height, width, 3), and whether anyone still waits for it."""

    pixels: NDArray[np.uint8]
    wanted: bool = True


class _ShedError(Exception):
    """The dispatcher dropped a job, because its wait would have been too long or its request was cancelled."""


class _Eager(Optimizer):  # type: ignore[misc]
    """The dispatcher's model of how long a batch takes, without its wish to wait for a larger one."""

    def trigger_refresh(self) -> None:
        super().trigger_refresh()
        self.wait = 0


class Batcher:
    """Collects single images into batches.

    :param run: runs a batch, uint8 (N, height, width, 3), and returns float64 scores (N, labels).
    :param max_batch_size: largest N.
    :param max_latency_ms: a job whose expected wait is longer is dropped.
    """

    def __init__(self, run: Run, max_batch_size: int, max_latency_ms: int) -> None:
        self._run = run
        self._dispatcher = CorkDispatcher(max_latency_ms, max_batch_size, fallback=_shed, get_batch_size=_one)
        self._dispatcher.optimizer = _Eager(self._dispatcher.max_latency)
        self._dispatch = self._dispatcher(self._run_jobs)

    async def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Run one image in the next batch.

        :param pixels: uint8 array of shape (height, width, 3).
        :return: float64 scores of shape (labels,).
        :raises TwinlensError: ``overloaded`` if it would have to wait too long.
        """
        job = _Job(pixels)
        try:
            scores: NDArray[np.float64] = await self._dispatch(job)
        except _ShedError:
            # The dispatcher swallows the cancellation of its caller; asyncio must get it back.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from None
            raise TwinlensError(
                "overloaded", "The server has more images waiting than it can answer in time. Try again later."
            ) from None
        finally:
            job.wanted = False
        return scores

    def close(self) -> None:
        """Drop whatever waits."""
        self._dispatcher.shutdown()

    async def _run_jobs(self, jobs: Sequence[_Job]) -> list[NDArray[np.float64] | None]:
        wanted = [job for job in jobs if job.wanted]
        if not wanted:
            return [None] * len(jobs)
        scores = await self._run(np.stack([job.pixels for job in wanted]))
        found = dict(zip(wanted, scores, strict=True))
        return [found.get(job) for job in jobs]


def _one(_: _Job) -> int:
    return 1


def _shed() -> NoReturn:
    raise _ShedError

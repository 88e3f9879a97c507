"""Lanes: a queue of waiting items before threads that work on them, several items at a time where that pays.

This is where requests are batched. Nothing holds an item back and nothing polls: a thread that is free takes its share
of whatever waits at that moment, up to the largest batch, so batches form exactly when the network is the bottleneck,
and a lone request waits for nobody. BentoML's dispatcher, which stood here, polls every millisecond while a batch runs
(docs/decisions/013-overload-and-shutdown.md).

An item whose request was cancelled, because its client hung up or its deadline passed, leaves the queue at once and
is not worked on.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from twinlens.http import tracing
from twinlens.http.metrics import Metrics

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(eq=False)
class _Job(Generic[Item, Result]):
    """One item in the queue, and when what happened to it, in nanoseconds of :func:`time.perf_counter_ns`."""

    item: Item
    future: asyncio.Future[Result]
    queued: int = field(default_factory=time.perf_counter_ns)
    started: int = 0
    ended: int = 0
    together: int = 0


class Lane(Generic[Item, Result]):
    """A queue with threads of its own.

    :param name: names the lane in metrics, traces and threads.
    :param work: called in a thread with the items taken together, in their order, and whether they are all that the
        lane has at that moment; returns a result for each item.
    :param threads: how many threads work.
    :param most: how many items are taken together at most.
    :param metrics: the queue's depth and the seconds waited in it are kept there.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Item], bool], Sequence[Result]],
        threads: int,
        most: int,
        metrics: Metrics,
    ) -> None:
        self._name = name
        self._work = work
        self._most = most
        self._size = self._free = threads
        self._lock = threading.Lock()  # held to read or change who is free and what waits
        self._waiting: deque[_Job[Item, Result]] = deque()
        self._threads = ThreadPoolExecutor(threads, name)
        self._depth = metrics.queue_depth.labels(name)
        self._waits = metrics.queue_seconds.labels(name)

    async def __call__(self, item: Item) -> Result:
        """Have one item worked on.

        :raises asyncio.CancelledError: if the caller was cancelled; an item that still waited is dropped.
        :raises Exception: what ``work`` raised for the items that this one was taken with.
        """
        loop = asyncio.get_running_loop()
        job: _Job[Item, Result] = _Job(item, loop.create_future())
        with self._lock:
            self._waiting.append(job)
        self._depth.inc()
        # One call for each item: whichever thread comes first takes what waits, and later calls may find nothing.
        self._threads.submit(self._take, loop)
        try:
            return await job.future
        finally:
            if not job.started:
                with contextlib.suppress(ValueError), self._lock:  # a thread has just taken it
                    self._waiting.remove(job)
                    self._depth.dec()
            if tracing.recording():
                now = time.perf_counter_ns()
                tracing.record(f"{self._name} queue", job.queued, job.started or now)
                if job.started:
                    tracing.record(self._name, job.started, job.ended or now, {"twinlens.batch_size": job.together})

    def close(self) -> None:
        """Drop whatever waits; what runs goes on to its end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            while self._waiting:
                self._waiting.popleft().future.cancel()
                self._depth.dec()

    def _take(self, loop: asyncio.AbstractEventLoop) -> None:
        """Work on what waits, in a thread."""
        with self._lock:
            jobs = self._share()
            if not jobs:
                return
            self._free -= 1
            alone = self._free == self._size - 1 and not self._waiting
        started = time.perf_counter_ns()
        for job in jobs:
            job.started, job.together = started, len(jobs)
            self._waits.observe((started - job.queued) / 1e9)
        results: Sequence[Result] = ()
        failed: Exception | None = None
        try:
            results = self._work([job.item for job in jobs], alone)
        except Exception as error:
            failed = error
        ended = time.perf_counter_ns()
        for job in jobs:
            job.ended = ended
        with self._lock:
            self._free += 1
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            loop.call_soon_threadsafe(_deliver, jobs, results, failed)

    def _share(self) -> list[_Job[Item, Result]]:
        """What one free thread takes: what waits, divided by the threads that are free, up to the most."""
        share = min(self._most, math.ceil(len(self._waiting) / self._free))
        jobs: list[_Job[Item, Result]] = []
        while self._waiting and len(jobs) < share:
            job = self._waiting.popleft()
            self._depth.dec()
            if not job.future.done():
                jobs.append(job)
        return jobs


def _deliver(jobs: Sequence[_Job[Item, Result]], results: Sequence[Result], failed: Exception | None) -> None:
    """Answer each job, in the event loop."""
    for index, job in enumerate(jobs):
        if job.future.done():
            continue
        if failed is not None:
            job.future.set_exception(failed)
        else:
            job.future.set_result(results[index])

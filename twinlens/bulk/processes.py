"""Work in several processes on this machine, that goes on when one of them dies.

A damaged file can end a decoder, and with it the process, whatever Python does; so can a kernel that is out of memory.
Then the chunks that were in hand are divided until the photo is found that does it; it gets an error like any other.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final

from twinlens.bulk.work import Chunk, Done, Job, Worker
from twinlens.errors import TwinlensError
from twinlens.inference import available_threads

_AHEAD: Final = 2
"""Chunks in hand for each process, so that none waits for the next one."""

_worker: Worker | None = None


def work(job: Job, chunks: Iterable[Chunk], processes: int) -> Iterator[tuple[Chunk, list[Done]]]:
    """Have chunks worked on.

    :param processes: how many work side by side; 0: as many as the cores allowed to this one; 1 is this process itself,
        in which a decoder that dies takes all with it.
    :return: each chunk with what became of its files, in the order in which they are done.
    :raises TwinlensError: what is wrong with the model; ``engine_failed`` if processes end as soon as they start.
    """
    if processes == 1:
        alone = Worker(job)
        for chunk in chunks:
            yield chunk, alone(chunk)
        return
    processes = processes or available_threads()
    Worker(job)  # what is wrong with the model is said here rather than by processes that cannot start
    left = deque(chunks)
    while left:
        suspects: list[Chunk] = []
        with _pool(job, processes) as pool:
            _see_that_it_runs(pool)
            pending: dict[Future[list[Done]], Chunk] = {}
            try:
                while left or pending:
                    while left and len(pending) < _AHEAD * processes:
                        pending[pool.submit(_run, left[0])] = left[0]
                        left.popleft()
                    finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                    for future in finished:
                        done = future.result()
                        yield pending.pop(future), done
            except BrokenProcessPool:
                suspects = list(pending.values())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        for chunk in suspects:
            yield chunk, _carefully(job, chunk)


class Apart:
    """Works on chunks, one at a time, in a process of its own; another one after a photo has ended it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, chunk: Chunk) -> list[Done]:
        """Work on a chunk.

        :return: one for each file, in order.
        :raises TwinlensError: ``engine_failed`` if a process ends as soon as it starts.
        """
        if self._pool is None:
            self._pool = _pool(self._job, 1)
            _see_that_it_runs(self._pool)
        try:
            return self._pool.submit(_run, chunk).result()
        except BrokenProcessPool:
            self._pool.shutdown(wait=False)
            self._pool = None
        return _carefully(self._job, chunk)


def _carefully(job: Job, chunk: Chunk) -> list[Done]:
    """Work on a chunk in a process of its own; if that dies, on each half of it."""
    with _pool(job, 1) as pool:
        _see_that_it_runs(pool)
        try:
            return pool.submit(_run, chunk).result()
        except BrokenProcessPool:
            pass
    if len(chunk.files) == 1:
        detail = "The process that decoded this photo died: the file is damaged in a way that ends its decoder, or it "
        return [Done(chunk.files[0], None, error=TwinlensError("decoder_died", f"{detail}takes too much memory."))]
    middle = len(chunk.files) // 2
    halves = (chunk.files[:middle], chunk.files[middle:])
    return [done for files in halves for done in _carefully(job, Chunk(chunk.number, files))]


def _pool(job: Job, processes: int) -> ProcessPoolExecutor:
    # A fork would copy the threads' locks of ONNX Runtime and OpenMP in whatever state they are.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, context, initializer=_start, initargs=(job, context.Lock()))


def _see_that_it_runs(pool: ProcessPoolExecutor) -> None:
    """Wait for the first process, so that one that cannot even start is not taken for the fault of a photo."""
    try:
        pool.submit(os.getpid).result()
    except BrokenProcessPool:
        raise TwinlensError(
            "engine_failed",
            "The processes that were to work end as soon as they start; what they said stands above. With --workers 1 "
            "this process does all the work.",
        ) from None


def _start(job: Job, large: Any) -> None:
    """Make this process ready for its chunks."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that hands out the chunks
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = Worker(job, large)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(chunk: Chunk) -> list[Done]:
    assert _worker is not None
    return _worker(chunk)

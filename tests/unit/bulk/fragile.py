"""A worker that a photo called ``deadly`` ends, as a decoder that crashes does; apart, since processes import it."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from twinlens.bulk import processes, rays
from twinlens.bulk.work import Chunk, Done, Job, Worker


class Fragile(Worker):
    """The worker."""

    def __call__(self, chunk: Chunk) -> list[Done]:
        if any(file.name == "deadly.png" for file in chunk.files):
            os._exit(11)
        return super().__call__(chunk)


def start(job: Job, large: Any) -> None:
    """Make a process ready."""
    processes._start(job, large)
    processes._worker = Fragile(job, large)


def pool(workers: int, context: Any, initializer: Any, initargs: Any) -> ProcessPoolExecutor:
    """Processes with the worker."""
    return ProcessPoolExecutor(workers, context, start, initargs)


class Actor(rays.Actor):
    """A process of Ray's whose own one has the worker."""

    def __init__(self, job: Job) -> None:
        processes.ProcessPoolExecutor = pool
        super().__init__(job)


def fail(_job: Job, _large: Any) -> None:
    """Be unable to start."""
    os._exit(3)

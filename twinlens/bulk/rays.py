"""Work through Ray Data: on this machine, or on a cluster that is there already.

Whatever is done to a chunk is what a process of this machine does to it (:mod:`twinlens.bulk.work`), so the rows are
the same. A photo that ends the process that decodes it does not end Ray's, which would begin the chunk again for ever:
each of those has a process of its own beside it (:class:`twinlens.bulk.processes.Apart`). Photos and model are read by
their paths, so every machine of a cluster must see them there, and have Twinlens installed; the rows come back to the
process that asked, which writes them.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from twinlens.bulk.processes import Apart
from twinlens.bulk.work import Chunk, Done, Job
from twinlens.errors import TwinlensError
from twinlens.extras import need
from twinlens.inference import available_threads

_CONNECT_SECONDS: Final = 5.0


class Actor:
    """A process of the cluster: Ray makes as many as are wanted, and hands each a chunk at a time."""

    def __init__(self, job: Job) -> None:
        self._apart = Apart(job)

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        """Work on a chunk."""
        chunk: Chunk = pickle.loads(item["chunk"])
        return {"number": chunk.number, "done": pickle.dumps(self._apart(chunk))}


def work(job: Job, chunks: Iterable[Chunk], workers: int, address: str | None) -> Iterator[tuple[Chunk, list[Done]]]:
    """Have chunks worked on.

    :param workers: how many actors, each with one core; 0: as many as the cluster has cores.
    :param address: of a running cluster, as ``ray.init`` takes it (``auto`` finds one); None starts one on this machine
        that ends with the job.
    :return: each chunk with what became of its files, in the order in which they are done.
    :raises TwinlensError: ``missing_requirement`` if Ray is not installed; ``engine_failed`` if there is no cluster at
        the address, or Ray gives up on a chunk.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine unasked
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    # Whatever virtual environment this process has, its workers have it too: Ray would make them one by uv otherwise.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    ray, data = need("ray"), need("ray.data")
    if address is not None:
        _see_that_something_listens(address)
    wanted = {chunk.number: chunk for chunk in chunks}
    try:
        if address is None:
            path = os.pathsep.join(entry for entry in sys.path if entry)
            ray.init(
                num_cpus=workers or available_threads(),
                include_dashboard=False,
                logging_level=logging.ERROR,
                log_to_driver=False,
                runtime_env={"env_vars": {"PYTHONPATH": path}},
            )
        else:
            ray.init(address, logging_level=logging.ERROR, log_to_driver=False)
    except Exception as error:  # Ray has an exception of its own for each way in which it cannot start
        raise TwinlensError("engine_failed", f"Ray does not answer{_at(address)}: {_first(error)}") from None
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        items = [{"chunk": pickle.dumps(chunk)} for chunk in wanted.values()]
        # A block is what an actor is given at a time, and what comes back at a time.
        chunked = data.from_items(items, override_num_blocks=len(items))
        workers = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        actors = data.ActorPoolStrategy(size=min(workers, len(items)))
        mapped = chunked.map(Actor, fn_constructor_args=(job,), compute=actors, num_cpus=1)
        for item in mapped.iter_rows():
            yield wanted[int(item["number"])], pickle.loads(item["done"])
    except Exception as error:  # of Ray, of Ray Data, or what a worker raised, which is of both kinds at once
        raise TwinlensError(
            "engine_failed", f"Ray gave up ({_first(error)}). Run the command again: what is answered is kept."
        ) from None
    finally:
        ray.shutdown()


def _see_that_something_listens(address: str) -> None:
    """Say at once that there is no cluster at an address; Ray itself asks on for minutes.

    :raises TwinlensError: ``engine_failed`` if nothing listens there. What names no port is left to Ray.
    """
    parts = urlsplit(address if "//" in address else f"//{address}")
    try:
        if parts.hostname and parts.port:
            socket.create_connection((parts.hostname, parts.port), _CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise TwinlensError("engine_failed", f"Ray does not answer{_at(address)}: {_first(error)}") from None


def _at(address: str | None) -> str:
    return f" at {address}" if address is not None else ""


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__

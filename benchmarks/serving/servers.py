"""Every server by its name: started for one round, with the address that photos are posted to and its process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server import served
from benchmarks.serving.plan import OURS, UNBATCHED
from loadtest.peers.catalogue import serving_peer
from twinlens.store import ModelVersion


@dataclass(frozen=True)
class Running:
    """A server that is ready.

    ``address`` is what photos are posted to, ``pid`` the root of its process tree, ``metrics`` the address whose
    ``/metrics`` has the sizes of the batches, None where there is none.
    """

    address: str
    pid: int
    metrics: str | None = None


@contextmanager
def started(name: str, version: ModelVersion, cache: Path | None) -> Iterator[Running]:
    """Run a server until the block ends.

    :param name: one of ours or of the peers.
    :param version: the model, for all of them the same.
    :param cache: folder of the peers' environments.
    :raises TwinlensError: if it does not start.
    """
    if name in (OURS, UNBATCHED):
        model = version.path.parent
        settings = {
            "TWINLENS_MODELS": str(model.parent.absolute()),
            "TWINLENS_MODEL": model.name,
            "TWINLENS_BATCHING": "false" if name == UNBATCHED else "true",
        }
        with served(settings) as server:
            yield Running(f"{server.url}/v1/classify", server.pid, server.url)
    else:
        with serving_peer(name, version.path, cache=cache) as peer:
            yield Running(f"{peer.url}{peer.path}", peer.pid)

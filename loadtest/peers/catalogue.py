"""The peers: what each is, and how it is started, in an isolated environment with its own packages."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from benchmarks.results import ROOT
from benchmarks.server import free_port, running
from twinlens import isolated
from twinlens.inference import available_threads
from twinlens.isolated import Environment, Recipe

RECIPE: Final = Recipe("peers", "the peers' environment", ROOT / "requirements" / "peers.txt", "about 3 GB", 8.0)
_PATH: Final = "/v1/classify"


@dataclass(frozen=True)
class Peer:
    """A server of another kind.

    It takes a photo as the file ``image`` of a multipart form at ``path``, and answers
    ``{"predictions": [{"label": ..., "score": ...}, ...]}``, best first. ``ready_path`` answers 200 once it is ready.
    ``about`` says in a sentence what it is and how it is run.
    """

    name: str
    title: str
    path: str
    ready_path: str
    about: str


@dataclass(frozen=True)
class RunningPeer:
    """A peer that answers at ``url + path``; ``pid`` is its first process, from which all others descend."""

    url: str
    path: str
    pid: int


PEERS: Final[Mapping[str, Peer]] = MappingProxyType(
    {
        peer.name: peer
        for peer in (
            Peer(
                "fastapi_tutorial",
                "FastAPI + ONNX Runtime, as in a tutorial",
                _PATH,
                "/readyz",
                "A def endpoint in the pool of threads, Pillow, one session with default options; uvicorn.",
            ),
            Peer(
                "fastapi_tuned",
                "FastAPI + ONNX Runtime, tuned",
                _PATH,
                "/readyz",
                "The same with our decoding, graph and threads; no batches, limits, deadlines or metrics.",
            ),
            Peer(
                "bentoml_documented",
                "BentoML, its batchable endpoint",
                _PATH,
                "/readyz",
                "@bentoml.api(batchable=True) on a list of images, every option its default; ONNX Runtime.",
            ),
            Peer(
                "litserve",
                "LitServe, batching",
                _PATH,
                "/health",
                "Batches of 8, 0.1 s to fill one, a worker for each core with one thread; ONNX Runtime.",
            ),
            Peer(
                "flask_eager",
                "Flask + gunicorn + PyTorch eager",
                _PATH,
                "/readyz",
                "A worker for each core with one thread, preloaded; the same weights in torchvision's network.",
            ),
        )
    }
)


class _Start(NamedTuple):
    bin: Path
    port: str
    cores: str


def _uvicorn(module: str, *more: str) -> Callable[[_Start], list[str]]:
    return lambda start: [
        *(str(start.bin / "uvicorn"), f"loadtest.peers.{module}:app", "--host", "127.0.0.1", "--port", start.port),
        *more,
    ]


# As each one's documentation starts it.
_COMMANDS: Final[Mapping[str, Callable[[_Start], list[str]]]] = {
    "fastapi_tutorial": _uvicorn("fastapi_tutorial"),
    "fastapi_tuned": _uvicorn("fastapi_tuned", "--no-access-log"),
    "bentoml_documented": lambda start: [
        *(str(start.bin / "bentoml"), "serve", "loadtest.peers.bentoml_documented:ImageClassifier"),
        *("--host", "127.0.0.1", "--port", start.port),
    ],
    "litserve": lambda start: [str(start.bin / "python"), "-m", "loadtest.peers.litserve_batched"],
    # Preloaded, so that the port is only there once every worker has its network.
    "flask_eager": lambda start: [
        *(str(start.bin / "gunicorn"), "loadtest.peers.flask_eager:app", "--bind", f"127.0.0.1:{start.port}"),
        *("--workers", start.cores, "--preload"),
    ],
}


def prepare(cache: Path | None = None) -> Path:
    """The interpreter of the environment that all peers run in, which is made first if it is not there.

    :param cache: folder that keeps environments; :func:`twinlens.isolated.default_cache` by default.
    :raises TwinlensError: as :func:`twinlens.isolated.prepare` does.
    """
    return _environment(cache).python


@contextmanager
def serving_peer(
    name: str, version: Path, *, cache: Path | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[RunningPeer]:
    """Run a peer on a free port until the block ends; then none of its processes is left, and its port is free.

    :param name: a key of :data:`PEERS`.
    :param version: the folder of the model version that it is to answer with.
    :param cache: as for :func:`prepare`.
    :param environment: further environment variables for it.
    :raises TwinlensError: what :func:`prepare` and :func:`benchmarks.server.running` raise.
    """
    peer, port, cores = PEERS[name], str(free_port()), str(available_threads())
    ours = _environment(cache)
    with tempfile.TemporaryDirectory(prefix="twinlens-peer-") as folder:
        variables = {
            **ours.variables(),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "BENTOML_HOME": folder,
            "BENTOML_DO_NOT_TRACK": "true",
            "PEER_VERSION": str(version.absolute()),
            "PEER_CORES": cores,
            "PEER_PORT": port,
            **(environment or {}),
        }
        command = _COMMANDS[name](_Start(ours.folder / "bin", port, cores))
        with running(f"The peer {name}", command, int(port), peer.ready_path, variables, Path(folder)) as pid:
            yield RunningPeer(f"http://127.0.0.1:{port}", peer.path, pid)


def _environment(cache: Path | None) -> Environment:
    return isolated.prepare(RECIPE, cache)

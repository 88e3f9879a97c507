"""What is done to many photos, whatever runs it: files in, and for each its digest, scores, embedding, or an error.

Files come in chunks, and a chunk is worked on from its first file to its last by one process with one thread, in
batches that begin anew with it. So a chunk has the same answers to the last bit wherever it is worked on, and beside
whatever else; and one core to a process is also what answers the most photos, since nobody waits for anybody.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinlens.classifier import Classifier
from twinlens.classify import read_file
from twinlens.decode import LARGE_PIXELS
from twinlens.errors import TwinlensError
from twinlens.settings import Settings
from twinlens.store import open_version

CHUNK: Final = 64
"""Files in a chunk: what a stop or a broken process can cost, and far more than what handing it over costs."""


class Chunk(NamedTuple):
    """Files that are worked on one after the other; ``number`` tells it from the others of a job."""

    number: int
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Done:
    """What became of one file.

    ``sha256`` is that of its bytes, None where they could not be read. ``scores`` are float64 (labels,) and
    ``embedding`` float32 (size,) where the job asked for them; both are None where there is an ``error``, and where the
    job knew the digest.
    """

    file: Path
    sha256: str | None
    scores: NDArray[np.float64] | None = None
    embedding: NDArray[np.float32] | None = None
    error: TwinlensError | None = None


@dataclass(frozen=True)
class Job:
    """What every process is told: which model, within which limits, and what is wanted of it."""

    settings: Settings
    version: Path
    """The version's folder: another one that becomes the current one meanwhile is not taken."""
    embeddings: bool = False
    """Whether embeddings are wanted; scores otherwise."""
    known: frozenset[str] = frozenset()
    """SHA-256 of photos whose answers are known, so that they are read but neither decoded nor answered."""


def chunks(files: Sequence[Path], size: int = CHUNK) -> list[Chunk]:
    """Files in chunks, in their order."""
    return [Chunk(at // size, tuple(files[at : at + size])) for at in range(0, len(files), size)]


class Worker:
    """A process's share of a job: the model, with one thread.

    :param large: held while a very large photo is decoded, or a few at once would fill the memory.
    :raises TwinlensError: as :func:`twinlens.store.open_version` and :class:`twinlens.classifier.Classifier` do.
    """

    def __init__(self, job: Job, large: contextlib.AbstractContextManager[object] | None = None) -> None:
        logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what is wrong with a file stands in its row
        warnings.filterwarnings("ignore", module=r"PIL\.")
        self._job = job
        self._large = large or contextlib.nullcontext()
        self._classifier = Classifier(open_version(job.version), replace(job.settings, threads=1))

    def __call__(self, chunk: Chunk) -> list[Done]:
        """Work on a chunk.

        :return: one for each file, in order.
        """
        found: list[Done] = []
        waiting: list[tuple[int, NDArray[np.uint8]]] = []
        for index, file in enumerate(chunk.files):
            done, pixels = self._load(file)
            found.append(done)
            if pixels is not None:
                waiting.append((index, pixels))
            if waiting and (len(waiting) == self._job.settings.max_batch_size or index == len(chunk.files) - 1):
                self._answer(waiting, found)
                waiting = []
        return found

    def _load(self, file: Path) -> tuple[Done, NDArray[np.uint8] | None]:
        sha256 = None
        try:
            data = read_file(file, self._job.settings.max_body_bytes)
            sha256 = hashlib.sha256(data).hexdigest()
            if sha256 in self._job.known:
                return Done(file, sha256), None
            header = self._classifier.read_header(data)
            with self._large if header.allocates > LARGE_PIXELS else contextlib.nullcontext():
                return Done(file, sha256), self._classifier.pixels(header)
        except TwinlensError as error:
            return Done(file, sha256, error=error), None
        except Exception as error:  # of millions of photos, one must not end the work on the others
            fault = TwinlensError("internal", f"Decoding raised {type(error).__name__}. Please report this photo.")
            return Done(file, sha256, error=fault), None

    def _answer(self, waiting: Sequence[tuple[int, NDArray[np.uint8]]], found: list[Done]) -> None:
        try:
            self._run(waiting, found)
        except Exception as error:  # one photo, or memory that was short for a moment, must not end the work on others
            if len(waiting) > 1:
                for one in waiting:
                    self._answer([one], found)
                return
            fault = TwinlensError("internal", f"The network raised {type(error).__name__}. Please report this photo.")
            index, _ = waiting[0]
            found[index] = replace(found[index], error=fault)

    def _run(self, waiting: Sequence[tuple[int, NDArray[np.uint8]]], found: list[Done]) -> None:
        batch = np.stack([pixels for _, pixels in waiting])
        if self._job.embeddings:
            _, embeddings = self._classifier.scores_and_embeddings(batch)
            for (index, _), embedding in zip(waiting, embeddings, strict=True):
                found[index] = replace(found[index], embedding=embedding.astype(np.float32))
        else:
            for (index, _), scores in zip(waiting, self._classifier.scores(batch), strict=True):
                found[index] = replace(found[index], scores=scores)

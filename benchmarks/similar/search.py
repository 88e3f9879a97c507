"""``python -m benchmarks.similar.search VECTORS ASKED KIND WANTED ROUNDS``: build an index and time it, in a process.

The index is the product's own (``twinlens.similar.kinds``). Its searches and those of a flat index on the same vectors
take turns: one question at a time, on one thread.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.process import answer
from benchmarks.results import significant
from twinlens.extras import need
from twinlens.similar.kinds import NEAREST, Searcher, build
from twinlens.similar.options import KINDS, Kind
from twinlens.similar.precision import recall

Floats = NDArray[np.float32]

_EXACT_IN_A_ROUND: Final = 50
_OURS_IN_A_ROUND: Final = 500


def measure(vectors: Path, asked: Path, kind: Kind | None, wanted: float, rounds: int) -> dict[str, Any]:
    """Build and search.

    :param vectors: file of the vectors that are indexed, ``.npy``, float32 (N, dimensions).
    :param asked: of the questions.
    :param kind: of index; None for the one that so many vectors get.
    """
    held, questions = np.load(vectors), np.load(asked)
    started = time.monotonic()
    ours = build(held, kind, wanted)
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    faiss = need("faiss")
    _, exact = faiss.knn(questions, held, NEAREST, metric=faiss.METRIC_INNER_PRODUCT)
    found = np.concatenate([ours.search(question[None], NEAREST)[1] for question in questions])
    flat = Searcher(faiss.IndexFlatIP(held.shape[1]), "flat")
    flat.add(held)
    del held
    times: dict[str, list[float]] = {"ours": [], "exact": []}
    for turn in range(rounds + 1):
        for name, searcher, count in (("ours", ours, _OURS_IN_A_ROUND), ("exact", flat, _EXACT_IN_A_ROUND)):
            taken = _timed(searcher, questions[:count])
            if turn:  # the first one warms the caches
                times[name].append(taken)
    return {
        "kind": ours.kind,
        "effort": ours.effort,
        "vectors": int(flat.index.ntotal),
        "build_seconds": significant(seconds),
        "peak_bytes": int(peak),
        "index_bytes": int(faiss.serialize_index(ours.index).nbytes),
        "recall_at_10": significant(recall(found, exact)),
        "questions": len(questions),
        "ours_ms": [significant(each) for each in times["ours"]],
        "exact_ms": [significant(each) for each in times["exact"]],
    }


def _timed(searcher: Searcher, questions: Floats) -> float:
    """The median milliseconds of one question."""
    taken = []
    for question in questions:
        started = time.perf_counter()
        searcher.search(question[None], NEAREST)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken) * 1e3)


if __name__ == "__main__":
    vectors, asked, kind, wanted, rounds = sys.argv[1:]
    chosen: Kind | None = next((each for each in KINDS if each == kind), None)
    answer(measure(Path(vectors), Path(asked), chosen, float(wanted), int(rounds)))

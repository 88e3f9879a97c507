"""The kinds of index, FAISS's, and which one photos get: by how many there are, and by the recall that is measured.

A few photos are simply all compared. More get a graph (HNSW), whose search looks at a small part of them; very many get
lists of short codes (IVF-PQ, whose best are compared again by 8-bit vectors), which take a fraction of the memory. How
much a search looks at is tuned on vectors that are held out of the index until it is: the least that finds the wanted
share of the ten nearest. Vectors have length 1, so an inner product is a cosine.

Rows of removed photos are still in the index. A search that would find too many of them looks at more: they lie
together, as a folder that was removed does, and are then all that an effort tuned without them would reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import TwinlensError
from twinlens.extras import need
from twinlens.inference import available_threads
from twinlens.similar.options import RECALL, Kind
from twinlens.similar.precision import recall

Floats = NDArray[np.float32]

NEAREST: Final = 10

_FLAT_MOST: Final = 20_000
"""Photos up to which all are compared: 10 MB of vectors."""
_HNSW_MOST: Final = 4_000_000
"""Photos up to which there is a graph: it takes 0.8 kB for each."""
_LINKS: Final = 32
_EFFORT_WHILE_BUILDING: Final = 80
_EFFORTS: Final[dict[Kind, tuple[int, ...]]] = {
    "flat": (),
    "hnsw": (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024),
    "ivfpq": (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512),
}
_HELD_OUT: Final = 1000
_MOST_LISTS: Final = 65_536
_LEARNED_FROM: Final = 64
"""Photos that each list of an IVF is learned from."""
_COMPARED_AGAIN: Final = 20
"""Photos for each wanted one whose vectors are compared after the codes."""
_MORE: Final = 4
"""How many times as much a search looks at where removed photos leave it too few."""
_SCANNED_FROM: Final = 8
"""A graph's search that would keep this part of all photos at hand is none: all are compared."""


class Left:
    """The rows that may be found, made ready once for all searches.

    :param rows: bool (N,), whether each may be found.
    """

    def __init__(self, rows: NDArray[np.bool_]) -> None:
        self.rows = rows
        self.selector: Any = need("faiss").IDSelectorBitmap(np.packbits(rows, bitorder="little"))
        self._in_lists: NDArray[np.int64] | None = None

    def in_lists(self, ivf: Any) -> NDArray[np.int64]:
        """How many of these rows lie in each list of an inverted file, counted once."""
        if self._in_lists is None:
            lists, faiss = ivf.invlists, need("faiss")
            ids = (faiss.rev_swig_ptr(lists.get_ids(each), lists.list_size(each)) for each in range(ivf.nlist))
            self._in_lists = np.array([np.count_nonzero(self.rows[each]) for each in ids])
        return self._in_lists


@dataclass(frozen=True)
class Searcher:
    """An index with the effort that its searches make.

    :param index: FAISS's; row N is the N-th vector that was added.
    :param effort: photos that a graph's search keeps at hand (``efSearch``), or lists that it looks into (``nprobe``).
    """

    index: Any
    kind: Kind
    effort: int = 0
    recall: float | None = None
    """Measured on vectors held out; None for ``flat``, which finds all."""

    def search(
        self, vectors: Floats, k: int, left: Left | None = None, threads: int = 1
    ) -> tuple[Floats, NDArray[np.int64]]:
        """The nearest vectors.

        :param vectors: float32 (Q, dimensions), of length 1.
        :param left: the rows that may be found; all by default.
        :param threads: of the search; one question has use for one.
        :return: cosines and rows, both (Q, k), nearest first; row -1 where there are no more.
        """
        faiss = need("faiss")
        faiss.omp_set_num_threads(threads)  # of this thread: OpenMP keeps it for each
        vectors = np.ascontiguousarray(vectors)
        if self.kind == "flat":
            return _scan(self.index, vectors, k, left)
        if self.kind == "hnsw":
            return self._through_graph(vectors, k, left)
        return self._through_lists(vectors, k, left)

    def _through_graph(self, vectors: Floats, k: int, left: Left | None) -> tuple[Floats, NDArray[np.int64]]:
        effort = max(self.effort, k)
        if left is None:
            parameters = need("faiss").SearchParametersHNSW(efSearch=effort)
            scores, rows = self.index.search(vectors, k, params=parameters)
            return scores, rows
        scores, rows = np.empty((len(vectors), k), np.float32), np.empty((len(vectors), k), np.int64)
        waiting = np.arange(len(vectors))
        # Half of what the effort was tuned to keep at hand: the last ones at hand are not the nearest of all.
        wanted = max(k, effort // 2)
        while len(waiting):
            if effort * _SCANNED_FROM >= self.index.ntotal:
                storage = need("faiss").downcast_index(self.index.storage)
                scores[waiting], rows[waiting] = _scan(storage, vectors[waiting], k, left)
                break
            parameters = need("faiss").SearchParametersHNSW(efSearch=effort)
            found_scores, found = self.index.search(vectors[waiting], effort, params=parameters)
            there = (found >= 0) & left.rows[found]
            enough = there.sum(axis=1) >= wanted
            order = np.argsort(~there[enough], axis=1, kind="stable")[:, :k]
            scores[waiting[enough]] = np.take_along_axis(found_scores[enough], order, axis=1)
            rows[waiting[enough]] = np.take_along_axis(found[enough], order, axis=1)
            waiting = waiting[~enough]
            effort *= _MORE
        return scores, rows

    def _through_lists(self, vectors: Floats, k: int, left: Left | None) -> tuple[Floats, NDArray[np.int64]]:
        faiss = need("faiss")
        ivf = faiss.extract_index_ivf(self.index.base_index)
        in_lists = None if left is None else left.in_lists(ivf)
        scores, rows = np.empty((len(vectors), k), np.float32), np.empty((len(vectors), k), np.int64)
        waiting, effort = np.arange(len(vectors)), self.effort
        # Half of what so many lists hold when nothing is gone: around what is gone they hold next to nothing.
        wanted = effort * self.index.ntotal / ivf.nlist / 2
        while len(waiting):
            effort = min(effort, ivf.nlist)
            enough = np.ones(len(waiting), bool)
            if in_lists is not None and effort < ivf.nlist:
                _, probed = ivf.quantizer.search(vectors[waiting], effort)
                enough = np.where(probed >= 0, in_lists[probed], 0).sum(axis=1) >= wanted
            inner = faiss.SearchParametersIVF(nprobe=effort, sel=None if left is None else left.selector)
            both = faiss.IndexRefineSearchParameters(k_factor=_COMPARED_AGAIN, base_index_params=inner)
            if (ready := waiting[enough]).size:
                scores[ready], rows[ready] = self.index.search(vectors[ready], k, params=both)
            short = ready[(rows[ready] < 0).any(axis=1)] if effort < ivf.nlist else ready[:0]
            waiting = np.concatenate([waiting[~enough], short])
            effort *= _MORE
        return scores, rows

    def add(self, vectors: Floats) -> None:
        """Add vectors; their rows follow those that there are."""
        need("faiss").omp_set_num_threads(available_threads())
        self.index.add(np.ascontiguousarray(vectors))


def _scan(index: Any, vectors: Floats, k: int, left: Left | None) -> tuple[Floats, NDArray[np.int64]]:
    """Compare all."""
    parameters = None if left is None else need("faiss").SearchParameters(sel=left.selector)
    scores, rows = index.search(vectors, k, params=parameters)
    return scores, rows


def wanted_kinds(count: int) -> tuple[Kind, ...]:
    """The kinds for so many photos: the first whose recall is as wanted is taken."""
    if count <= _FLAT_MOST:
        return ("flat",)
    return ("hnsw", "flat") if count <= _HNSW_MOST else ("ivfpq", "hnsw", "flat")


def build(vectors: Floats, kind: Kind | None = None, wanted: float = RECALL) -> Searcher:
    """Make an index of vectors whose order says nothing about them.

    :param vectors: float32 (N, dimensions), N at least 1, of length 1; row N of the index is the N-th.
    :param kind: by default the first of :func:`wanted_kinds` whose recall is as wanted.
    :param wanted: share of the ten nearest that is to be found.
    :return: the index; of a kind that was asked for also where its recall is less.
    """
    made: Searcher | None = None
    for each in (kind,) if kind is not None else wanted_kinds(len(vectors)):
        made = _build(vectors, each, wanted)
        if made.recall is None or made.recall >= wanted:
            break
    assert made is not None
    return made


def _build(vectors: Floats, kind: Kind, wanted: float) -> Searcher:
    if kind != "flat" and len(vectors) < 2 * NEAREST:
        raise TwinlensError(
            "invalid_arguments", f"{len(vectors)} photos are too few for an index of kind {kind}: use flat."
        )
    faiss = need("faiss")
    faiss.omp_set_num_threads(available_threads())
    held = 0 if kind == "flat" else max(1, min(_HELD_OUT, len(vectors) // 20))
    rest, out = vectors[: len(vectors) - held], vectors[len(vectors) - held :]
    index = _empty(faiss, kind, rest)
    searcher = Searcher(index, kind)
    searcher.add(rest)
    if kind == "flat":
        return searcher
    searcher = tuned(searcher, out, rest, wanted)
    searcher.add(out)
    return searcher


def tuned(searcher: Searcher, asked: Floats, among: Floats, wanted: float) -> Searcher:
    """The index with the least effort that finds the wanted share of the ten nearest, or with the most that there is.

    :param asked: vectors that are not in the index, float32 (Q, dimensions).
    :param among: those that are.
    """
    _, exact = need("faiss").knn(asked, among, NEAREST, metric=need("faiss").METRIC_INNER_PRODUCT)
    for effort in _efforts(searcher, len(among)):
        trying = replace(searcher, effort=effort)
        _, found = trying.search(asked, NEAREST, threads=available_threads())
        searcher = replace(trying, recall=recall(found, exact))
        assert searcher.recall is not None
        if searcher.recall >= wanted:
            break
    return searcher


def _efforts(searcher: Searcher, count: int) -> Iterator[int]:
    most = count
    if searcher.kind == "ivfpq":
        faiss = need("faiss")
        most = faiss.extract_index_ivf(searcher.index.base_index).nlist
    efforts = [effort for effort in _EFFORTS[searcher.kind] if effort < most]
    yield from efforts or [most]


def _empty(faiss: Any, kind: Kind, learned_from: Floats) -> Any:
    """An index that can take vectors."""
    count, dimensions = learned_from.shape
    metric = faiss.METRIC_INNER_PRODUCT
    if kind == "flat":
        return faiss.IndexFlatIP(dimensions)
    if kind == "hnsw":
        graph = faiss.IndexHNSWFlat(dimensions, _LINKS, metric)
        graph.hnsw.efConstruction = _EFFORT_WHILE_BUILDING
        return graph
    lists = max(1, min(_MOST_LISTS, int(4 * count**0.5), count // 40))
    # One byte for every four dimensions, as far as the number of dimensions divides.
    codes = max(each for each in range(1, max(1, dimensions // 4) + 1) if dimensions % each == 0)
    bits = 8 if count >= 256 * 40 else 4
    index = faiss.index_factory(dimensions, f"IVF{lists},PQ{codes}x{bits},Refine(SQ8)", metric)
    # FAISS warns where it learns from fewer than 39 for each of its means; few photos are learned from all.
    faiss.extract_index_ivf(index.base_index).cp.min_points_per_centroid = 1
    faiss.downcast_index(index.base_index).pq.cp.min_points_per_centroid = 1
    index.train(learned_from[: max(_LEARNED_FROM * lists, 256 * 64)])
    return index

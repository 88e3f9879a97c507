import functools

import faiss
import numpy as np
import pytest

from tests.unit.similar.made import clusters
from twinlens.errors import TwinlensError
from twinlens.similar import kinds
from twinlens.similar.kinds import Left, build, tuned, wanted_kinds
from twinlens.similar.options import KINDS
from twinlens.similar.precision import nearest, recall
from twinlens.similar.projection import unit

VECTORS = unit(clusters(1500)[0])
ASKED = unit(clusters(50, seed=7)[0])
EXACT = nearest(ASKED, VECTORS, 10)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setattr(kinds, "available_threads", lambda: 1)
    before = faiss.omp_get_max_threads()
    yield
    faiss.omp_set_num_threads(before)


@functools.cache
def built(kind):
    """An index of each kind, not to be changed."""
    return build(VECTORS, kind, 0.9)


def test_a_kind_for_every_size():
    assert [wanted_kinds(count)[0] for count in (1, 20_000, 20_001, 4_000_000, 4_000_001)] == [
        *("flat", "flat", "hnsw", "hnsw", "ivfpq"),
    ]
    assert all(wanted_kinds(count)[-1] == "flat" for count in (10, 10**5, 10**7))


def test_flat_finds_the_exact_ones():
    searcher = build(VECTORS)
    scores, rows = searcher.search(ASKED, 10)
    assert (searcher.kind, searcher.recall) == ("flat", None)
    assert recall(rows, EXACT) == 1
    assert scores[:, 0] == pytest.approx(np.max(ASKED @ VECTORS.T, axis=1), abs=1e-5)


@pytest.mark.parametrize("kind", ["hnsw", "ivfpq"])
def test_the_others_find_what_is_wanted_and_say_so(kind):
    searcher = built(kind)
    assert searcher.kind == kind and searcher.index.ntotal == len(VECTORS)
    assert searcher.recall >= 0.9 and searcher.effort > 0
    scores, rows = searcher.search(ASKED, 10)
    assert recall(rows, EXACT) > 0.8
    assert (np.diff(scores, axis=1) <= 1e-6).all()
    # Photos that were held out while it was tuned are found like the others.
    found = searcher.search(VECTORS[-5:], 1)[1][:, 0]
    assert found.tolist() == list(range(len(VECTORS) - 5, len(VECTORS)))


def test_more_is_found_with_more_effort():
    little, much = (tuned(built("ivfpq"), ASKED, VECTORS, wanted) for wanted in (0.3, 0.95))
    assert little.effort < much.effort and little.recall < much.recall


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_gone_are_not_found_and_others_are_in_their_place(kind):
    searcher = built(kind)
    before = searcher.search(ASKED, 5)[1]
    gone = np.unique(before[:, :2])
    after = searcher.search(ASKED, 5, without(len(VECTORS), gone))[1]
    assert not np.isin(after, gone).any() and (after >= 0).all()


def without(count, gone):
    rows = np.ones(count, bool)
    rows[gone] = False
    return Left(rows)


@pytest.mark.parametrize("kind", ["hnsw", "ivfpq"])
def test_where_whole_heaps_are_gone_the_nearest_of_the_others_are_found(kind):
    embeddings, labels = clusters(6000, labels=25)
    vectors, labels = unit(embeddings), np.array(labels)
    searcher = build(vectors, kind, 0.9)
    gone = np.isin(labels, ["label 3", "label 17", "label 21"])
    left = without(len(vectors), gone)
    more, of = clusters(400, labels=25, seed=5)
    asked = unit(more)[np.isin(of, ["label 3", "label 17", "label 21"])]  # each in the middle of what is gone
    found = searcher.search(asked, 10, left)[1]
    assert len(asked) > 30 and (found >= 0).all() and not gone[found].any()
    exact = np.flatnonzero(~gone)[nearest(asked, vectors[~gone], 10)]
    assert recall(found, exact) > 0.85


def test_a_graph_looks_at_all_where_nearly_all_are_gone():
    searcher = build(VECTORS, "hnsw", 0.9)
    left = without(len(VECTORS), np.arange(20, len(VECTORS)))
    scores, rows = searcher.search(ASKED, 25, left)
    assert (np.sort(rows[:, :20]) == np.arange(20)).all() and (rows[:, 20:] == -1).all()
    assert scores[:, 0] == pytest.approx((ASKED @ VECTORS[:20].T).max(axis=1), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_added_is_found(kind):
    searcher = build(VECTORS[:1000], kind, 0.9)
    searcher.add(VECTORS[1000:])
    assert searcher.search(VECTORS[1200:1203], 1)[1][:, 0].tolist() == [1200, 1201, 1202]


def test_where_one_kind_finds_too_little_the_next_one_is_made(monkeypatch):
    monkeypatch.setattr(kinds, "_FLAT_MOST", 100)
    monkeypatch.setitem(kinds._EFFORTS, "hnsw", (1,))
    monkeypatch.setattr(kinds, "_LINKS", 2)
    monkeypatch.setattr(kinds, "_EFFORT_WHILE_BUILDING", 2)
    assert build(VECTORS, None, 0.999).kind == "flat"
    kept = build(VECTORS, "hnsw", 0.999)  # asked for, so that it is what there is
    assert kept.kind == "hnsw" and kept.recall < 0.999


def test_too_few_photos_for_a_kind_are_an_error_and_more_than_there_are_are_none():
    with pytest.raises(TwinlensError) as caught:
        build(VECTORS[:5], "hnsw")
    assert caught.value.code == "invalid_arguments"
    assert build(VECTORS[:3]).search(ASKED[:1], 5)[1].tolist()[0][3:] == [-1, -1]

import numpy as np
import pytest

from tests.unit.similar.made import clusters
from twinlens.errors import TwinlensError
from twinlens.similar.projection import Projection, fit, unit


def test_vectors_have_length_one_and_zeros_stay_zeros():
    vectors = unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]


def test_axes_are_those_of_the_singular_value_decomposition():
    embeddings, _ = clusters(400)
    projection = fit([embeddings[:150], embeddings[150:]], 32, 8)
    vectors = unit(embeddings).astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    assert projection.axes.shape == (8, 32)
    assert np.abs(np.sum(projection.axes * axes[:8], axis=1)) == pytest.approx(np.ones(8), abs=1e-3)
    assert projection.explained == pytest.approx((lengths[:8] ** 2).sum() / (lengths**2).sum(), abs=1e-4)
    assert projection.axes @ projection.axes.T == pytest.approx(np.eye(8), abs=1e-5)
    found = projection(embeddings)
    assert found == pytest.approx(unit(centred @ projection.axes.T), abs=1e-4)


def test_the_same_photos_give_the_same_axes_whatever_their_blocks():
    embeddings, _ = clusters(300)
    one, other = fit([embeddings], 32, 5), fit([embeddings[::-1][:100], embeddings[::-1][100:]], 32, 5)
    assert one.axes == pytest.approx(other.axes, abs=1e-3)


def test_few_photos_span_few_dimensions():
    embeddings, _ = clusters(20)
    projection = fit([embeddings], 32, 24)
    assert projection.dimensions == 19
    assert projection.explained == pytest.approx(1)
    assert np.linalg.norm(projection(embeddings), axis=1) == pytest.approx(np.ones(20))


@pytest.mark.parametrize("photos", [clusters(2)[0], clusters(16)[0], np.repeat(clusters(1)[0], 40, axis=0)])
def test_photos_that_are_too_few_or_the_same_are_compared_as_they_are(photos):
    projection = fit([photos], 32, 24)
    assert (projection.axes, projection.dimensions) == (None, 32)
    alike = projection(photos) @ projection(photos).T
    assert alike == pytest.approx(unit(photos) @ unit(photos).T)
    assert fit([clusters(6)[0]], 32, 4).dimensions == 4  # as many as were asked for are enough


@pytest.mark.parametrize(("count", "dimensions"), [(1, 8), (0, 8), (50, 32), (50, 64)])
def test_where_there_is_nothing_to_project_there_is_no_projection(count, dimensions):
    embeddings, _ = clusters(count)
    projection = fit([embeddings], 32, dimensions)
    assert (projection.axes, projection.dimensions, projection.size) == (None, 32, 32)
    assert projection(clusters(3)[0]) == pytest.approx(unit(clusters(3)[0]))


def test_it_is_the_same_after_it_was_written():
    embeddings, _ = clusters(100)
    for projection in (fit([embeddings], 32, 8), Projection.none(32)):
        again = Projection.decode(projection.encode())
        assert np.array_equal(again(embeddings), projection(embeddings))
        assert again.explained == projection.explained


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", Projection.none(4).encode()[:60]])
def test_a_damaged_one_is_an_error(data):
    with pytest.raises(TwinlensError) as caught:
        Projection.decode(data)
    assert caught.value.code == "invalid_index"

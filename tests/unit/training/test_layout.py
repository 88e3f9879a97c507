import itertools

import numpy as np
import pytest

from training.tfjs.layout import Batched, Layout, same, times, transposition

BATCH = Batched(1)


def test_an_axis_of_size_one_lies_nowhere() -> None:
    layout = Layout.plain([BATCH, 16, 1, 1])
    assert [len(axis) for axis in layout.axes] == [1, 1, 0, 0]
    assert layout.shape == (1, 16, 1, 1)
    assert isinstance(layout.shape[0], Batched)


def test_a_transpose_changes_the_axes_and_not_the_memory() -> None:
    layout = Layout.plain([BATCH, 16, 8, 4], (0, 2, 3, 1))
    turned = layout.permuted([0, 2, 3, 1])
    assert turned.shape == (1, 8, 4, 16)
    assert turned.memory == layout.memory
    assert turned.canonical and not layout.canonical


def test_a_channel_shuffle_moves_nothing_until_it_is_asked_for() -> None:
    stacked = Layout.stacked([BATCH, 12, 5, 5], 1, 2, (0, 2, 3, 1))
    split = stacked.reshaped([BATCH, 2, 6, 5, 5])
    assert split is not None
    shuffled = split.permuted([0, 2, 1, 3, 4]).reshaped([BATCH, 12, 5, 5])
    assert shuffled is not None
    assert shuffled.memory == stacked.memory
    view, permutation = transposition(shuffled.memory, shuffled.flat((0, 2, 3, 1)))
    # The parts, and all that is in one: two axes are enough.
    assert view == (2, 150) and isinstance(view[1], Batched)
    assert permutation == (1, 0)


@pytest.mark.parametrize(
    ("before", "after", "possible"),
    [
        ((BATCH, 12, 4), (BATCH, 3, 4, 4), True),
        ((BATCH, 3, 4, 4), (BATCH, 12, 4), True),
        ((BATCH, 6, 4), (Batched(6), 4), True),
        ((Batched(6), 4), (BATCH, 2, 3, 4), True),
        ((BATCH, 3, 4), (BATCH, 2, 6), False),
        ((BATCH, 3, 4), (BATCH, 12, 2), False),
        ((3, BATCH), (BATCH, 3), False),
    ],
)
def test_a_reshape_that_cuts_atoms_evenly_moves_nothing(
    before: tuple[int, ...], after: tuple[int, ...], possible: bool
) -> None:
    found = Layout.plain(before).reshaped(after)
    assert (found is not None) == possible
    if found is not None:
        assert same(found.shape, after)


def test_transpositions_do_what_numpy_does() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        shape = [int(size) for size in generator.integers(2, 5, 5)]
        layout = Layout.plain(shape, generator.permutation(5).tolist())
        order = generator.permutation(5).tolist()
        memory = np.arange(np.prod(shape)).reshape([atom.size for atom in layout.memory])
        target = layout.flat(order)
        expected = memory.transpose([layout.memory.index(atom) for atom in target])
        view, permutation = transposition(layout.memory, target)
        np.testing.assert_array_equal(memory.reshape(view).transpose(permutation).flatten(), expected.flatten())
        assert all(second != first + 1 for first, second in itertools.pairwise(permutation))


def test_the_order_of_a_pixel_is_that_of_an_image() -> None:
    assert Layout.plain([BATCH, 16, 1, 1]).order() == (0, 2, 3, 1)
    assert Layout.plain([BATCH, 16, 8, 8], (0, 2, 3, 1)).order() == (0, 2, 3, 1)
    assert Layout.stacked([BATCH, 16, 8, 8], 1, 4, (0, 2, 3, 1)).order() == (0, 2, 3, 1)


def test_products_with_the_batch_grow_with_it() -> None:
    assert repr(times([Batched(2), 3])) == "Batched(6)"
    assert repr(times([2, 3])) == "6"
    assert not same((Batched(2), 3), (2, 3))

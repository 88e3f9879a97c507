"""How the numbers of an ONNX tensor lie in memory: axes that are products of atoms, and the atoms in memory's order.

ONNX keeps images channels first, TensorFlow.js runs channels last, and networks reshape and permute in between (channel
shuffle, windows, attention heads). Here a transpose or a reshape only changes what the axes are made of; nothing moves
until an operation needs the atoms in another order, and then all that was asked for is one transpose. The idea is that
of strided views, with names instead of strides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class Batched(int):
    """A dimension that is so many times the batch; ``Batched(1)`` is the batch itself."""

    def __repr__(self) -> str:
        return f"Batched({int(self)})"


Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Atom:
    """A part of an axis that stays in one piece in memory. Atoms are compared by identity."""

    size: int


@dataclass(frozen=True)
class Layout:
    """Each axis as its atoms, outermost first, and all atoms as they lie in memory. An axis of size 1 has no atoms."""

    axes: tuple[tuple[Atom, ...], ...]
    memory: tuple[Atom, ...]

    @classmethod
    def plain(cls, shape: Sequence[int], order: Sequence[int] | None = None) -> Layout:
        """One atom an axis, in memory in the given order of axes (by default their own)."""
        axes = tuple((Atom(size),) if size != 1 or isinstance(size, Batched) else () for size in shape)
        order = range(len(axes)) if order is None else order
        return cls(axes, tuple(atom for axis in order for atom in axes[axis]))

    @classmethod
    def stacked(cls, shape: Sequence[int], axis: int, count: int, order: Sequence[int]) -> Layout:
        """Equal parts along an axis, one part after the other in memory, each in the given order of axes."""
        part, within = Atom(count), cls.plain([*shape[:axis], shape[axis] // count, *shape[axis + 1 :]], order)
        if count == 1:
            return within
        axes = list(within.axes)
        axes[axis] = (part, *axes[axis])
        return cls(tuple(axes), (part, *within.memory))

    @property
    def shape(self) -> Shape:
        """The size of each axis."""
        return tuple(product(axis) for axis in self.axes)

    @property
    def canonical(self) -> bool:
        """Whether memory has the axes in their own order."""
        return self.memory == self.flat(range(len(self.axes)))

    def flat(self, order: Iterable[int]) -> tuple[Atom, ...]:
        """The atoms of the axes, taken in an order of axes."""
        return tuple(atom for axis in order for atom in self.axes[axis])

    def permuted(self, permutation: Sequence[int]) -> Layout:
        """The layout after an ONNX transpose, in which nothing moves."""
        return Layout(tuple(self.axes[axis] for axis in permutation), self.memory)

    def reshaped(self, shape: Sequence[int]) -> Layout | None:
        """The layout after an ONNX reshape in which nothing moves, or ``None`` if some numbers would have to."""
        queue = [atom for axis in self.axes for atom in axis]
        memory = list(self.memory)
        axes = []
        for size in shape:
            axis: list[Atom] = []
            batch, wanted = isinstance(size, Batched), int(size)
            while batch or wanted > 1:
                if not queue:
                    return None
                atom = queue.pop(0)
                if isinstance(atom.size, Batched) and not batch:
                    return None
                if wanted % atom.size == 0:
                    axis.append(atom)
                    wanted //= atom.size
                elif (wanted > 1 or isinstance(atom.size, Batched)) and atom.size % wanted == 0:
                    outer, inner = Atom(type(atom.size)(wanted)), Atom(int(atom.size) // wanted)
                    at = memory.index(atom)
                    memory[at : at + 1] = [outer, inner]
                    queue.insert(0, inner)
                    axis.append(outer)
                    wanted = 1
                else:
                    return None
                batch = batch and not isinstance(atom.size, Batched)
            axes.append(tuple(axis))
        return None if queue else Layout(tuple(axes), tuple(memory))

    def order(self) -> tuple[int, ...]:
        """The axes as they lie in memory, by where each one's last atom is.

        Those of size 1 lie nowhere and come after the first, where an image that is channels last has its own.
        """
        place = {atom: index for index, atom in enumerate(self.memory)}
        filled = [axis for axis, atoms in enumerate(self.axes) if atoms]
        filled.sort(key=lambda axis: place[self.axes[axis][-1]])
        empty = [axis for axis, atoms in enumerate(self.axes) if not atoms]
        return (*filled[:1], *empty, *filled[1:])


def product(atoms: Iterable[Atom]) -> int:
    """The number of elements that atoms span."""
    return times(atom.size for atom in atoms)


def times(sizes: Iterable[int]) -> int:
    """The product of dimensions, a multiple of the batch if one of them is."""
    sizes = list(sizes)
    whole = math.prod(int(size) for size in sizes)
    return Batched(whole) if any(isinstance(size, Batched) for size in sizes) else whole


def transposition(source: Sequence[Atom], target: Sequence[Atom]) -> tuple[Shape, tuple[int, ...]]:
    """The transpose of lowest rank that brings atoms from one order into another.

    :return: the shape to see the source in, and the permutation of its axes; atoms that stay together are one axis.
    """
    place = {atom: index for index, atom in enumerate(source)}
    runs: list[list[int]] = []
    for index in (place[atom] for atom in target):
        if runs and runs[-1][-1] + 1 == index:
            runs[-1].append(index)
        else:
            runs.append([index])
    ordered = sorted(range(len(runs)), key=lambda run: runs[run][0])
    shape = tuple(product(source[index] for index in runs[run]) for run in ordered)
    return shape, tuple(ordered.index(run) for run in range(len(runs)))


def same(first: Shape, second: Shape) -> bool:
    """Whether two shapes are the same for every batch."""
    return len(first) == len(second) and all(
        a == b and isinstance(a, Batched) == isinstance(b, Batched) for a, b in zip(first, second, strict=True)
    )

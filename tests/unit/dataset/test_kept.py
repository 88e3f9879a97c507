"""What is computed of photos, and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from twinlens.dataset.kept import KEPT, kept, read_listed
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError

ROWS = [Row(path=f"hat/{name}.png", sha256=name * 64, label="hat") for name in "abc"]


def test_what_is_computed_once_is_kept_but_no_failure(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def compute(rows: Sequence[Row]) -> NDArray[np.float64]:
        asked.append(sorted(row.path for row in rows))
        return np.array([[np.nan if len(asked) == 1 and row is ROWS[1] else len(row.path)] for row in rows])

    first = kept(tmp_path, "x", ROWS, compute)
    assert np.isnan(first[:, 0]).tolist() == [False, True, False]
    for _ in range(2):
        assert kept(tmp_path, "x", ROWS, compute).tolist() == [[9.0]] * 3
    assert asked == [["hat/a.png", "hat/b.png", "hat/c.png"], ["hat/b.png"]]


def test_failures_that_were_kept_before_are_computed_again(tmp_path: Path) -> None:
    (tmp_path / KEPT).mkdir()
    np.savez(tmp_path / KEPT / "x.npz", sha256=np.array(["a" * 64]), values=np.array([[np.nan]]))
    assert kept(tmp_path, "x", ROWS[:1], lambda rows: np.ones((len(rows), 1))).tolist() == [[1.0]]


def test_where_all_fail_nothing_is_kept(tmp_path: Path) -> None:
    found = kept(tmp_path, "x", ROWS, lambda rows: np.full((len(rows), 2), np.nan))
    assert found.shape == (3, 2) and not (tmp_path / KEPT).exists()


def test_of_no_photo_nothing_is_computed(tmp_path: Path) -> None:
    def compute(_: Sequence[Row]) -> NDArray[np.float64]:
        raise AssertionError

    assert len(kept(tmp_path, "x", [], compute)) == 0


def test_bytes_are_those_that_are_listed(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    row = Row(path="a.png", sha256=hashlib.sha256(b"one").hexdigest(), label="hat")
    assert read_listed(tmp_path, row) == b"one"
    (tmp_path / "a.png").write_bytes(b"two")
    with pytest.raises(TwinlensError, match="not those"):
        read_listed(tmp_path, row)

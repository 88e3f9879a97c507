"""Ways to learn labels from a few embeddings: the methods, the rounds, the table."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import teaching
from benchmarks.results import result, write_result
from benchmarks.teaching import METHODS, SHOTS, Task, apart, left_out, main, placed, rounds, rows, teaching_table, unit

SIZE = 16


@pytest.fixture(scope="module")
def task() -> Task:
    """Five labels far from each other, each of 18 embeddings close together, and others that are like none of them."""
    rng = np.random.default_rng(0)
    centres = 4 * np.eye(5, SIZE) + 1
    embeddings = np.repeat(centres, 18, axis=0) + rng.normal(0, 0.2, (90, SIZE))
    far = 1 + 4 * np.eye(SIZE)[rng.integers(8, SIZE, 70)] + rng.normal(0, 0.2, (70, SIZE))
    return Task(embeddings, np.repeat(list("abcde"), 18), far)


@pytest.mark.parametrize("method", METHODS)
def test_labels_that_lie_apart_are_told_apart(task: Task, method: str) -> None:
    space, fit = METHODS[method]
    for taught in rounds(task, 5, 3):
        there = placed(taught, space)
        assert len(there.examples) == 15 and len(there.asked) == 3 * 13
        assert (fit(there.examples, there.targets, there.asked).argmax(axis=1) == there.wanted).all()


def test_what_is_asked_was_not_taught(task: Task) -> None:
    for taught in rounds(task, 5, 3):
        known = {tuple(row) for row in taught.examples}
        assert not known & {tuple(row) for row in (*taught.asked, *taught.near)}


def test_embeddings_have_length_one_in_every_space(task: Task) -> None:
    (taught,) = rounds(task, 2, 1)
    for space in ("plain", "root", "centred"):
        there = placed(taught, space)
        assert np.linalg.norm(there.asked, axis=1) == pytest.approx(np.ones(len(there.asked)))
    assert unit(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_an_example_that_is_left_out_is_answered_from_the_others(task: Task) -> None:
    (taught,) = rounds(task, 5, 1)
    alike = left_out(taught, *METHODS["nearest example"])
    assert alike.shape == (15,)
    assert (alike < 1 - 1e-6).all()  # its own likeness is 1


def test_the_area_under_the_curve() -> None:
    assert apart(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert apart(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0.5
    assert apart(np.array([1.0]), np.array([0.0, 1.0, 2.0, 3.0])) == pytest.approx(1.5 / 4)


def test_every_method_has_a_row_in_the_table(task: Task, tmp_path: Path) -> None:
    found = rows("made", task, 2)
    assert [row["method"] for row in found] == list(METHODS)
    assert found[0]["right"] == {str(shots): 1.0 for shots in SHOTS}
    assert found[0]["near"] == found[0]["far"] == 1.0
    assert found[-1]["own"] is None  # its numbers say nothing of how like a photo is
    out = tmp_path / "teaching.json"
    write_result(out, result("make bench-teach PHOTOS=photos", found, [], commit=40 * "0"))
    table = teaching_table(out)
    assert "| made | nearest mean | 1.000 |" in table
    assert "make bench-teach PHOTOS=photos" in table
    assert table.count("–") == 2 * 4


def test_the_parts_of_a_picture_differ(classifier) -> None:
    pixels, labels = teaching.parts(classifier.contract)
    assert len(pixels) == len(labels) == 17 * 40
    assert len(np.unique(pixels.reshape(len(pixels), -1), axis=0)) == len(pixels)


def test_a_folder_without_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "no test/ and validation/" in capsys.readouterr().err

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from training.dataset.noise import can_judge, find_noise, out_of_fold
from twinlens.errors import TwinlensError


def clouds(counts: dict[str, int], spread: float = 0.35) -> tuple[NDArray[np.float32], list[str]]:
    """Vectors around a centre for each label, of length 1 as a network's are in practice."""
    rng = np.random.default_rng(0)
    labels = [label for label, count in counts.items() for _ in range(count)]
    centres = {label: rng.normal(size=32) for label in counts}
    vectors = np.stack([centres[label] / np.linalg.norm(centres[label]) for label in labels])
    return (vectors + rng.normal(scale=spread / 5, size=vectors.shape)).astype(np.float32), labels


def test_flipped_labels_are_found_with_what_they_were() -> None:
    vectors, labels = clouds({"hat": 80, "cap": 60, "shoe": 40})
    given = list(labels)
    flipped = {3: "cap", 40: "shoe", 100: "hat", 170: "cap"}
    for index, label in flipped.items():
        given[index] = label
    noise = find_noise(vectors, given)
    assert {doubt.index for doubt in noise.doubts} == set(flipped)
    assert {doubt.index: doubt.suggested for doubt in noise.doubts} == {index: labels[index] for index in flipped}
    assert all(doubt.label == given[doubt.index] and doubt.score < doubt.suggested_score for doubt in noise.doubts)
    assert noise.checked == 180
    assert noise.accuracy == pytest.approx(1 - 4 / 180)


def test_right_labels_are_not_doubted() -> None:
    noise = find_noise(*clouds({"hat": 40, "cap": 40}))
    assert noise.doubts == []


def test_the_same_photos_give_the_same_answer() -> None:
    vectors, labels = clouds({"hat": 40, "cap": 40})
    labels[3] = "cap"
    first = find_noise(vectors, labels)
    assert first.doubts
    assert find_noise(vectors, labels) == first


def test_labels_with_few_photos_are_not_judged() -> None:
    vectors, labels = clouds({"hat": 20, "rare": 4, "cap": 20})
    noise = find_noise(vectors, labels)
    assert (noise.not_checked, noise.checked) == (["rare"], 40)
    with pytest.raises(TwinlensError) as caught:
        find_noise(*clouds({"hat": 20, "rare": 4}))
    assert caught.value.code == "invalid_data"


def test_a_photo_is_judged_by_others_alone() -> None:
    """Labels that have nothing to do with the vectors are not guessed, as they would be by who had learned them."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 400)).astype(np.float32)
    given = np.arange(200) % 2
    answers = out_of_fold(vectors, given, 2, 0, np.arange(200))
    assert (answers.argmax(axis=1) == given).mean() < 0.65
    assert np.allclose(answers.sum(axis=1), 1)


def test_twins_that_are_wrong_alike_do_not_vouch_for_each_other() -> None:
    vectors, labels = clouds({"hat": 30, "cap": 30})
    wrong = [3, *range(60, 69)]  # one photo, and its copies
    vectors = np.concatenate([vectors, np.repeat(vectors[3:4], 9, axis=0)])
    given = ["cap" if index in wrong else label for index, label in enumerate(labels + ["hat"] * 9)]
    groups = [3 if index in wrong else index for index in range(69)]
    noise = find_noise(vectors, given, groups=groups)
    assert {doubt.index for doubt in noise.doubts} == set(wrong)
    assert not set(wrong) <= {doubt.index for doubt in find_noise(vectors, given).doubts}


def test_no_photo_is_judged_by_one_of_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(LogisticRegression):  # type: ignore[misc]
        def fit(self, vectors: NDArray[np.float32], given: NDArray[np.int64]) -> "Watched":
            self.learned = vectors
            super().fit(vectors, given)
            return self

        def predict_proba(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
            assert not (vectors[:, None] == self.learned[None]).all(axis=2).any()
            return np.asarray(super().predict_proba(vectors))

    monkeypatch.setattr("training.dataset.noise.LogisticRegression", Watched)
    vectors, labels = clouds({"hat": 20, "cap": 20})
    find_noise(np.concatenate([vectors, vectors]), labels * 2, groups=[*range(40), *range(40)])


def test_copies_do_not_make_a_label_that_can_be_judged() -> None:
    labels = ["hat"] * 20 + ["cap"] * 20
    assert can_judge(labels) and can_judge(labels, list(range(40)))
    assert not can_judge(labels, [index // 5 if index >= 20 else index for index in range(40)])

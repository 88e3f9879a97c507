from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import models
from tests.unit.training.pictures import LABELS
from tests.unit.training.test_run import epoch, record
from training.evaluate import evaluate_logits
from training.model_card import most_confused, origin, origin_in, render
from training.run import Taught, Tuned
from twinlens.contract import Contract
from twinlens.store import open_current

NAMES = list(models.LABELS)


@pytest.fixture
def contract(tmp_path: Any) -> Contract:
    counts = {"train": 80, "validation": 12, "test": 8}
    return open_current(models.write(tmp_path, dataset={"digest": "cd" * 32, "counts": counts})).contract


def evaluation(answers: list[int], targets: list[int], threshold: float = 0.9) -> dict[str, Any]:
    """What is measured where each answer scores 0.96, but 0.6 where it is wrong."""
    scores = np.empty((len(targets), len(NAMES)))
    for row, (answer, target) in enumerate(zip(answers, targets, strict=True)):
        best = 0.96 if answer == target else 0.6
        scores[row] = (1 - best) / 7
        scores[row, answer] = best
    measured = evaluate_logits(np.log(scores), np.array(targets), threshold=threshold)
    measured["per_label"] = dict(zip(NAMES, measured["per_label"], strict=True))
    return measured


def card(contract: Contract, about: str = "", **changes: Any) -> str:
    measured = {"validation": evaluation([0, 0, 1, 2], [0, 0, 0, 2]), "test": evaluation([0, 1, 2], [0, 1, 2])}
    run = record(epochs=[epoch(1, 0.5, 1.0)], **changes)
    return render(contract, run, about, measured, [("red", "green", 1)])


def test_the_card_says_how_right_it_is_and_how_often_not_sure(contract: Contract) -> None:
    lines = card(contract).splitlines()
    assert "| validation | 4 | 0.7500 | 0.301 to 0.954 | 0.180 | 25.0% | 100.0% | 0.439 to 1.000 |" in lines
    assert "| test | 3 | 1.0000 | 0.439 to 1.000 | 0.040 | 0.0% | 100.0% | 0.439 to 1.000 |" in lines
    text = "\n".join(lines)
    assert "Below a score of 0.50 it is not sure (made up for tests)." in text
    assert "15 bins of equal width" in text


def test_a_model_that_is_never_sure_has_no_share_of_right_answers(contract: Contract) -> None:
    measured = {"validation": evaluation([0], [0], threshold=1.0), "test": evaluation([0], [0], threshold=1.0)}
    text = render(contract, record(), "", measured, [])
    assert "| test | 1 | 1.0000 | 0.207 to 1.000 | 0.040 | 100.0% | - | - |" in text.splitlines()
    assert "No validation photo was answered wrongly." in text


def test_the_card_says_where_it_fails_and_what_it_must_not_do(contract: Contract) -> None:
    text = card(contract)
    assert "- red: 2 of 3 validation photos right (95 % interval 0.208 to 0.939)" in text
    assert "- blue:" not in text  # always right
    assert "- red taken for green: 1 of the validation photos" in text
    assert "## What it must not be used for" in text


@pytest.mark.parametrize(
    ("init", "said"),
    [
        ("none", "none, trained from random numbers."),
        ("imagenet", f"torchvision's own for ImageNet, BSD-3-Clause (sha256 `{'ef' * 32}`)."),
        ("weights.pt", f"(sha256 `{'ef' * 32}`); its licence is what is said of it above"),
    ],
)
def test_the_card_names_the_initial_weights_and_their_licence(contract: Contract, init: str, said: str) -> None:
    assert said in card(contract, init=init, init_sha256=None if init == "none" else "ef" * 32)


def test_what_nobody_wrote_is_said_to_be_missing(contract: Contract) -> None:
    assert "Nobody has written where the photos come from, under which licence" in card(contract)
    text = card(contract, "Photos of mine, CC0.\n")
    assert "Photos of mine, CC0." in text and "Nobody has written" not in text
    assert "Trained on 80 photos, chosen on 12, tested on 8" in text


def test_pairs_are_counted_most_first_and_in_a_fixed_order() -> None:
    labels = sorted(LABELS)
    targets = np.array([0, 0, 0, 1, 2, 2])
    answers = np.array([1, 1, 2, 1, 0, 0])
    logits = np.eye(3)[answers]
    expected = [(labels[0], labels[1], 2), (labels[2], labels[0], 2), (labels[0], labels[2], 1)]
    assert most_confused(logits, targets, labels) == expected


def test_a_network_that_is_always_right_confuses_nothing() -> None:
    assert most_confused(np.eye(3), np.arange(3), sorted(LABELS)) == []


def test_the_card_names_what_taught(contract: Contract) -> None:
    assert "Taught" not in card(contract)
    taught = card(contract, teachers=[Taught(arch="resnet50", sha256="12" * 32)])
    assert f"other networks trained before it: resnet50 (sha256 of its weights `{'12' * 32}`)." in taught


def test_the_card_of_a_tuned_run_says_what_it_was_before(contract: Contract, tmp_path: Path) -> None:
    teachers = [Taught(arch="resnet18", sha256="ef" * 32)]
    before = record(epochs=[epoch(1, 0.5, 1.0)], teachers=teachers)
    (tmp_path / "MODEL_CARD.md").write_text(card(contract, teachers=teachers), encoding="utf-8")
    assert origin_in(tmp_path / "MODEL_CARD.md") == origin(before)
    assert len(origin(before)) == 3
    tuned = Tuned(
        weights="int4-channel",
        source="version 1 of colours",
        sha256="ab" * 32,
        origin=origin(before),
        float_top1=0.9,
        rounded_top1=0.8,
    )
    lines = card(contract, tuned=tuned, seed=7).splitlines()
    start = lines.index(origin(before)[0])
    assert lines[start : start + 3] == origin(before)
    assert lines[start + 3].startswith("- Tuned for int4-channel, so that rounding changes few answers: version 1 of")
    assert "ab" * 32 in lines[start + 3]
    assert "1 epochs, the best was 1, seed 7" in lines[start + 3]


def test_a_card_that_says_nothing_of_its_training_is_said_so(tmp_path: Path) -> None:
    (line,) = origin_in(tmp_path / "missing.md")
    assert line.startswith("- Training: unknown")

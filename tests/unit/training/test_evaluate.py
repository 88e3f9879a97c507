from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from tests.unit.training.pictures import label_folders
from training.data import Sample, open_dataset
from training.evaluate import (
    append_measurement,
    evaluate_logits,
    inherit,
    measurements,
    measurements_from,
    measurements_in,
    predictor,
    run_network,
)
from training.photos import served
from training.rules import standard
from twinlens.contract import Normalize
from twinlens.errors import TwinlensError

MEASUREMENT = {
    "date": "2026-01-02T03:04:05+00:00",
    "what": "graph | of v1",
    "split": "test",
    "digest": "ab" * 32,
    "top1": 0.91666,
    "n": 12,
    "correct": 11,
}


def test_known_logits_are_measured() -> None:
    logits = np.log([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]) + 5
    measured = evaluate_logits(logits, np.array([0, 1, 1, 1]))
    assert measured["top1"] == 0.75
    assert (measured["n"], measured["correct"]) == (4, 3)
    assert measured["nll"] == pytest.approx(-np.log([0.7, 0.6, 0.25, 0.5]).mean())
    assert measured["temperature"] == 1.0
    assert measured["not_sure"] is None
    with pytest.raises(ValueError, match="no photos"):
        evaluate_logits(np.zeros((0, 3)), np.zeros(0, int))


def test_scores_are_those_at_the_temperature() -> None:
    logits = np.log([[0.6, 0.4], [0.2, 0.8]])
    measured = evaluate_logits(logits, np.array([0, 0]), temperature=0.5, threshold=0.9)
    scores = np.array([[0.36, 0.16], [0.04, 0.64]])
    right = scores[:, 0] / scores.sum(axis=1)
    assert measured["nll"] == pytest.approx(-np.log(right).mean())
    assert measured["not_sure"]["n"] == 1
    assert measured["temperature"] == 0.5


def test_a_network_sees_every_photo_in_order_as_it_is_served(tmp_path: Path) -> None:
    samples = open_dataset(label_folders(tmp_path, count=30)).splits["train"]
    rules = standard(shorter_edge=20, crop=16)
    sizes = []

    def predict(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert pixels.dtype == np.uint8
        sizes.append(len(pixels))
        return pixels.mean(axis=(1, 2)).astype(np.float32)

    logits, targets = run_network(predict, samples, rules)
    assert sum(sizes) == len(samples) == 72
    assert len(sizes) > 1
    expected = np.stack([served(rules)(sample.path).mean(axis=(0, 1)) for sample in samples])
    np.testing.assert_allclose(logits, expected, rtol=1e-6)
    assert targets.tolist() == [sample.label for sample in samples]


def test_a_photo_that_broke_since_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"no more")
    with pytest.raises(TwinlensError) as broken:
        run_network(lambda pixels: pixels, [Sample(tmp_path / "photo.png", 0)], standard())  # type: ignore[arg-type]
    assert broken.value.code == "not_an_image"


def test_a_torch_network_answers_in_evaluation_mode() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.9), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    normalize = Normalize(scale=1 / 255, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    answer = predictor(network.train(), normalize, torch.device("cpu"))(pixels)
    wanted = network.eval()(torch.from_numpy((pixels / 255 - 0.5) / 0.25).permute(0, 3, 1, 2).float())
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, wanted.detach().numpy(), atol=1e-6)


def test_measurements_are_appended_to_the_card(tmp_path: Path) -> None:
    card = tmp_path / "MODEL_CARD.md"
    card.write_text("# Clothes 衣服\n\nText.\n", encoding="utf-8")
    append_measurement(card, MEASUREMENT)
    append_measurement(card, {**MEASUREMENT, "top1": 1.0})
    assert card.read_text(encoding="utf-8").splitlines() == [
        "# Clothes 衣服",
        "",
        "Text.",
        "",
        "## Measurements on test",
        "",
        "| Date | What | Digest | Top-1 | Photos |",
        "| --- | --- | --- | --- | --- |",
        f"| 2026-01-02T03:04:05+00:00 | graph \\| of v1 | `{'ab' * 32}` | 0.9167 | 12 |",
        f"| 2026-01-02T03:04:05+00:00 | graph \\| of v1 | `{'ab' * 32}` | 1.0000 | 12 |",
    ]


def test_sections_after_the_table_stay_after_it(tmp_path: Path) -> None:
    card = tmp_path / "MODEL_CARD.md"
    card.write_text("# A\n", encoding="utf-8")
    append_measurement(card, MEASUREMENT)
    with card.open("a", encoding="utf-8") as file:
        file.write("\n## Later\n\nText.\n")
    append_measurement(card, {**MEASUREMENT, "n": 13})
    lines = card.read_text(encoding="utf-8").splitlines()
    assert [line[-6:] for line in lines if line.startswith("| 2026")] == ["| 12 |", "| 13 |"]
    assert lines[-4:] == ["", "## Later", "", "Text."]


def test_a_card_gives_its_measurements_back(tmp_path: Path) -> None:
    card = tmp_path / "MODEL_CARD.md"
    assert measurements_in(card) == []
    card.write_text("# A\n\n| Split | Photos |\n| --- | --- |\n| test | 12 |\n", encoding="utf-8")
    assert measurements_in(card) == []
    append_measurement(card, MEASUREMENT)
    append_measurement(card, {**MEASUREMENT, "top1": 1.0, "correct": 12})
    assert measurements_in(card) == [{**MEASUREMENT, "top1": 0.9167}, {**MEASUREMENT, "top1": 1.0, "correct": 12}]


def test_what_is_made_from_a_run_has_its_looks_at_test_too(tmp_path: Path) -> None:
    before, after = tmp_path / "seed 1", tmp_path / "soup"
    assert measurements_from(before) == []
    inherit(after, [])
    assert not after.exists()
    inherit(before, [{**MEASUREMENT, "what": "weights of the run, epoch 3, float32, torch"}, MEASUREMENT])
    inherit(after, measurements_from(before))
    assert [look["what"] for look in measurements(after)] == [
        "weights of the run seed 1, epoch 3, float32, torch",
        MEASUREMENT["what"],
    ]
    inherit(after, [MEASUREMENT])
    assert len(measurements(after)) == 2
    assert measurements_from(after) == measurements(after)


def test_a_missing_card_or_record_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(TwinlensError, match="cannot be read"):
        append_measurement(tmp_path / "MODEL_CARD.md", MEASUREMENT)
    assert measurements(tmp_path) == []
    (tmp_path / "measurements.json").write_text("[{")
    with pytest.raises(TwinlensError, match="cannot be read") as broken:
        measurements(tmp_path)
    assert broken.value.code == "invalid_run"

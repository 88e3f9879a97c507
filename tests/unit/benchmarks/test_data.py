from pathlib import Path

import pytest

from benchmarks import data
from benchmarks.results import read_result
from tests.unit.training.dataset.made import folders
from training.dataset.check import Checked
from training.dataset.noise import Doubt, Noise
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row

ROWS = [Row(path=f"{label}/{n}.png", sha256=f"{n:063x}{label}", label=label) for label in "abc" for n in range(100)]


def test_the_share_of_labels_is_changed_to_others() -> None:
    changed = data.flipped(ROWS, 0.05, 1)
    different = [(row, now) for row, now in zip(ROWS, changed, strict=True) if row != now]
    assert len(different) == 15
    assert all(now.label in "abc" and now.label != row.label for row, now in different)
    assert all(now.model_copy(update={"label": row.label}) == row for row, now in different)


def test_seed_and_photos_decide_which() -> None:
    def labels(rows: list[Row]) -> dict[str, str]:
        return {row.sha256: row.label for row in rows}

    assert labels(data.flipped(ROWS[::-1], 0.05, 1)) == labels(data.flipped(ROWS, 0.05, 1))
    assert labels(data.flipped(ROWS, 0.05, 2)) != labels(data.flipped(ROWS, 0.05, 1))


def test_recall_and_precision_are_of_what_was_changed() -> None:
    now = list(ROWS)
    for index in range(4):
        now[index] = ROWS[index].model_copy(update={"label": "b"})
    doubts = [Doubt(0, "b", 0.1, "a", 0.8), Doubt(1, "b", 0.1, "c", 0.8), Doubt(9, "a", 0.1, "c", 0.8)]
    row = data.compared(7, ROWS, Checked(Path(), now, [], Noise(doubts, 300, [], 0.9), "network"))
    assert row == {
        "seed": 7,
        "photos": 300,
        "changed": 4,
        "doubted": 3,
        "found": 2,
        "recall": 0.5,
        "precision": 0.6667,
        "suggestion_right": 0.5,
        "agreement": 0.9,
    }
    assert [(goal.name, goal.met) for goal in data.goals([row])] == [
        ("label_noise_recall", False),
        ("label_noise_precision", True),
    ]


def test_the_whole_measurement_on_few_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = folders(tmp_path / "photos", {"hat": 10, "cap": 10})
    before = {path: path.stat().st_mtime_ns for path in photos.rglob("*")}
    arguments = [str(photos), "--share", "0.1", "--seeds", "2", "--arch", "shufflenet_v2_x0_5", "--init", "none"]
    arguments += ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "data.json")]
    assert data.main(arguments) in (0, 1)  # what a random network finds is chance
    content = read_result(tmp_path / "data.json")
    assert [(row["seed"], row["changed"]) for row in content["rows"]] == [(0, 2), (1, 2)]
    assert [goal["name"] for goal in content["goals"]] == ["label_noise_recall", "label_noise_precision"]
    assert content["command"].startswith("make bench-data PHOTOS=")
    assert {path: path.stat().st_mtime_ns for path in photos.rglob("*")} == before
    # The copy keeps the right labels, so it can be used again.
    assert all(row.origin is not None and f"/{row.label}/" in row.origin for row in manifest.require(tmp_path / "work"))


def test_photos_that_are_not_there_are_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data.main([str(tmp_path / "none")]) == 2
    assert "error [invalid_data]" in capsys.readouterr().err

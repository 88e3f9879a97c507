import json
from pathlib import Path

import pytest

from benchmarks.train import goals, main, make_photos
from training.data import open_dataset

TINY = ["--arch", "shufflenet_v2_x0_5", "--train-size", "32", "--batch-size", "4", "--steps", "2", "--rounds", "2"]


def test_the_made_photos_are_a_data_set(tmp_path: Path) -> None:
    make_photos(tmp_path, 12)
    data = open_dataset(tmp_path)
    assert data.counts == {"train": 12, "validation": 4, "test": 4}
    assert data.left_out == []
    assert not [note for note in data.notes if "same bytes" in note]


def test_training_and_network_take_turns_and_the_result_is_written(tmp_path: Path) -> None:
    out = tmp_path / "train.json"
    status = main([*TINY, "--out", str(out)])
    content = json.loads(out.read_bytes())
    assert content["command"] == f'make bench-train ARGS="{" ".join(TINY)}"'
    assert [row["round"] for row in content["rows"]] == [1, 2]
    for row in content["rows"]:
        assert row["ratio"] == pytest.approx(row["training"] / row["network"], rel=2e-3)
        assert 0 <= row["waited"] <= 1
    (goal,) = content["goals"]
    assert goal["name"] == "training_over_network_alone"
    assert status == (0 if goal["met"] else 1)
    assert {"torch", "torchvision"} <= content["machine"]["versions"].keys()


def test_the_figure_is_the_median_of_the_rounds() -> None:
    (goal,) = goals([{"ratio": ratio} for ratio in (0.2, 0.9, 0.86, 0.95, 0.1)])
    assert (goal.value, goal.met) == (0.86, True)
    assert not goals([{"ratio": 0.84}])[0].met


def test_a_network_that_does_not_exist_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--arch", "mobilnet", "--out", str(tmp_path / "train.json"), *TINY[2:]]) == 2
    assert "no classification network 'mobilnet'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["--steps", "0"])
    assert ended.value.code == 2
    assert list(tmp_path.iterdir()) == []

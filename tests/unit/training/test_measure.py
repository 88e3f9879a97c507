import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import models
from tests.unit.training.pictures import label_folders
from tests.unit.training.test_run import record
from training import checkpoint, networks
from training.cli import main
from training.data import DataSet, open_dataset
from training.evaluate import measurements
from training.measure import CARD, evaluate
from training.run import save, save_splits
from twinlens.errors import TwinlensError
from twinlens.store import open_current

COLOURS = ("red", "green", "white")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos of each colour in test, of which one green one is in the folder of the red ones."""
    for first, split in enumerate(("train", "validation", "test")):
        for colour in COLOURS:
            folder = tmp_path / "photos" / split / colour
            folder.mkdir(parents=True)
            for index in range(4):
                shown = "green" if (split, colour, index) == ("test", "red", 0) else colour
                models.picture(shown, width=80 + index, noise=10 + first).save(folder / f"{index}.png")
    return tmp_path / "photos"


@pytest.fixture
def model(photos: Path, tmp_path: Path) -> Path:
    data = open_dataset(photos)
    folder = models.write(tmp_path / "models", dataset={"digest": data.digest, "counts": data.counts})
    (folder / models.VERSION / CARD).write_text("# Colours\n", encoding="utf-8")
    return folder


def _run(path: Path, data: DataSet) -> Path:
    network = networks.create("squeezenet1_1", len(data.labels))
    checkpoint.save(path / checkpoint.BEST, network.state_dict())
    fields = {"labels": data.labels, "data": str(data.path), "data_digest": data.digest, "counts": data.counts}
    save(path, record(arch="squeezenet1_1", crop=32, shorter_edge=32, **fields))
    save_splits(path, data.paths())
    return path


def _rows(card: Path) -> list[str]:
    return [line for line in card.read_text(encoding="utf-8").splitlines() if line.startswith("| 20")]


def test_a_model_is_measured_with_its_graph_and_the_look_at_test_recorded(model: Path, photos: Path) -> None:
    card = model / models.VERSION / CARD
    result = evaluate(model, "validation", photos)
    assert (result["top1"], result["n"]) == (1.0, 12)
    assert _rows(card) == []
    result = evaluate(model, "test", photos)
    assert (result["correct"], result["n"]) == (11, 12)
    assert result["per_label"]["red"] == {"n": 4, "correct": 3, "recall": 0.75, "answered": 3, "precision": 1.0}
    assert result["per_label"]["green"] == {"n": 4, "correct": 4, "recall": 1.0, "answered": 5, "precision": 0.8}
    assert result["per_label"]["black"] == {"n": 0, "correct": 0, "recall": None, "answered": 0, "precision": None}
    assert result["digest"] == open_current(model).digest
    (row,) = _rows(card)
    assert row.endswith(f"| exported graph, version v1 | `{result['digest']}` | 0.9167 | 12 |")
    evaluate(model / models.VERSION, "test", photos)
    assert len(_rows(card)) == 2


def test_other_photos_are_measured_only_when_that_is_meant(model: Path, photos: Path) -> None:
    models.picture("red").save(photos / "test" / "red" / "new.png")
    with pytest.raises(TwinlensError, match="--other-data") as refused:
        evaluate(model, "test", photos)
    assert refused.value.code == "invalid_data"
    assert evaluate(model, "test", photos, other_data=True)["n"] == 13
    (row,) = _rows(model / models.VERSION / CARD)
    assert "on other photos (photos)" in row
    (photos / "train" / "red").rename(photos / "train" / "pink")
    for split in ("validation", "test"):
        (photos / split / "red").rename(photos / split / "pink")
    with pytest.raises(TwinlensError, match="does not know: pink"):
        evaluate(model, "test", photos, other_data=True)


def test_a_made_split_is_found_again_by_its_seed(tmp_path: Path) -> None:
    photos = label_folders(tmp_path / "photos", labels=["red", "blue"])
    data = open_dataset(photos, seed=3)
    folder = models.write(tmp_path / "models", dataset={"digest": data.digest, "counts": data.counts})
    assert evaluate(folder, "validation", photos, seed=3)["n"] == 2
    with pytest.raises(TwinlensError, match="another --seed"):
        evaluate(folder, "validation", photos)


def test_a_run_is_measured_on_the_photos_of_its_splits(photos: Path, tmp_path: Path) -> None:
    data = open_dataset(photos)
    run = _run(tmp_path / "run", data)
    first = evaluate(run, "test")
    assert (first["n"], list(first["per_label"])) == (12, ["green", "red", "white"])
    photos.rename(tmp_path / "moved")
    assert evaluate(run, "test", tmp_path / "moved")["nll"] == first["nll"]
    evaluate(run, "validation", tmp_path / "moved")
    kept = measurements(run)
    assert [entry["split"] for entry in kept] == ["test", "test"]
    assert kept[0]["digest"] == first["digest"]
    assert kept[0]["data_digest"] == data.digest
    assert "epoch" not in kept[0]["what"]


def test_a_runs_answers_are_those_of_its_weights(photos: Path, tmp_path: Path) -> None:
    run = _run(tmp_path / "run", open_dataset(photos))
    before = evaluate(run, "validation")["nll"]
    state = checkpoint.load_best(run)
    checkpoint.save(run / checkpoint.BEST, {key: torch.zeros_like(value) for key, value in state.items()})
    assert evaluate(run, "validation")["nll"] == pytest.approx(np.log(3)) != before


def test_the_command_prints_a_table_or_json(model: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", str(model), "--split", "test", "--data", str(photos)]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "top-1 0.9167 (11 of 12; 95 % interval 0.646 to 0.985)" in lines[1]
    assert lines[2].split() == ["label", "photos", "right", "recall"]
    assert lines[3].split() == ["red", "4", "3", "0.750"]
    assert lines[-1].split() == ["black", "0", "0", "-"]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["correct"] == 11


def test_what_cannot_be_measured_is_said_on_one_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(tmp_path / "nothing"), "--split", "test"]) == 2
    assert capsys.readouterr().err.startswith("error [model_not_found]: ")
    assert main(["evaluate", str(model), "--split", "test"]) == 2
    assert "--data DATA" in capsys.readouterr().err
    save(tmp_path / "begun", record())
    assert main(["evaluate", str(tmp_path / "begun"), "--split", "test"]) == 2
    assert "error [invalid_run]: " in capsys.readouterr().err

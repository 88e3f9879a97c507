import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import models
from tests.unit.training.measured import write_model, write_photos, write_run
from tests.unit.training.pictures import label_folders
from tests.unit.training.test_run import record
from training import checkpoint
from training.calibration import fit_temperature
from training.cli import main
from training.data import open_dataset
from training.evaluate import measurements
from training.measure import default_folder, evaluate, measure
from training.model_card import CARD
from training.report.write import METRICS, REPORT
from training.run import save
from twinlens.errors import TwinlensError
from twinlens.store import open_current


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos")


@pytest.fixture
def model(photos: Path, tmp_path: Path) -> Path:
    return write_model(tmp_path / "models", photos)


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
    with pytest.raises(TwinlensError, match="another --split-seed"):
        evaluate(folder, "validation", photos)


def test_a_run_is_measured_on_the_photos_of_its_splits(photos: Path, tmp_path: Path) -> None:
    data = open_dataset(photos)
    run = write_run(tmp_path / "run", data)
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
    run = write_run(tmp_path / "run", open_dataset(photos))
    before = evaluate(run, "validation")["nll"]
    state = checkpoint.load_best(run)
    checkpoint.save(run / checkpoint.BEST, {key: torch.zeros_like(value) for key, value in state.items()})
    assert evaluate(run, "validation")["nll"] == pytest.approx(np.log(3)) != before


def test_a_model_is_measured_with_its_own_calibration(photos: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "models", photos, temperature=2.0, not_sure={"threshold": 0.99, "rule": "made up"})
    result = evaluate(model, "validation", photos)
    assert result["temperature"] == 2.0
    assert result["not_sure"]["threshold"] == 0.99
    assert result["nll"] > evaluate(write_model(tmp_path / "sharper", photos), "validation", photos)["nll"]


def test_a_run_is_measured_with_what_an_export_would_fit_on_validation(photos: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", open_dataset(photos))
    on_validation = measure(run, "validation")
    fitted = fit_temperature(on_validation.logits, on_validation.targets)
    assert on_validation.result["temperature"] == fitted
    assert on_validation.calibration.fitted == "validation"
    assert measure(run, "test").result["temperature"] == fitted
    models.picture("red").save(photos / "test" / "red" / "new.png")
    elsewhere = measure(run, "test", photos, other_data=True)
    assert (elsewhere.calibration.fitted, elsewhere.calibration.temperature) == ("no", 1.0)
    assert elsewhere.result["not_sure"] is None


def test_the_command_prints_a_table_or_json_and_writes_a_report(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["evaluate", str(model), "--split", "test", "--data", str(photos), "--out", str(out), "--no-page"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "top-1 0.9167 (11 of 12; 95 % interval 0.646 to 0.985)" in lines[1]
    assert "calibration error" in lines[1]
    assert lines[2].split() == ["label", "photos", "right", "recall"]
    assert lines[3].split() == ["red", "4", "3", "0.750"]
    assert lines[-2].split() == ["black", "0", "0", "-"]
    assert lines[-1] == f"{out / REPORT} shows it, {out / METRICS} holds the figures"
    assert sorted(path.name for path in out.iterdir()) == [METRICS, REPORT]
    assert json.loads((out / METRICS).read_bytes())["correct"] == 11
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["correct"], printed["report"]) == (11, str(out / REPORT))


def test_a_report_has_a_place_of_its_own_by_default(model: Path, photos: Path, tmp_path: Path) -> None:
    assert default_folder(measure(model, "validation", photos)) == Path("report/colours/v1/validation")
    run = write_run(tmp_path / "run", open_dataset(photos))
    assert default_folder(measure(run, "validation")) == run / "report" / "validation"
    models.picture("red").save(photos / "validation" / "red" / "new.png")
    other = measure(model, "validation", photos, other_data=True)
    assert default_folder(other) == Path("report/colours/v1/validation of photos")


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

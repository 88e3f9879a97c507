import json
from pathlib import Path
from typing import Any

import pytest

from training import run as runs
from training.rules import preprocessing
from training.run import Epoch, Run, load, load_splits, save, save_splits
from twinlens.errors import TwinlensError


def epoch(number: int, top1: float, loss: float) -> Epoch:
    return Epoch(
        epoch=number,
        lr_body=0.1,
        lr_head=0.2,
        train_loss=1.0,
        train_top1=0.5,
        validation_loss=loss,
        validation_top1=top1,
        train_seconds=1.0,
        data_seconds=0.1,
        validation_seconds=0.2,
    )


def record(**changes: Any) -> Run:
    fields: dict[str, Any] = {
        "started": "2026-01-02T03:04:05+00:00",
        "arguments": {"epochs": 3, "out": "runs/a", "seed": 1},
        "arch": "mobilenet_v2",
        "labels": ["hat", "红色"],
        "seed": 1,
        "data": "photos",
        "data_digest": "ab" * 32,
        "counts": {"train": 8, "validation": 1, "test": 1},
        "left_out": [("hat/note.txt", "no image")],
        "shorter_edge": 240,
        "crop": 224,
        "mean": (0.5, 0.25, 0.125),
        "std": (0.5, 0.5, 0.25),
        "init": "none",
        "init_sha256": None,
        "device": "cpu",
        "precision": "float32",
        "threads": 2,
        "processes": 1,
        "versions": runs.versions(),
        "git_commit": None,
    }
    return Run(**{**fields, **changes})


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = record(epochs=[epoch(1, 0.5, 1.0)], finished="all epochs are done")
    save(tmp_path, written)
    assert load(tmp_path) == written
    assert "红色" in (tmp_path / "run.json").read_text(encoding="utf-8")
    splits = {"train": {"hat": ["hat/été.png"], "红色": []}}
    save_splits(tmp_path, splits)
    assert load_splits(tmp_path) == splits


def test_the_best_epoch_has_the_highest_accuracy_then_the_lowest_loss() -> None:
    assert record().best is None
    epochs = [epoch(1, 0.8, 0.3), epoch(2, 0.9, 0.5), epoch(3, 0.9, 0.4), epoch(4, 0.9, 0.4)]
    assert record(epochs=epochs).best == epochs[2]


def test_what_is_no_run_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(TwinlensError, match="python -m training train") as missing:
        load(tmp_path)
    assert missing.value.code == "invalid_run"
    save(tmp_path, record())
    written = json.loads((tmp_path / "run.json").read_bytes())
    for wrong, message in (({**written, "crop": "224"}, "crop"), ({**written, "new": 1}, "new"), ([], "the file")):
        (tmp_path / "run.json").write_text(json.dumps(wrong))
        with pytest.raises(TwinlensError, match=f"{message}: .*train again") as broken:
            load(tmp_path)
        assert broken.value.code == "invalid_run"
    (tmp_path / "splits.json").write_text('{"train": ["a"]}')
    with pytest.raises(TwinlensError, match=r"splits\.json: train"):
        load_splits(tmp_path)


def test_the_rules_of_a_run_are_those_of_its_contract() -> None:
    rules = preprocessing(record())
    assert (rules.resize.shorter_edge, rules.crop.height, rules.crop.width) == (240, 224, 224)
    assert (rules.normalize.mean, rules.normalize.std) == ((0.5, 0.25, 0.125), (0.5, 0.5, 0.25))
    assert rules.normalize.scale == 1 / 255
    assert rules.decode.alpha_background == (255, 255, 255)
    assert set(rules.formats.server) - set(rules.formats.browser) == {"tiff"}


def test_a_run_is_resumed_with_its_own_arguments_only(tmp_path: Path) -> None:
    arguments = {"epochs": 3, "out": "runs/a", "seed": 1}
    assert runs.to_resume(tmp_path / "new", arguments, resume=True) is None
    (tmp_path / ".run.json.tmp").touch()
    assert runs.to_resume(tmp_path, arguments, resume=False) is None
    save(tmp_path, record())
    assert runs.to_resume(tmp_path, {**arguments, "out": "runs/b"}, resume=True, free={"out"}) == record()
    for given, resume, message in (
        (arguments, False, "--resume"),
        ({**arguments, "epochs": 4}, True, r"--epochs 3 \(now 4\)"),
    ):
        with pytest.raises(TwinlensError, match=message) as refused:
            runs.to_resume(tmp_path, given, resume)
        assert refused.value.code == "already_exists"
    with pytest.raises(TwinlensError, match=r"begun with 1 processes \(now 2\)") as refused:
        runs.to_resume(tmp_path, arguments, resume=True, processes=2)
    assert refused.value.code == "already_exists"


def test_the_commit_is_that_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = runs.git_commit()
    assert commit is None or len(commit.removesuffix("-dirty")) == 40
    monkeypatch.setattr(runs, "__file__", str(tmp_path / "run.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert runs.git_commit() is None

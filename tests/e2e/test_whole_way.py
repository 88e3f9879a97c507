"""From a folder of pictures to the same answer twice, by the commands that README gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.server import serving
from browser.chromium import chromium
from parity.sides import ask_page, ask_server
from tests.unit.training.pictures import LABELS, split_folders
from twinlens.store import open_current

ROOT = Path(__file__).parents[2]
EXPORTS = {"mine": "float16", "whole": "int8-channel", "small": "int6-channel"}


def training(*arguments: str | Path) -> str:
    """Run ``python -m training`` and return what it prints."""
    command = [sys.executable, "-m", "training", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The pictures, and the models that were made of them."""
    folder = tmp_path_factory.mktemp("way")
    photos = split_folders(folder / "photos", train=48, validation=6, test=6)
    (photos / "train" / next(iter(LABELS)) / "notes.txt").write_text("not a photo", encoding="utf-8")
    run, models = folder / "runs" / "mine", folder / "models"
    size = ["--image-size", "64", "--train-size", "64", "--epochs", "4", "--batch-size", "16"]
    training("train", photos, "--out", run, "--arch", "mobilenet_v3_small", "--init", "none", *size)
    for name, weights in EXPORTS.items():
        training("export", run, "--out", models / name, "--weights", weights)
    return photos, models


def test_the_run_lists_what_was_no_photo(way: tuple[Path, Path]) -> None:
    _, models = way
    record = json.loads((models.parent / "runs" / "mine" / "run.json").read_bytes())
    assert [name for name, _ in record["left_out"]] == [f"train/{next(iter(LABELS))}/notes.txt"]


@pytest.mark.parametrize("name", EXPORTS)
def test_server_page_and_command_line_give_one_answer(way: tuple[Path, Path], name: str) -> None:
    photos, models = way
    paths = sorted((photos / "test").rglob("*.png"))
    version = open_current(models / name)
    labels = version.contract.label_names
    settings = {"TWINLENS_MODELS": str(models), "TWINLENS_MODEL": name}
    with serving(settings) as url, chromium() as browser:
        server = list(ask_server(url, paths, labels))
        page = list(ask_page(browser, url, paths, labels))
    command = [sys.executable, "-m", "twinlens", "classify", "--json", "--top-k", "3", *map(str, paths)]
    printed = subprocess.run(
        command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=True, timeout=120
    ).stdout
    lines = [json.loads(line) for line in printed.splitlines()]
    assert len(lines) == len(paths) == 18
    for line, of_server, of_page in zip(lines, server, page, strict=True):
        assert of_server.scores is not None and of_page.scores is not None
        assert line["model"] == {"name": name, "version": version.contract.model.version, "digest": version.digest}
        for prediction in line["predictions"]:
            assert of_server.scores[prediction["label"]] == pytest.approx(prediction["score"], abs=1e-6)
        assert of_page.scores == pytest.approx(of_server.scores, abs=1e-4)


def test_a_later_look_at_test_is_added_to_the_card(way: tuple[Path, Path]) -> None:
    photos, models = way
    card = open_current(models / "mine").path / "MODEL_CARD.md"
    before = card.read_text(encoding="utf-8").count(" | 18 |")
    out = models.parent / "report"
    told = training("evaluate", models / "mine", "--split", "test", "--data", photos, "--out", out, "--json")
    result = json.loads(told)
    assert result["n"] == 18
    assert result["report"] == str(out / "report.html")
    assert card.read_text(encoding="utf-8").count(" | 18 |") == before + 1

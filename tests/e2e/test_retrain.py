"""A model learns what was reviewed and is published; a poisoned queue is refused: with real networks and the page."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.training.pictures import LABELS, label_folders
from twinlens import publishing
from twinlens.dataset import manifest
from twinlens.dataset.manifest import HELD_OUT, Row, Split
from twinlens.store import current_version, open_version

ROOT = Path(__file__).parents[2]
NAMES = list(LABELS)
COUNTS: dict[Split, int] = {"train": 40, "validation": 8, "test": 12}
SEEN = "2026-11-27T08:00:00+00:00"

pytestmark = [pytest.mark.heavy, pytest.mark.apart]


@dataclass(frozen=True)
class World:
    """A data set, and the model that was trained on it."""

    data: Path
    model: Path

    def retrain(self, out: Path, *more: str) -> tuple[int, dict]:
        options = ["--epochs", "3", "--lr-body", "5e-4", "--lr-head", "5e-3", "--batch-size", "16", "--who", "ana"]
        status = training("retrain", self.data, "--model", self.model, "--out", out, *options, *more, check=False)
        return status, json.loads((out / "retrain.json").read_bytes())


def training(*arguments: str | Path, check: bool = True) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "training", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, timeout=500)
    assert not check or done.returncode == 0
    return done.returncode


def photos(data: Path, shown: str, label: str, first: int, count: int, split: Split | None, seen: bool) -> list[Row]:
    """Pictures of one label's shape, with any label."""
    folder = data / f"from {first}"
    label_folders(folder, count, [shown], first)
    rows = []
    for path in sorted((folder / shown).glob("*.png")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        relative = path.relative_to(data).as_posix()
        rows.append(Row(path=relative, sha256=digest, label=label, split=split, reviewed=SEEN if seen else None))
    return rows


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("retrain")
    data, rows = folder / "data", []
    for number, name in enumerate(NAMES):
        for place, (split, count) in enumerate(COUNTS.items()):
            rows += photos(data, name, name, 1000 * (3 * number + place), count, split, False)
    manifest.write(data, rows)
    size = ["--image-size", "32", "--train-size", "32", "--epochs", "4", "--batch-size", "8"]
    rates = ["--lr-body", "2e-3", "--ema", "0.9"]
    training("train", data, "--out", folder / "run", "--arch", "resnet18", "--init", "none", *size, *rates)
    training("export", folder / "run", "--out", folder / "models" / "shapes")
    return World(data, folder / "models" / "shapes")


def test_good_reviews_are_learned_and_published_and_a_poisoned_queue_is_refused(world: World, tmp_path: Path) -> None:
    first = current_version(world.model)
    rows = manifest.require(world.data)
    new = [
        photo
        for n, name in enumerate(NAMES)
        for photo in photos(world.data, name, name, 50_000 + 100 * n, 15, None, True)
    ]
    manifest.write(world.data, [*rows, *new])
    status, record = world.retrain(tmp_path / "good")
    assert (status, record["outcome"]) == (0, "published"), record["gate"]
    second = current_version(world.model)
    assert second == record["candidate"]["version"] != first
    assert [(each.version, each.replaced) for each in publishing.history(world.model)] == [
        (first, None),
        (second, first),
    ]
    verdicts = {each["name"]: each["passed"] for each in record["gate"]}
    assert verdicts["exports"] is True and verdicts["parity"] is True
    held = {row.path for row in manifest.require(world.data) if row.split == HELD_OUT}
    assert held
    learned = json.loads((tmp_path / "good" / "run" / "splits.json").read_bytes())["train"]
    assert not held & {path for paths in learned.values() for path in paths}
    card = (world.model / second / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "from which learning went on" in card
    assert open_version(world.model / second).contract.dataset.digest == manifest.digest(manifest.require(world.data))

    # Now somebody reviews pictures of one label as another.
    rows = manifest.require(world.data)
    manifest.write(world.data, [*rows, *photos(world.data, NAMES[0], NAMES[1], 60_000, 160, None, True)])
    status, record = world.retrain(tmp_path / "poisoned", "--epochs", "5", "--lr-body", "2e-3", "--lr-head", "2e-2")
    assert (status, record["outcome"]) == (1, "refused"), record["gate"]
    verdicts = {each["name"]: each["passed"] for each in record["gate"]}
    assert verdicts["overall"] is False or verdicts["labels"] is False
    assert current_version(world.model) == second
    assert (tmp_path / "poisoned" / "candidate" / "shapes" / record["candidate"]["version"] / "contract.json").is_file()
    assert "Refused" in (tmp_path / "poisoned" / "report.html").read_text(encoding="utf-8")

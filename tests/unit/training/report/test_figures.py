import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.training.measured import COLOURS, write_model, write_photos, write_run
from training.data import open_dataset
from training.measure import measure
from training.report.figures import figures
from training.target import Measured
from twinlens.footprint import export_sizes

DOCUMENT = Path(__file__).parents[4] / "docs" / "metrics.md"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = tmp_path_factory.mktemp("figures")
    photos = write_photos(folder / "photos")
    return measure(write_model(folder / "models", photos), "test", photos)


@pytest.fixture(scope="module")
def metrics(measured: Measured) -> dict[str, Any]:
    return figures(measured)


def keys(value: Any, path: str = "") -> set[str]:
    """Every key of a document, ``*`` for what is a label's or a thing's name and ``[]`` for an entry of a list."""
    if isinstance(value, list):
        return (
            {key for each in value for key in keys(each, f"{path}[]")}
            if value and isinstance(value[0], dict)
            else set()
        )
    if not isinstance(value, dict):
        return set()
    found = set()
    for key, inner in value.items():
        named = path in ("per_label", "exports", "latency") and key not in ("photo", "network")
        here = f"{path}.{'*' if named else key}".lstrip(".")
        here = here.replace("latency.photo.", "latency.*.").replace("latency.network.", "latency.*.")
        found |= {here, *keys(inner, here)}
    return found


def test_every_key_is_documented(metrics: dict[str, Any]) -> None:
    documented = set(re.findall(r"^\| `([^`]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    inner = {"calibration", "confusion", "machine", "per_label.*", "exports.*"}  # what only holds the others
    assert keys(metrics) - documented - inner == set()


def test_the_figures_agree_with_each_other(metrics: dict[str, Any], measured: Measured) -> None:
    assert metrics["n"] == 12
    assert {key: metrics[key] for key in measured.result} == measured.result
    counts = np.array(metrics["confusion"]["counts"])
    assert counts.trace() == metrics["correct"] == 11
    assert counts.sum() == 12
    row, column = (metrics["confusion"]["labels"].index(label) for label in ("red", "green"))
    assert counts[row, column] == 1
    assert sum(each["n"] for each in metrics["calibration"]["bins"]) == 12
    assert metrics["calibration"]["fitted"] == "contract"
    assert metrics["calibration"]["ece_without_temperature"] == pytest.approx(metrics["ece"])  # it is 1
    losses = [each["loss"] for each in metrics["highest_loss"]]
    assert losses == sorted(losses, reverse=True)
    assert np.mean(losses) == pytest.approx(metrics["nll"])  # all 12 are among the 24


def test_the_photo_in_the_wrong_folder_costs_most(metrics: dict[str, Any]) -> None:
    worst = metrics["highest_loss"][0]
    assert worst["photo"] == "test/red/0.png"
    assert (worst["label"], worst["answer"]) == ("red", "green")
    assert worst["loss"] == pytest.approx(-np.log(worst["label_score"]))
    assert worst["answer_score"] > 0.5 > worst["label_score"]


def test_a_model_has_sizes_and_times(metrics: dict[str, Any], measured: Measured) -> None:
    assert measured.target.version is not None
    assert metrics["exports"] == export_sizes(measured.target.version)
    assert metrics["latency"]["photo"]["median_ms"] > 0
    assert json.loads(json.dumps(metrics, allow_nan=False))["machine"]["cores"] >= 1


def test_the_page_is_not_timed_unasked_nor_where_it_is_not_built(
    metrics: dict[str, Any], measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert metrics["page_latency"]["photo"] is None
    assert "--no-page" in metrics["page_latency"]["not_measured"]
    monkeypatch.setattr("browser.latency.PAGE", tmp_path)
    assert "make page" in figures(measured, page=True)["page_latency"]["not_measured"]


def test_a_run_has_neither(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos")
    found = figures(measure(write_run(tmp_path / "run", open_dataset(photos)), "validation"))
    assert (found["exports"], found["latency"], found["page_latency"]) == (None, None, None)
    assert found["calibration"]["fitted"] == "validation"
    assert found["confusion"]["labels"] == sorted(COLOURS)

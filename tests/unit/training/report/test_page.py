import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import models
from tests.unit.training.measured import write_model, write_photos, write_run
from training.data import open_dataset
from training.measure import measure
from training.report.activation import pictures
from training.report.figures import costliest, figures
from training.report.mistakes import confusion
from training.report.page import render
from training.target import Measured
from twinlens.report.html import Text


def shown(measured: Measured, **changes: Any) -> str:
    """The page of what was measured, with some figures set otherwise."""
    return render(measured, {**figures(measured), **changes}, pictures(measured, costliest(measured))).decode()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos") / "photos")


@pytest.fixture(scope="module")
def measured(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    labels = [
        {"name": name, "display": {"en": name.capitalize(), **({"zh": "红色"} if name == "red" else {})}}
        for name in models.LABELS
    ]
    return measure(write_model(tmp_path_factory.mktemp("models"), photos, labels=labels), "test", photos)


def test_every_part_of_an_evaluation_is_there(measured: Measured) -> None:
    text = shown(measured)
    for heading in (
        "By label",
        "What is taken for what",
        "Can the scores be believed?",
        "When it says that it is not sure",
        "The photos that it got most wrong",
        "Size and speed",
        "How this was measured",
    ):
        assert f'<h2><span lang="en">{heading}</span>' in text
    assert "91.7%" in text and "64.6 to 98.5%" in text
    assert "Red taken for Green" in text and "把红色认成Green" in text
    assert text.count("data:image/jpeg") == 2 * 12
    assert "This look at the test photos has been recorded" in text
    assert "15 bins of equal width; Guo et al. 2017" in text


def test_validation_may_be_looked_at_as_often_as_one_likes(measured: Measured, photos: Path) -> None:
    found = measure(measured.target.path, "validation", photos)
    text = shown(found)
    assert "has been recorded" not in text
    assert "No photo was answered wrongly." in text


def test_a_run_says_what_an_export_would_add(photos: Path, tmp_path: Path) -> None:
    text = shown(measure(write_run(tmp_path / "mine", open_dataset(photos)), "validation"))
    assert "<title>mine: evaluation · mine：评估</title>" in text
    assert text.count("This is a training run that has not been exported.") == 2
    assert "was fitted on the run's validation photos" in text
    assert text.count("data:image/jpeg") == 12


def test_a_network_without_class_maps_says_why_there_are_none(photos: Path, tmp_path: Path) -> None:
    text = shown(measure(write_model(tmp_path, photos, class_map=None), "validation", photos))
    assert "There are no activation maps: this network's head is more" in text


def test_other_photos_have_no_threshold_that_was_fitted_for_a_run(photos: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", open_dataset(photos))
    more = write_photos(tmp_path / "more")
    models.picture("red").save(more / "test" / "red" / "new.png")
    (more / "notes.txt").write_text("no photo")
    text = shown(measure(run, "test", more, other_data=True))
    assert "When it says that it is not sure" not in text
    assert "these are not the photos of the run" in text
    assert "notes.txt: it is in none of train/" in text


def test_a_file_whose_name_is_not_utf8_is_named_all_the_same(photos: Path, tmp_path: Path) -> None:
    more = write_photos(tmp_path / "more")
    odd = Path(os.fsdecode(os.fsencode(more / "test" / "red") + b"/\xff.png"))
    odd.write_bytes((more / "test" / "red" / "1.png").read_bytes())
    text = shown(measure(write_model(tmp_path / "models", photos), "test", more, other_data=True))
    assert "test/red/\\xff.png: its name is not UTF-8" in text


def test_of_very_many_labels_the_matrix_shows_those_with_mistakes() -> None:
    labels = [f"label {index}" for index in range(50)]
    counts = 3 * np.eye(50, dtype=int)
    counts[49, 48] = 1
    text = confusion(
        {"confusion": {"labels": labels, "counts": counts.tolist()}}, {label: Text(label, label) for label in labels}
    )
    assert "Shown are the 40 of 50 labels with the most mistakes" in text
    assert ">label 49</text>" in text and ">label 47</text>" not in text
    assert "label 49 taken for label 48" in text

"""The photos of a visit: chosen, made, and each with its golden answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from loadtest import photos, plan
from loadtest.photos import gather, make_pictures
from tests import models
from twinlens.classifier import Classifier
from twinlens.errors import TwinlensError
from twinlens.settings import PREFIX

SMALL = (160, 120)


def folder_of(path: Path, colours: list[str]) -> Path:
    path.mkdir()
    for index, colour in enumerate(colours):
        models.picture(colour).save(path / f"{index}-{colour}.jpg", quality=95)
    return path


def test_every_photo_has_its_golden_answer_and_its_place(tmp_path: Path, classifier: Classifier) -> None:
    folder = folder_of(tmp_path / "photos", ["red", "green", "blue"])
    (folder / "notes.txt").write_text("no photo")
    found = gather(folder, classifier, 8, 0.25, tmp_path / "work", SMALL)
    assert [shot.kind for shot in found.shots] == ["photo", "photo", "phone", "photo"] * 2
    assert (found.cycle, found.undecided, found.unread) == (4, 0, 1)
    small = [shot for shot in found.shots if shot.kind == "photo"]
    assert [shot.label for shot in small] == ["red", "green", "blue"] * 2
    assert all(shot.label in Path(shot.path).name and shot.score and shot.score > 0.5 for shot in small)
    assert all(shot.media_type == "image/jpeg" for shot in found.shots)
    large = [shot for shot in found.shots if shot.kind == "phone"]
    assert {shot.path for shot in large} <= {str(path) for path in (tmp_path / "work" / "phone").iterdir()}
    for shot in large:
        with Image.open(shot.path) as image:
            assert sorted(image.size) == sorted(SMALL)


def test_no_large_photos_where_none_are_wanted(tmp_path: Path, classifier: Classifier) -> None:
    folder = folder_of(tmp_path / "photos", ["red", "green"])
    found = gather(folder, classifier, 3, 0.0, tmp_path / "work", SMALL)
    assert [shot.kind for shot in found.shots] == ["photo"] * 3
    assert not (tmp_path / "work").exists()


def test_a_photo_that_could_be_either_is_left_out(tmp_path: Path, classifier: Classifier) -> None:
    folder = folder_of(tmp_path / "photos", ["red", "green"])
    # Halfway between black and white: the model that names colours cannot tell.
    Image.new("RGB", (96, 80), (127, 127, 127)).save(folder / "0-grey.png")
    found = gather(folder, classifier, 4, 0.0, tmp_path / "work", SMALL)
    assert found.undecided == 1
    assert {shot.label for shot in found.shots} == {"red", "green"}
    for path in folder.glob("*.jpg"):
        path.unlink()
    with pytest.raises(TwinlensError, match="cannot decide") as caught:
        gather(folder, classifier, 4, 0.0, tmp_path / "work", SMALL)
    assert caught.value.code == "invalid_data"


def test_pictures_are_made_where_there_is_no_folder(tmp_path: Path, classifier: Classifier) -> None:
    found = gather(None, classifier, 8, 0.0, tmp_path, SMALL)
    assert len({shot.path for shot in found.shots}) == 8
    assert len({shot.label for shot in found.shots}) > 4
    make_pictures(tmp_path / "again", 8)
    again = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert again == {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}


def test_a_plan_for_runs_by_hand(
    tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"{PREFIX}MODELS", str(models_folder))
    monkeypatch.setenv(f"{PREFIX}MODEL", models.NAME)
    folder = folder_of(tmp_path / "photos", ["red", "green"])
    monkeypatch.setattr(photos, "LARGE_SIZE", SMALL)
    arguments = [str(folder), "--plan", str(tmp_path / "plan.json"), "--count", "3", "--users", "5", "--p95-ms", "900"]
    assert photos.main(arguments) == 0
    written = plan.read(tmp_path / "plan.json")
    assert [stage.users for stage in written.stages] == [2, 5]
    assert written.thresholds.p95_ms == 900
    assert len(written.shots) == 3
    assert photos.main([str(tmp_path / "nowhere"), "--plan", str(tmp_path / "plan.json")]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_plan_that_is_taken_to_another_machine(
    tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"{PREFIX}MODELS", str(models_folder))
    monkeypatch.setenv(f"{PREFIX}MODEL", models.NAME)
    monkeypatch.setattr(photos, "LARGE_SIZE", SMALL)
    folder = folder_of(tmp_path / "photos", ["red", "green"])
    sent = {path.read_bytes() for path in folder.iterdir()}
    here, there = tmp_path / "here", tmp_path / "there"
    arguments = ["--plan", str(here / "plan.json"), "--count", "3", "--bundle"]
    assert photos.main([str(folder), *arguments]) == 0
    assert photos.main([str(folder), *arguments]) == 0  # what is there from before is no obstacle
    shutil.copytree(here / "plan-bundle", there / "plan-bundle")
    shutil.copy(here / "plan.json", there)
    shutil.rmtree(folder)
    shots = plan.read(there / "plan.json").shots
    assert {Path(shot.path).parent for shot in shots} == {there / "plan-bundle"}
    assert {Path(shot.path).read_bytes() for shot in shots} == sent
    assert photos.main([str(here / "plan-bundle"), *arguments]) == 2
    assert "Move them first" in capsys.readouterr().err
    assert len(list((here / "plan-bundle").iterdir())) == 2

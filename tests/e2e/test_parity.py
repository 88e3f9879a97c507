"""`make parity` on scikit-image's pictures, through the real server and the real page."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from parity import photos as photo_files
from parity.__main__ import main

LARGE = 3
GOALS = [
    "top1_agreement_at_margin",
    "mean_score_difference",
    "max_score_difference",
    "large_top1_agreement_at_margin",
    "large_mean_score_difference",
    "large_max_score_difference",
    "png_tensors_identical",
    "png_max_score_difference",
]


class Finished(NamedTuple):
    status: int
    content: dict[str, Any]
    picture: Path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder, out = tmp_path_factory.mktemp("samples"), tmp_path_factory.mktemp("results") / "parity.json"
    photo_files.samples(folder)
    (folder / "notes.txt").write_text("no photo")
    status = main([str(folder), "--large", str(LARGE), "--out", str(out)])
    return Finished(status, json.loads(out.read_text(encoding="utf-8")), out.with_suffix(".png"))


def test_every_photo_is_answered_by_both_sides(finished: Finished) -> None:
    rows = finished.content["rows"]
    assert [row for row in rows if "error" in row["server"] or "error" in row["page"]] == []
    groups = [row["group"] for row in rows]
    assert groups.count("photos") == groups.count("png") >= 6
    assert groups.count("large") == LARGE
    assert finished.content["left_out"] == ["notes.txt"]
    assert finished.content["machine"]["versions"]["chromium"]


@pytest.mark.parametrize("name", GOALS)
def test_the_goal_is_met(finished: Finished, name: str) -> None:
    (goal,) = (goal for goal in finished.content["goals"] if goal["name"] == name)
    assert goal["met"], (goal, [row for row in finished.content["rows"] if row["difference"] > 1e-4])


def test_the_status_tells_whether_all_are_met(finished: Finished) -> None:
    assert [goal["name"] for goal in finished.content["goals"]] == GOALS
    assert finished.status == (0 if all(goal["met"] for goal in finished.content["goals"]) else 1)


def test_the_picture_is_there(finished: Finished) -> None:
    with Image.open(finished.picture) as image:
        assert image.format == "PNG" and image.width > 800

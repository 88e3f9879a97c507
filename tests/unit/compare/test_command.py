import json

import pytest

from tests import models
from tests.unit.compare.models import labelled, pair
from twinlens.cli import main

SWAPPED = {"white": "black", "black": "white"}


@pytest.fixture
def made(tmp_path):
    """The folders of two models and of photos, as arguments."""
    a, b = pair(tmp_path / "models", SWAPPED)
    return [str(a), str(b), "--data", str(labelled(tmp_path / "photos", {"red": 3, "white": 2}))]


def test_the_figures_are_printed_side_by_side(made, capsys):
    assert main(["compare", *made]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "A  colours v1"
    assert lines[1] == "B  other v1"
    assert lines[2].startswith("5 photos of ")
    assert lines[4].split() == ["top-1", "1.0000", "0.6000"]
    assert ["recall", "of", "white", "1.000", "0.000"] in [line.split() for line in lines]
    assert any(line.startswith("B less A: -0.4000") and "only A right on 2, only B on 0" in line for line in lines)
    assert lines[-1] == "2 of 5 photos are answered differently"


def test_json_is_one_object_and_the_page_a_file(made, tmp_path, capsys):
    page = tmp_path / "out" / "page.html"
    assert main(["compare", *made, "--json", "--out", str(page)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["agreement"]["n"] == 3
    assert "colours against other" in page.read_text(encoding="utf-8")
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]
    assert main(["compare", *made, "--out", str(page)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{page} shows it"


def test_a_version_may_be_named_and_a_broken_photo_ends_with_status_1(made, tmp_path, capsys):
    (tmp_path / "photos" / "red" / "broken.png").write_bytes(b"no image")
    version = str(tmp_path / "models" / models.NAME / models.VERSION)
    assert main(["compare", version, *made[1:]]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("left out: red/broken.png: ")


def test_labels_that_one_does_not_know_are_named(tmp_path, capsys):
    a, b = pair(tmp_path / "models", {"white": "snow"})
    photos = labelled(tmp_path / "photos", {"red": 1, "white": 2})
    assert main(["compare", str(a), str(b), "--data", str(photos)]) == 0
    assert "left out: 2 photos of white, which only A knows" in capsys.readouterr().out


def test_photos_without_labels_have_no_accuracy(tmp_path, capsys):
    a, b = pair(tmp_path / "models", SWAPPED)
    photos = labelled(tmp_path / "photos" / "all", {"red": 1}).parent
    assert main(["compare", str(a), str(b), "--data", str(photos)]) == 0
    printed = capsys.readouterr().out
    assert "top-1" not in printed
    assert "0 of 1 photos are answered differently" in printed


def test_what_is_wrong_is_one_line(made, tmp_path, capsys):
    assert main(["compare", str(tmp_path), *made[1:]]) == 2
    assert capsys.readouterr().err.startswith("twinlens: model_not_found: ")
    assert main(["compare", *made, "--split", "test"]) == 2
    assert "leave it out" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["compare", *made[:2]])
    assert "--data" in capsys.readouterr().err

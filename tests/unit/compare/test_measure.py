import json
import re
from pathlib import Path

import pytest

from tests import models
from tests.unit.compare.models import SETTINGS, labelled, opened, pair
from twinlens.compare.measure import measure
from twinlens.compare.photos import find_photos
from twinlens.errors import TwinlensError
from twinlens.metrics import wilson

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"
SWAPPED = {"white": "black", "black": "white"}


def compared(folders, photos, split=None):
    classifiers = opened(folders)
    known = {label for classifier in classifiers for label in classifier.contract.label_names}
    return measure(find_photos(photos, split, known), classifiers, SETTINGS)


def test_the_figures_of_both_and_what_tells_them_apart(tmp_path):
    photos = labelled(tmp_path / "photos", {"red": 3, "white": 2})
    found = compared(pair(tmp_path / "models", SWAPPED), photos)
    a, b = found["models"]["a"], found["models"]["b"]
    assert (a["name"], b["name"]) == (models.NAME, "other")
    assert (a["figures"]["top1"], b["figures"]["top1"]) == (1.0, 0.6)
    assert b["figures"]["per_label"]["white"]["recall"] == 0.0
    assert list(a["figures"]["per_label"]) == ["red", "white"]
    assert found["paired"]["only_a"] == 2
    assert (found["paired"]["both"], found["paired"]["only_b"], found["paired"]["neither"]) == (3, 0, 0)
    assert found["paired"]["difference"] == pytest.approx(-0.4)
    assert found["agreement"] == {"n": 3, "share": 0.6, "interval": wilson(3, 5)}
    assert [(each["photo"], each["label"]) for each in found["differ"]] == [
        ("white/图 0.png", "white"),
        ("white/图 1.png", "white"),
    ]
    assert {each["b"]["label"] for each in found["differ"]} == {"black"}
    assert all(0.9 < each[side]["score"] <= 1 for each in found["differ"] for side in ("a", "b"))
    assert json.loads(json.dumps(found, allow_nan=False))["n"] == 5


def test_two_models_may_name_their_labels_in_another_order(tmp_path):
    photos = labelled(tmp_path / "photos", {"red": 1, "white": 1})
    first = models.write(tmp_path / "models")
    again = models.write(tmp_path / "more", version="v2")
    found = compared((first, again), photos)
    assert found["differ"] == []
    assert found["paired"]["p_value"] == 1.0


def test_photos_of_a_label_that_one_does_not_know_are_left_out(tmp_path):
    photos = labelled(tmp_path / "photos", {"red": 1, "white": 2, "black": 1})
    found = compared(pair(tmp_path / "models", {"white": "snow", "magenta": "pink"}), photos)
    assert found["n"] == 2
    assert found["one_sided"] == [{"label": "white", "known_by": "a", "n": 2}]
    assert found["models"]["b"]["figures"]["top1"] == 1.0
    (photos / "white").rename(photos / "snow")
    found = compared((tmp_path / "models" / models.NAME, tmp_path / "models" / "other"), photos)
    assert found["one_sided"] == [{"label": "snow", "known_by": "b", "n": 2}]


def test_models_without_a_common_label_cannot_be_compared(tmp_path):
    photos = labelled(tmp_path / "photos", {"red": 1})
    folders = pair(tmp_path / "models", {label: f"my {label}" for label in models.LABELS})
    with pytest.raises(TwinlensError, match="no label in common"):
        compared(folders, photos)
    folders = pair(tmp_path / "others", {"red": "my red"})
    with pytest.raises(TwinlensError, match="no photo of a label that both"):
        compared(folders, photos)


def test_a_broken_photo_is_left_out_and_said(tmp_path):
    photos = labelled(tmp_path / "photos", {"red": 1, "blue": 1})
    (photos / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    found = compared(pair(tmp_path / "models", {}), photos)
    assert found["n"] == 2
    (broken,) = found["unreadable"]
    assert broken["photo"] == "red/broken.jpg"
    assert broken["code"] in ("broken_image", "not_an_image")
    for file in photos.rglob("*.png"):
        file.write_bytes(b"no more")
    with pytest.raises(TwinlensError, match=r"No photo of .* can be read"):
        compared((tmp_path / "models" / models.NAME, tmp_path / "models" / "other"), photos)


def test_photos_without_labels_are_compared_by_the_answers_alone(tmp_path):
    photos = labelled(tmp_path / "photos" / "all", {"red": 2, "white": 1}).parent
    found = compared(pair(tmp_path / "models", SWAPPED), photos)
    assert found["paired"] is None
    assert found["models"]["a"]["figures"] is None
    assert found["agreement"]["n"] == 2
    (other,) = found["differ"]
    assert (other["photo"], other["label"]) == ("all/white/图 0.png", None)


def test_every_key_is_documented(tmp_path):
    photos = labelled(tmp_path / "photos", {"red": 1, "white": 1})
    found = compared(pair(tmp_path / "models", SWAPPED), photos)
    text = DOCUMENT.read_text(encoding="utf-8").split("## twinlens compare --json")[1]
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    documented = {name.removesuffix("[]") for cell in cells for name in re.findall("`([^`]+)`", cell)}
    inner = {"models", "paired", "agreement"}
    top = set(found) - inner
    deeper = {f"{key}.{name}" for key in ("paired", "agreement") for name in found[key]}
    of_models = {f"models.*.{name}" for name in found["models"]["a"]}
    assert top | deeper | of_models <= documented
    assert documented <= top | deeper | of_models | inner

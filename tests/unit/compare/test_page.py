import os
import re
from pathlib import Path

import pytest

from tests import models
from tests.unit.compare.models import SETTINGS, labelled, opened, pair
from twinlens.compare.measure import measure
from twinlens.compare.page import render
from twinlens.compare.photos import find_photos

SWAPPED = {"white": "black", "black": "white"}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """What was measured, the photos and the models."""
    folder = tmp_path_factory.mktemp("compared")
    photos = labelled(folder / "photos", {"red": 2, "white": 30})
    classifiers = opened(pair(folder / "models", SWAPPED))
    found = find_photos(photos, None, set(models.LABELS))
    return measure(found, classifiers, SETTINGS), found, classifiers


def test_the_page_shows_both_and_every_kind_of_difference(compared):
    text = render(*compared).decode()
    assert "<title>colours against other · colours 与 other 的对比</title>" in text
    assert "100.0%" in text and "−93.8" in text
    assert "Only A is right" in text and "Only B is right" not in text
    assert "less than 0.1%" in text and "it is more than chance explains" in text
    assert text.count("data:image/jpeg") == 24
    assert "--json lists the other 6 too." in text
    assert "right: White" in text and ">White<" in text


def test_labels_are_shown_by_their_display_names_in_both_languages(compared):
    _, photos, (a, b) = compared
    text = render(measure(photos, [b, a], SETTINGS), photos, [b, a]).decode()
    assert '<span lang="en">right: White</span><span lang="zh-Hans">正确：颜色7</span>' in text


def test_a_comparison_on_test_says_what_that_costs(compared):
    result, photos, classifiers = compared
    assert "a little less honest" not in render(result, photos, classifiers).decode()
    assert "a little less honest" in render({**result, "split": "test"}, photos, classifiers).decode()


def test_a_difference_that_may_be_chance_is_not_called_one(compared):
    result, photos, classifiers = compared
    unclear = {**result, "paired": {**result["paired"], "p_value": 0.2}}
    text = render(unclear, photos, classifiers).decode()
    assert "20.0% of cases" in text and "these photos do not tell which is" in text


def test_without_right_labels_there_is_no_accuracy(compared, tmp_path):
    _, _, classifiers = compared
    photos = find_photos(labelled(tmp_path / "a" / "b", {"red": 1, "white": 1}).parent, None, set(models.LABELS))
    text = render(measure(photos, classifiers, SETTINGS), photos, classifiers).decode()
    assert "Accuracy" not in text and "By label" not in text
    assert "Same answer" in text and "50.0%" in text
    assert "The surest first" in text


def test_what_is_left_out_is_listed(compared):
    result, photos, classifiers = compared
    more = {
        "one_sided": [{"label": "<snow>", "known_by": "b", "n": 4}],
        "unreadable": [{"photo": "red/x.jpg", "code": "broken_image", "detail": "It is broken."}],
    }
    text = render({**result, **more}, photos, classifiers).decode()
    assert "4 photos of &lt;snow&gt;, a label that only B knows" in text
    assert "red/x.jpg: It is broken." in text
    assert "5 photos are left out" in text


def test_a_model_against_itself_differs_nowhere(compared):
    _, photos, (a, _) = compared
    text = render(measure(photos, [a, a], SETTINGS), photos, [a, a]).decode()
    assert "colours against itself" in text
    assert "every photo gets one answer" in text
    assert re.search("Only A is right</span>", text) is None


def test_a_photo_whose_name_is_not_utf8_is_shown_as_any_other(compared, tmp_path):
    _, _, classifiers = compared
    root = labelled(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfe")), {"white": 1})
    (photo,) = (root / "white").iterdir()
    photo.rename(Path(os.fsdecode(os.fsencode(root / "white") + b"/\xff.png")))
    photos = find_photos(root, None, set(models.LABELS))
    result = measure(photos, classifiers, SETTINGS)
    assert [each["photo"] for each in result["differ"]] == ["white/\\xff.png"]
    text = render(result, photos, classifiers).decode()
    assert "white/\\xff.png" in text and text.count("data:image/jpeg") == 1

import pytest

from tests import models
from tests.unit.compare.models import labelled
from twinlens.compare.photos import find_photos
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError

KNOWN = set(models.LABELS)


def error_of(*arguments):
    with pytest.raises(TwinlensError) as caught:
        find_photos(*arguments)
    return caught.value


def test_folders_of_known_names_say_the_right_labels(tmp_path):
    labelled(tmp_path, {"red": 2, "blue": 1})
    (tmp_path / "red" / "notes.txt").write_text("no image")
    (tmp_path / "red" / ".hidden.png").write_bytes(b"")
    found = find_photos(tmp_path, None, KNOWN)
    assert [(found.name(photo), photo.label) for photo in found.photos] == [
        ("blue/图 0.png", "blue"),
        ("red/图 0.png", "red"),
        ("red/图 1.png", "red"),
    ]
    assert found.labelled
    assert found.split is None


def test_names_of_folders_are_compared_in_one_normal_form(tmp_path):
    (tmp_path / "e\u0301te\u0301").mkdir()
    models.picture("red").save(tmp_path / "e\u0301te\u0301" / "a.png")
    (photo,) = find_photos(tmp_path, None, {"\u00e9t\u00e9"}).photos
    assert photo.label == "\u00e9t\u00e9"


def test_images_of_any_other_folder_have_no_label(tmp_path):
    labelled(tmp_path, {"red": 1})
    (tmp_path / "red").rename(tmp_path / "holidays")
    models.picture("blue").save(tmp_path / "loose.PNG")
    found = find_photos(tmp_path, None, KNOWN)
    assert [found.name(photo) for photo in found.photos] == ["holidays/图 0.png", "loose.PNG"]
    assert not found.labelled


def test_validation_is_the_split_to_choose_by(tmp_path):
    for split in ("train", "val", "test"):
        labelled(tmp_path / split, {"red": 1})
    found = find_photos(tmp_path, None, KNOWN)
    assert (found.root, found.split) == (tmp_path / "val", "validation")
    assert find_photos(tmp_path, "test", KNOWN).root == tmp_path / "test"


def test_a_split_that_is_not_there_is_said_to_be_missing(tmp_path):
    labelled(tmp_path / "train", {"red": 1})
    labelled(tmp_path / "test", {"red": 1})
    error = error_of(tmp_path, None, KNOWN)
    assert error.code == "invalid_arguments"
    assert "--split test or train" in error.detail
    error = error_of(tmp_path / "test", "test", KNOWN)
    assert "leave it out" in error.detail


def test_a_label_that_neither_knows_is_an_error(tmp_path):
    labelled(tmp_path, {"red": 1, "blue": 1})
    (tmp_path / "red").rename(tmp_path / "pink")
    error = error_of(tmp_path, None, KNOWN)
    assert error.code == "invalid_data"
    assert "neither model knows: pink" in error.detail


def test_a_folder_without_images_is_an_error(tmp_path):
    assert "There is no folder" in error_of(tmp_path / "nothing", None, KNOWN).detail
    assert "No image was found" in error_of(tmp_path, None, KNOWN).detail


def test_a_label_may_have_two_folders_of_one_name_in_two_spellings(tmp_path):
    composed, apart = "caf\u00e9", "cafe\u0301"
    for name in (composed, apart):
        (tmp_path / name).mkdir()
        models.picture("red").save(tmp_path / name / "a.png")
    found = find_photos(tmp_path, None, {composed})
    assert [photo.label for photo in found.photos] == [composed, composed]
    assert {photo.path.parent.name for photo in found.photos} == {composed, apart}


def test_two_folders_for_one_split_are_refused(tmp_path):
    for name in ("val", "validation"):
        labelled(tmp_path / name, {"red": 1})
    refused = error_of(tmp_path, None, KNOWN)
    assert refused.code == "invalid_data"
    assert "has val and validation, both for validation: keep one" in refused.detail


def test_a_manifest_says_labels_and_splits(tmp_path):
    places = {"red/1.png": ("blue", "test"), "red/2.png": ("red", "validation"), "red/3.png": ("red", None)}
    rows = [
        Row(path=path, sha256=f"{number:064x}", label=label, split=split)
        for number, (path, (label, split)) in enumerate(places.items())
    ]
    labelled(tmp_path, {"red": 4})
    manifest.write(tmp_path, rows)
    for split, expected in (("test", ("red/1.png", "blue")), (None, ("red/2.png", "red"))):
        found = find_photos(tmp_path, split, KNOWN)
        assert [(found.name(photo), photo.label) for photo in found.photos] == [expected]
        assert found.split == (split or "validation")
    told = error_of(tmp_path, "train", KNOWN)
    assert told.code == "invalid_arguments" and "--split test or validation" in told.detail
    assert error_of(tmp_path, "test", {"red"}).code == "invalid_data"
    manifest.write(tmp_path, [row.model_copy(update={"split": None}) for row in rows])
    assert len(find_photos(tmp_path, None, KNOWN).photos) == 3
    assert "Leave --split out" in error_of(tmp_path, "test", KNOWN).detail

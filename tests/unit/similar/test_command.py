import json

import pytest

from tests import models
from tests.unit.similar import made
from twinlens.cli import main


@pytest.fixture
def there(models_folder):
    return ["--models", str(models_folder), "--model", models.NAME]


@pytest.fixture
def index(tmp_path, there, capsys):
    photos = made.photos(tmp_path / "photos")
    assert main(["index", "build", str(photos), "--out", str(tmp_path / "index"), "--workers", "1", *there]) == 0
    capsys.readouterr()
    return tmp_path / "index"


def run(capsys, *arguments):
    status = main(["index", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_build_says_what_came_of_it(tmp_path, there, capsys):
    photos = made.photos(tmp_path / "photos")
    (photos / "bad.png").write_text("hello")
    status, out, err = run(capsys, "build", photos, "--out", tmp_path / "i", "--workers", 1, *there)
    assert status == 1
    assert "24 photos added, 0 removed, 24 embeddings computed, index made anew; 1 files could not be read" in out
    assert "24 photos (24 with a label" in out and "flat, 3 dimensions" in out and "precision@5" in out
    assert "bad.png: not_an_image: " in err


def test_a_photo_is_asked_about(index, there, capsys, tmp_path):
    photo = made.photo(tmp_path / "new.png", "cyan", 4)
    status, out, _ = run(capsys, "search", index, photo, "-k", 2, *there)
    lines = [line.split("  ") for line in out.splitlines()]
    assert status == 0 and [name for _, name in lines] == ["cyan/2.png", "cyan/1.png"]
    assert 0.9 < float(lines[0][0]) <= 1
    _, out, _ = run(capsys, "search", index, photo, "--json", *there)
    found = json.loads(out)
    assert found["file"] == str(photo) and len(found["neighbours"]) == 10
    assert set(found["neighbours"][0]) == {"id", "score", "label", "sha256"}


def test_add_remove_rebuild_and_info(index, there, capsys, tmp_path):
    made.photo(tmp_path / "more" / "red" / "7.png", "red", 7)
    assert run(capsys, "add", index, tmp_path / "more", "--workers", 1, *there)[1].startswith(
        "1 photos added, 0 removed"
    )
    assert run(capsys, "remove", index, "red/7.png", *there)[1].startswith("0 photos added, 1 removed")
    (tmp_path / "photos" / "blue" / "1.png").unlink()
    assert run(capsys, "remove", index, "--missing", tmp_path / "photos", *there)[1].startswith("0 photos added, 1 rem")
    assert "index made anew" in run(capsys, "rebuild", index, "--kind", "hnsw", "--recall", "0.5", *there)[1]
    assert "hnsw, efSearch" in run(capsys, "info", index, *there)[1]
    described = json.loads(run(capsys, "info", index, "--json", *there)[1])
    assert described == json.loads((index / "index.json").read_text())
    assert (described["photos"], described["search"]["asked_for"]) == (23, "hnsw")


def test_a_gallery_is_written(index, there, capsys, tmp_path):
    status, out, _ = run(capsys, "gallery", index, "--out", tmp_path / "g.bin", *there)
    assert status == 0 and "24 photos, 3 dimensions" in out and "sha256 " in out
    assert (tmp_path / "g.bin").read_bytes().startswith(b"TWGALL01")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["remove", "INDEX"], "invalid_arguments"),
        (["remove", "INDEX", "nope.png"], "invalid_arguments"),
        (["remove", "INDEX", "--missing", "PHOTOS"], "invalid_arguments"),
        (["search", "INDEX", "nowhere.png"], "not_an_image"),
        (["info", "PHOTOS"], "invalid_index"),
        (["add", "PHOTOS", "PHOTOS"], "invalid_index"),
        (["gallery", "INDEX", "--out", "OUT", "--dimensions", "100"], "invalid_arguments"),
    ],
)
def test_an_error_is_one_line_and_status_2(arguments, code, index, there, capsys, tmp_path):
    names = {"INDEX": index, "PHOTOS": tmp_path / "photos", "OUT": tmp_path / "out"}
    status, out, err = run(capsys, *(names.get(each, each) for each in arguments), *there)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"twinlens: {code}: ")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["build", "photos"],
        ["build", "p", "--out", "i", "--recall", "2"],
        ["build", "p", "--out", "i", "--dimensions", "8", "--no-projection"],
        ["search", "i", "p", "-k", "0"],
    ],
)
def test_wrong_usage_says_how(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["index", *arguments])
    assert caught.value.code == 2 and "usage: twinlens index" in capsys.readouterr().err

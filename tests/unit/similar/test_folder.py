"""The folder of an index: damaged, of another model, somebody else's, full, changed by two at once."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest

from tests import models
from tests.unit.similar.made import PLAIN, digest, refused
from twinlens.errors import TwinlensError
from twinlens.similar import build as builds
from twinlens.similar import folder as folders
from twinlens.similar.build import add, build, rebuild, remove
from twinlens.similar.folder import describe
from twinlens.similar.index import Index


def test_another_model_is_refused(built, out, photos, settings, tmp_path):
    other = replace(settings, models=tmp_path / "models")
    models.write(tmp_path / "models", not_sure={"threshold": 0.3, "rule": "made up"})
    for run in (
        lambda: Index(out, digest(other)),
        lambda: add(out, photos, other, 1),
        lambda: remove(out, ["red/1.png"], other),
        lambda: rebuild(out, other),
    ):
        assert "Build it again" in refused("index_mismatch", run)
    # To build is to make anew; what the other model made of the photos goes.
    assert build(photos, out, other, PLAIN, 1).computed == 24
    assert len(list((out / "embeddings").iterdir())) == 1


@pytest.mark.parametrize("name", ["faiss", "photos", "projection"])
@pytest.mark.parametrize("change", ["gone", "cut off"])
def test_a_damaged_file_is_refused(built, out, settings, name, change):
    (path,) = out.glob(f"{name}.*")
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    refused("invalid_index", Index, out, digest(settings))


def test_a_description_that_is_none_is_refused(built, out, settings):
    refused("invalid_index", Index, out.parent / "nowhere", digest(settings))
    path = out / "index.json"
    for text in ("", "{", json.dumps(json.loads(path.read_text()) | {"format": "twinlens-index/2"})):
        path.write_text(text)
        refused("invalid_index", Index, out, digest(settings))


def test_files_that_do_not_belong_together_are_refused(built, out, photos, settings):
    before = describe(out).files["faiss"]
    data = (out / before.path).read_bytes()
    remove(out, ["red/", "blue/"], settings)
    (out / before.path).write_bytes(data)
    description = json.loads((out / "index.json").read_text())
    description["files"]["faiss"] = before.model_dump()
    (out / "index.json").write_text(json.dumps(description))
    refused("invalid_index", Index, out, digest(settings))


def test_a_folder_of_something_else_is_left_alone(photos, settings, tmp_path):
    refused("already_exists", build, photos, photos, settings, PLAIN, 1)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    assert "thesis.txt" in refused("already_exists", build, photos, other, settings, PLAIN, 1)
    refused("already_exists", build, photos, other / "thesis.txt", settings, PLAIN, 1)
    assert (other / "thesis.txt").read_text() == "years of work"


def test_one_command_at_a_time_changes_an_index(built, out, settings):
    with folders.changed(out):
        refused("data_in_use", rebuild, out, settings)
        assert len(Index(out, digest(settings))) == 24  # while it is changed, it can be asked


@pytest.mark.parametrize("theirs", ["index.json", "embeddings/mine.txt", "photos.0123456789abcdef.jsonl"])
def test_a_folder_whose_names_are_an_indexs_and_which_is_none_is_left_alone(theirs, photos, settings, tmp_path):
    other = tmp_path / "other"
    (other / theirs).parent.mkdir(parents=True)
    (other / theirs).write_text('{"mine": 1}')
    before = sorted(other.rglob("*"))
    refused("already_exists", build, photos, other, settings, PLAIN, 1)
    assert sorted(other.rglob("*")) == before and (other / theirs).read_text() == '{"mine": 1}'


def test_what_someone_keeps_in_an_indexs_folder_stays(built, photos, out, settings):
    for theirs in ("notes.txt", "embeddings/mine/notes.txt", "photos.mine.jsonl"):
        (out / theirs).parent.mkdir(exist_ok=True)
        (out / theirs).write_text("mine")
    old = out / "embeddings" / "0123456789abcdef"
    old.mkdir()
    rebuild(out, settings)
    assert not old.exists()
    assert [path.read_text() for path in (out / "notes.txt", out / "embeddings/mine/notes.txt")] == ["mine"] * 2
    assert (out / "photos.mine.jsonl").exists()


def test_an_index_that_was_copied_without_hidden_names_can_be_built_again(built, photos, out, settings, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(out, copy, ignore=shutil.ignore_patterns(".*"))
    assert build(photos, copy, settings, PLAIN, 1).computed == 0


def test_whoever_opens_it_while_it_is_replaced_gets_the_new_one(built, out, photos, settings, monkeypatch):
    read = folders.read_photos
    replaced = []

    def meanwhile(folder, file):
        monkeypatch.undo()
        replaced.append(remove(out, ["red/1.png"], settings))
        return read(folder, file)

    monkeypatch.setattr(folders, "read_photos", meanwhile)
    opened = Index(out, digest(settings))
    assert replaced and opened.description == replaced[0].description and len(opened) == 23


def test_a_full_disk_is_an_error_and_leaves_the_index_as_it_was(built, out, photos, settings, monkeypatch):
    before = describe(out)

    def full(index, writer):
        raise RuntimeError("Error in faiss::PyCallbackIOWriter")

    monkeypatch.setattr(faiss, "write_index", full)
    assert "disk full" in refused("cannot_write", rebuild, out, settings)
    assert describe(out) == before and not list(out.glob(".twinlens-writing-*"))
    monkeypatch.undo()
    assert len(Index(out, digest(settings))) == 24


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_what_the_disk_does_not_take_is_noticed():
    vectors = np.eye(8, dtype=np.float32)
    index = faiss.IndexFlatIP(8)
    index.add(vectors)  # less than a buffer: only closing the file tells
    with pytest.raises((OSError, TwinlensError)):
        builds._write_index(index, Path("/dev/full"))

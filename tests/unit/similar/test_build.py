"""An index from photos to answers: made, changed, stopped."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests import models
from tests.unit.similar import made
from tests.unit.similar.made import PLAIN, ask, digest, refused
from twinlens.bulk.work import chunks
from twinlens.errors import TwinlensError
from twinlens.similar import build as builds
from twinlens.similar import found as finds
from twinlens.similar.build import add, build, gone, rebuild, remove
from twinlens.similar.folder import describe, read_photos
from twinlens.similar.index import Index
from twinlens.similar.options import Options


def test_photos_are_found_by_themselves_and_then_by_their_like(built, out, photos, settings, tmp_path):
    assert (built.added, built.removed, built.computed, built.rebuilt, built.failed) == (24, 0, 24, True, [])
    assert ask(out, settings, photos / "red" / "1.png")[0] == "red/1.png"
    new = made.photo(tmp_path / "new.png", "blue", 5)
    assert ask(out, settings, new, 3) == ["blue/2.png", "blue/1.png", "blue/0.png"]


def test_it_says_what_it_holds(built, out, settings):
    found = describe(out)
    assert found == built.description
    assert (found.photos, found.removed, found.labelled, found.search.kind) == (24, 0, 24, "flat")
    assert found.model.digest == digest(settings)
    assert found.precision_at_5.loss == pytest.approx(found.precision_at_5.embedding - found.precision_at_5.projected)
    index = Index(out, digest(settings))
    assert len(index) == 24 and index.vectors().shape == (24, 3)
    assert {photo.label for photo in index.photos} == set(models.LABELS)
    assert sorted(path.name.split(".")[0] for path in out.iterdir() if path.name[0] != ".") == [
        *("embeddings", "faiss", "index", "photos", "projection"),
    ]


def test_more_than_there_are_gives_all(built, out, photos, settings):
    assert len(ask(out, settings, photos / "red" / "0.png", 1000)) == 24


def test_a_build_that_was_stopped_goes_on(photos, out, settings, monkeypatch):
    work = finds.processes.work

    def stopped(job, chunks, workers):
        for number, each in enumerate(work(job, chunks, workers)):
            if number == 2:
                raise KeyboardInterrupt
            yield each

    monkeypatch.setattr(finds, "chunks", lambda files: chunks(files, 5))
    monkeypatch.setattr(finds.processes, "work", stopped)
    with pytest.raises(KeyboardInterrupt):
        build(photos, out, settings, PLAIN, 1)
    refused("invalid_index", describe, out)
    monkeypatch.undo()
    assert build(photos, out, settings, PLAIN, 1).computed == 24 - 10


def test_files_that_are_no_photos_are_told_and_the_rest_is_indexed(photos, out, settings):
    (photos / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (photos / "notes.png").write_text("hello")
    outcome = build(photos, out, settings, PLAIN, 1)
    assert [(done.file.name, done.error.code) for done in outcome.failed] == [
        ("notes.png", "not_an_image"),
        ("broken.jpg", "broken_image"),
    ]
    assert outcome.description.photos == 24


def test_the_same_bytes_are_computed_once_and_found_twice(photos, out, settings):
    shutil.copy(photos / "red" / "0.png", photos / "red" / "copy.png")
    outcome = build(photos, out, settings, PLAIN, 1)
    assert (outcome.added, outcome.computed) == (25, 24)
    assert set(ask(out, settings, photos / "red" / "0.png", 2)) == {"red/0.png", "red/copy.png"}


def test_made_again_it_computes_nothing_and_has_what_is_there_now(built, photos, out, settings):
    (photos / "red" / "0.png").unlink()
    outcome = build(photos, out, settings, PLAIN, 1)
    assert (outcome.added, outcome.removed, outcome.computed) == (0, 1, 0)
    assert "red/0.png" not in ask(out, settings, photos / "red" / "1.png", 99)


def test_added_photos_are_found_and_those_of_a_known_path_replaced(built, out, settings, tmp_path):
    more = tmp_path / "more"
    made.photo(more / "red" / "9.png", "red", 9)
    made.photo(more / "blue" / "0.png", "yellow", 7)
    outcome = add(out, more, settings, 1)
    assert (outcome.added, outcome.removed, outcome.computed, outcome.rebuilt) == (2, 1, 2, False)
    assert (outcome.description.photos, outcome.description.removed) == (25, 1)
    assert ask(out, settings, more / "red" / "9.png", 1) == ["red/9.png"]
    assert ask(out, settings, more / "blue" / "0.png", 1) == ["blue/0.png"]
    again = add(out, more, settings, 1)
    assert (again.added, again.removed, again.computed) == (0, 0, 0)


def test_removed_photos_are_not_found(built, out, photos, settings):
    outcome = remove(out, ["red/1.png", "red/2.png"], settings)
    assert (outcome.removed, outcome.rebuilt, outcome.description.photos) == (2, False, 22)
    assert ask(out, settings, photos / "red" / "1.png", 99)[0] == "red/0.png"
    assert len(ask(out, settings, photos / "red" / "1.png", 99)) == 22


def test_when_many_were_removed_it_is_made_anew_and_forgets_them(built, out, photos, settings):
    outcome = remove(out, ["red/", "blue/"], settings)
    assert (outcome.removed, outcome.rebuilt, outcome.description.removed) == (6, True, 0)
    stored = [path.read_text().split() for path in out.glob("embeddings/*/*.sha256")]
    assert sum(map(len, stored)) == 18
    assert not {"red", "blue"} & {name.split("/")[0] for name in ask(out, settings, photos / "red" / "1.png", 99)}


def test_when_many_have_come_it_is_made_anew(built, out, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(builds, "_outgrown", lambda description, photos: photos > 24)
    made.photo(tmp_path / "more" / "red" / "9.png", "red", 9)
    assert add(out, tmp_path / "more", settings, 1).rebuilt


def described(built, **changes):
    search = built.description.search.model_copy(update={"kind": changes.pop("kind", "flat")})
    projected = built.description.projection.model_copy(
        update={"asked_for": changes.pop("asked_for", 128), "fitted_on": changes.pop("fitted_on", 24)}
    )
    return built.description.model_copy(update={"search": search, "projection": projected, **changes})


@pytest.mark.parametrize(
    ("changes", "count", "outgrown"),
    [
        ({}, 96, False),
        ({}, 97, True),
        # As many as a projection is fitted on at most: it would not become another one.
        ({"fitted_on": 100_000, "kind": "hnsw", "measured_on": 400_000}, 500_000, False),
        ({"fitted_on": 100_000, "kind": "hnsw", "measured_on": 400_000}, 800_001, True),
        ({"fitted_on": 100_000}, 10**7, False),
        ({"asked_for": None}, 10**6, False),
        ({"embedding_size": 128}, 10**6, False),
        ({"asked_for": None, "kind": "ivfpq", "measured_on": 10}, 21, True),
    ],
)
def test_what_it_was_fitted_to_and_measured_on_it_may_outgrow(changes, count, outgrown, built):
    changes = {"embedding_size": 1280, "measured_on": 24} | changes
    assert builds._outgrown(described(built, **changes), count) is outgrown


def test_what_was_measured_says_among_how_many(built, out, settings, tmp_path):
    assert built.description.measured_on == 24
    made.photo(tmp_path / "more" / "red" / "9.png", "red", 9)
    after = add(out, tmp_path / "more", settings, 1).description
    assert (after.photos, after.measured_on, after.precision_at_5) == (25, 24, built.description.precision_at_5)
    assert rebuild(out, settings).description.measured_on == 25


def test_when_it_outgrows_its_kind_it_gets_another(photos, out, settings, tmp_path, monkeypatch):
    made.photos(photos, 5)
    build(photos, out, settings, PLAIN, 1)
    monkeypatch.setattr(builds.kinds, "_FLAT_MOST", 40)
    made.photo(tmp_path / "more" / "red" / "9.png", "red", 9)
    outcome = add(out, tmp_path / "more", settings, 1)
    assert outcome.rebuilt and outcome.description.search.kind == "hnsw"
    assert ask(out, settings, tmp_path / "more" / "red" / "9.png", 1) == ["red/9.png"]
    asked_for = rebuild(out, settings, Options(kind="flat")).description.search
    assert (asked_for.kind, asked_for.asked_for) == ("flat", "flat")
    made.photo(tmp_path / "more" / "red" / "10.png", "red", 10)
    assert not add(out, tmp_path / "more", settings, 1).rebuilt  # whoever asks for a kind gets it


def test_a_photo_that_is_not_there_removes_nothing(built, out, settings):
    assert "green/nope.png" in refused("invalid_arguments", remove, out, ["red/1.png", "green/nope.png"], settings)
    assert describe(out).photos == 24
    refused("invalid_arguments", remove, out, [f"{name}/" for name in models.LABELS], settings)


def test_photos_that_have_gone_from_their_folder(built, out, photos, settings, tmp_path):
    assert gone(out, photos, settings) == []
    (photos / "red" / "1.png").unlink()
    assert gone(out, photos, settings) == ["red/1.png"]
    latin = Path(os.fsdecode(os.fsencode(photos / "red") + b"/caf\xe9.png"))
    shutil.copy(photos / "red" / "2.png", latin)
    build(photos, out, settings, PLAIN, 1)
    assert gone(out, photos, settings) == []  # its id is not its name, which cannot be printed
    latin.unlink()
    assert gone(out, photos, settings) == ["red/caf\\xe9.png"]
    refused("invalid_arguments", gone, out, tmp_path / "nowhere", settings)


def test_labels_are_the_manifests_else_the_folders(tmp_path):
    made.photo(tmp_path / "data" / "train" / "red" / "a.png", "red")
    made.photo(tmp_path / "data" / "test" / "blue" / "deep" / "b.png", "blue")
    of = finds.labels(tmp_path / "data")
    assert [of("train/red/a.png"), of("test/blue/deep/b.png"), of("c.png"), of("train/c.png")] == [
        *("red", "blue", None, None),
    ]
    row = {"path": "train/red/a.png", "sha256": "0" * 64, "label": "crimson"}
    (tmp_path / "data" / "manifest.jsonl").write_text(json.dumps(row) + "\n")
    of = finds.labels(tmp_path / "data")
    assert [of("train/red/a.png"), of("test/blue/deep/b.png")] == ["crimson", None]


def test_nothing_to_index_is_an_error(out, settings, tmp_path):
    refused("invalid_arguments", build, tmp_path / "nowhere", out, settings, PLAIN, 1)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("hello")
    refused("invalid_data", build, tmp_path / "bad", out, settings, PLAIN, 1)
    refused("invalid_arguments", build, tmp_path / "bad", out, settings, Options(129), 1)


def test_an_index_is_not_rebuilt_with_more_dimensions_than_there_may_be(built, out, settings):
    refused("invalid_arguments", rebuild, out, settings, Options(500))
    assert describe(out) == built.description


def test_without_faiss_it_says_what_to_install(photos, out, settings, monkeypatch):
    def absent(module):
        raise TwinlensError("missing_requirement", f"{module}: pip install 'twinlens[similar]'")

    monkeypatch.setattr(builds, "need", absent)
    refused("missing_requirement", build, photos, out, settings, PLAIN, 1)
    assert not out.exists()


def test_rows_are_in_no_order_and_ids_are_those_of_their_vectors(built, out, settings):
    photos = read_photos(out, describe(out).files["photos"])
    assert [photo.id for photo in photos] != sorted(photo.id for photo in photos)
    index = Index(out, digest(settings))
    wanted = {name: np.array(colour) / 255 for name, colour in models.COLOURS.items()}
    for photo, vector in zip(photos, index.vectors(), strict=True):
        if photo.label not in ("black", "white"):
            colour = wanted[photo.label]
            assert vector @ colour / np.linalg.norm(colour) > 0.98

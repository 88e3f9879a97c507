import hashlib
import os
from dataclasses import replace

import numpy as np
import pytest

from tests import models
from twinlens.bulk.work import Chunk, Worker, chunks
from twinlens.classifier import Classifier


def test_files_come_in_chunks_in_their_order(files):
    found = chunks(files, 3)
    assert [chunk.number for chunk in found] == [0, 1, 2]
    assert [file for chunk in found for file in chunk.files] == files
    assert chunks([]) == []


def test_every_file_gets_its_digest_and_scores(files, job, classifier):
    found = Worker(job)(Chunk(0, tuple(files)))
    assert [done.file for done in found] == files
    for done, colour in zip(found, models.LABELS, strict=True):
        assert done.sha256 == hashlib.sha256(done.file.read_bytes()).hexdigest()
        assert done.error is None and done.embedding is None
        alone = classifier.scores(classifier.pixels(classifier.read_header(done.file.read_bytes()))[None])[0]
        assert done.scores == pytest.approx(alone, abs=1e-6)
        assert models.LABELS[int(done.scores.argmax())] == colour


@pytest.mark.parametrize("size", [1, 2, 3, 8, 64])
def test_batches_of_any_size_leave_nothing_out(files, job, size):
    found = Worker(replace(job, settings=replace(job.settings, max_batch_size=size)))(Chunk(0, tuple(files)))
    assert all(done.scores is not None for done in found)


def test_embeddings_where_they_are_wanted(files, job):
    found = Worker(replace(job, embeddings=True))(Chunk(0, tuple(files)))
    for done, colour in zip(found, models.LABELS, strict=True):
        assert done.scores is None and done.embedding.dtype == np.float32
        assert done.embedding == pytest.approx(np.array(models.COLOURS[colour]) / 255, abs=0.1)


def test_what_is_known_is_read_and_no_more(files, job, monkeypatch):
    known = hashlib.sha256(files[2].read_bytes()).hexdigest()
    decoded = []
    monkeypatch.setattr(
        Classifier, "pixels", lambda self, header, own=Classifier.pixels: decoded.append(1) or own(self, header)
    )
    found = Worker(replace(job, embeddings=True, known=frozenset({known})))(Chunk(0, tuple(files)))
    assert len(decoded) == len(files) - 1
    assert found[2].sha256 == known and found[2].embedding is None and found[2].error is None


def test_files_that_cannot_be_answered_say_why_and_the_last_batch_is_answered_all_the_same(files, job, tmp_path):
    (tmp_path / "broken.png").write_bytes(files[0].read_bytes()[:60])
    (tmp_path / "text.png").write_text("hello")
    os.mkfifo(tmp_path / "pipe.png")
    bad = [tmp_path / name for name in ("nowhere.png", "broken.png", "text.png", "pipe.png")]
    found = Worker(job)(Chunk(0, (files[0], *bad)))
    assert [done.error and done.error.code for done in found] == [
        *(None, "not_an_image", "broken_image", "not_an_image", "not_an_image"),
    ]
    assert found[0].scores is not None
    assert [done.sha256 is None for done in found] == [False, True, False, False, True]


def test_an_unforeseen_error_is_one_photos_affair(files, job, monkeypatch):
    own = Classifier.read_header
    calls = []

    def sometimes(self, data):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError
        return own(self, data)

    worker = Worker(job)
    monkeypatch.setattr(Classifier, "read_header", sometimes)
    found = worker(Chunk(0, tuple(files)))
    assert [done.error and done.error.code for done in found[:3]] == [None, "internal", None]
    assert "MemoryError" in found[1].error.detail


@pytest.mark.parametrize("embeddings", [False, True])
def test_a_batch_that_fails_is_answered_photo_by_photo(embeddings, files, job, monkeypatch):
    worker = Worker(replace(job, embeddings=embeddings))
    bad = worker._classifier.pixels(worker._classifier.read_header(files[3].read_bytes()))
    name = "scores_and_embeddings" if embeddings else "scores"
    own = getattr(Classifier, name)

    def choosy(self, pixels):
        if any(np.array_equal(each, bad) for each in pixels):
            raise RuntimeError("NaN")
        return own(self, pixels)

    monkeypatch.setattr(Classifier, name, choosy)
    found = worker(Chunk(0, tuple(files)))
    assert [done.error and done.error.code for done in found] == [None] * 3 + ["internal"] + [None] * 4
    assert all((done.embedding if embeddings else done.scores) is not None for at, done in enumerate(found) if at != 3)
    assert "RuntimeError" in found[3].error.detail and found[3].sha256 is not None

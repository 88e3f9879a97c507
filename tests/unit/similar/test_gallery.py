import json
import struct

import numpy as np
import pytest

from tests.unit.similar import made
from twinlens.errors import TwinlensError
from twinlens.similar import gallery as galleries
from twinlens.similar.build import build, remove
from twinlens.similar.folder import Model, Photo
from twinlens.similar.gallery import decode, encode, read_gallery, write_gallery
from twinlens.similar.index import Index
from twinlens.similar.options import Options
from twinlens.similar.precision import nearest, recall
from twinlens.similar.projection import Projection, fit
from twinlens.store import open_current

MODEL = Model(name="made", version="v1", digest="ab" * 32)


def encoded(count, dimensions, size=32, index_dimensions=16):
    embeddings, labels = made.clusters(count, size)
    projection = fit([embeddings], size, index_dimensions)
    photos = [Photo(f"{label}/{number} 图.jpg", "0" * 64, label) for number, label in enumerate(labels)]
    data, header = encode(MODEL, projection, projection(embeddings), photos, dimensions)
    return data, header, embeddings, projection, photos


@pytest.mark.parametrize("dimensions", [16, 9])
def test_it_finds_what_the_vectors_find(dimensions):
    data, header, embeddings, projection, photos = encoded(500, dimensions)
    gallery = decode(data, MODEL.digest)
    assert gallery.header == header
    assert (header.dimensions, header.stride, header.photos, gallery.codes.shape) == (dimensions, 16, 500, (500, 16))
    assert gallery.photos == [(photo.id, photo.label) for photo in photos]
    asked = made.clusters(40, seed=3)[0]
    found = [gallery.search(embedding, 10) for embedding in asked]
    exact = nearest(projection(asked), projection(embeddings), 10)
    share = recall(np.array([[place for place, _ in each] for each in found]), exact)
    assert share > (0.9 if dimensions == 16 else 0.4)
    if dimensions == 16:
        cosines = projection(asked) @ projection(embeddings).T
        for number, each in enumerate(found):
            for place, score in each:
                assert score == pytest.approx(cosines[number, place], abs=0.02)


def test_it_says_how_many_of_the_nearest_it_finds():
    _, whole, *_ = encoded(300, 16)
    _, part, *_ = encoded(300, 4)
    assert 0.9 < whole.recall_at_10 <= 1
    assert part.recall_at_10 < whole.recall_at_10
    assert encoded(19, 16)[1].recall_at_10 is None


def test_sections_are_aligned_and_follow_each_other():
    data, header, *_ = encoded(33, 16)
    assert data[:8] == b"TWGALL01"
    (length,) = struct.unpack_from("<I", data, 8)
    assert (12 + length) % 16 == 0
    assert json.loads(data[12 : 12 + length]) == header.model_dump(mode="json")
    end = 12 + length
    for section in header.sections.values():
        assert section.offset % 16 == 0 and 0 <= section.offset - end < 16
        end = section.offset + section.bytes
    assert 0 <= len(data) - end < 16


def test_the_question_is_in_integers_that_use_their_range():
    data, *_ = encoded(100, 16)
    integers, factor = decode(data).question(made.clusters(1, seed=5)[0][0])
    assert integers.dtype == np.int16 and np.abs(integers.astype(int)).max() == 32_767
    assert factor > 0
    assert decode(data).question(np.zeros(32))[0].shape == (16,)


def test_equal_photos_are_found_in_their_order():
    vectors = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    photos = [Photo(f"{number}", "0" * 64) for number in range(12)]
    data, _ = encode(MODEL, Projection.none(3), vectors, photos, 3)
    assert [place for place, _ in decode(data).search(np.array([0, 1, 0]), 6)][:4] == [4, 5, 6, 7]


def refused(code, run, *arguments):
    with pytest.raises(TwinlensError) as caught:
        run(*arguments)
    assert caught.value.code == code
    return caught.value.detail


def test_what_is_none_or_damaged_or_of_another_model_is_refused(tmp_path):
    data, *_ = encoded(30, 16)
    body = bytearray(data)
    body[-20] ^= 1
    for broken in (b"", b"GIF89a", data[:50], data[:-16], bytes(body), data.replace(b"twinlens-gallery/1", b"x" * 18)):
        refused("invalid_index", decode, broken)
    assert "made v1" in refused("index_mismatch", decode, data, "cd" * 32)
    refused("invalid_index", read_gallery, tmp_path / "none")


def reheaded(data, change):
    """A gallery whose header, which its digest does not hold, was changed."""
    (length,) = struct.unpack_from("<I", data, 8)
    header = json.loads(data[12 : 12 + length])
    change(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    assert len(text) <= length
    return data[:12] + text.ljust(length) + data[12 + length :]


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.update(stride=1),
        lambda header: header.update(dimensions=9),
        lambda header: header.update(photos=3),
        lambda header: header.update(embedding_size=31),
        lambda header: header["sections"]["mean"].update(bytes=64),
        lambda header: header["sections"]["codes"].update(offset=16),
        lambda header: header["sections"]["photos"].update(bytes=3),
        lambda header: header["sections"].pop("scales"),
    ],
)
def test_a_header_that_does_not_fit_what_follows_is_refused(change):
    data, *_ = encoded(30, 16)
    assert len(decode(reheaded(data, lambda header: None)).photos) == 30
    refused("invalid_index", decode, reheaded(data, change))


def test_an_index_becomes_a_gallery_without_what_was_removed(tmp_path, settings):
    out = tmp_path / "index"
    build(made.photos(tmp_path / "photos"), out, settings, Options(), 1)
    remove(out, ["red/1.png"], settings)
    digest = open_current(settings.model_folder).digest
    written = write_gallery(Index(out, digest), tmp_path / "g.bin")
    gallery = read_gallery(tmp_path / "g.bin", digest)
    assert written.bytes == (tmp_path / "g.bin").stat().st_size
    assert len(gallery.photos) == 23 and ("red/1.png", "red") not in gallery.photos
    place = gallery.photos.index(("blue/0.png", "blue"))
    found = gallery.search(Index(out, digest).vectors()[place], 3)
    assert place in [each for each, _ in found] and {gallery.photos[each][1] for each, _ in found} == {"blue"}
    for wanted in (4, 0, -1):
        refused("invalid_arguments", write_gallery, Index(out, digest), tmp_path / "h.bin", wanted)
    assert not (tmp_path / "h.bin").exists()


def test_a_gallery_of_100_000_photos_has_at_most_13_mb():
    rng = np.random.default_rng(0)
    photos = [Photo(f"t-shirt/{rng.bytes(16).hex()}.jpg", "0" * 64, "t-shirt") for _ in range(2000)]
    projection = Projection(np.zeros(1280, np.float32), np.eye(128, 1280, dtype=np.float32))
    chosen = galleries.fitting(photos * 50, projection)
    assert chosen % 16 == 0
    vectors = rng.normal(size=(2000, 128)).astype(np.float32)
    data, header = encode(MODEL, projection, vectors, photos, chosen)
    each = (header.sections["codes"].bytes + header.sections["photos"].bytes) / 2000
    fixed = len(data) - each * 2000
    assert each * 100_000 + fixed <= 13e6 < (each + 16) * 100_000 + fixed
    assert galleries.fitting(photos[:100], projection) == 128


def test_names_that_leave_no_room_are_told(monkeypatch):
    monkeypatch.setattr(galleries, "MOST_BYTES", 1)
    rng = np.random.default_rng(0)
    photos = [Photo(rng.bytes(5000).hex(), "0" * 64) for _ in range(30)]
    projection = Projection(np.zeros(64, np.float32), np.eye(32, 64, dtype=np.float32))
    detail = refused("invalid_arguments", galleries.fitting, photos, projection)
    assert "0.1 MB" in detail and "--dimensions" in detail
    assert galleries.fitting(photos[:3], projection) == 32
    whole = Projection(np.zeros(64, np.float32), np.eye(64, dtype=np.float32))
    assert galleries.fitting(photos[:16], whole) in (16, 32, 48)

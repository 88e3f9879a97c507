"""Where photos lie: a folder or a store that fsspec knows, each photo once."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest

from twinlens.errors import TwinlensError
from twinlens.feedback.photos import Photos

DATA = b"a photo"
SHA256 = hashlib.sha256(DATA).hexdigest()
_stores = itertools.count()


@pytest.fixture(params=["folder", "file://", "memory://"])
def photos(request: pytest.FixtureRequest, tmp_path: Path) -> Photos:
    folder = tmp_path / "not there" / "yet"
    place = {"folder": str(folder), "file://": f"file://{folder}", "memory://": f"memory://photos{next(_stores)}"}
    return Photos(place[request.param])


def test_what_is_put_is_got_and_removed(photos: Photos) -> None:
    for _ in range(2):
        photos.put(SHA256, "jpeg", DATA)
        assert photos.get(SHA256, "jpeg") == DATA
    photos.remove(SHA256, "jpeg")
    photos.remove(SHA256, "jpeg")
    with pytest.raises(TwinlensError) as caught:
        photos.get(SHA256, "jpeg")
    assert caught.value.code == "not_found"


def test_a_damaged_photo_is_not_given_out_and_is_mended(tmp_path: Path) -> None:
    photos = Photos(str(tmp_path))
    photos.put(SHA256, "png", DATA)
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.relative_to(tmp_path).as_posix() == f"{SHA256[:2]}/{SHA256}.png"
    file.write_bytes(DATA[:3])
    with pytest.raises(TwinlensError, match="damaged"):
        photos.get(SHA256, "png")
    photos.put(SHA256, "png", DATA)
    assert photos.get(SHA256, "png") == DATA


def test_a_folder_that_cannot_be_written_is_an_error_that_does_not_say_where(tmp_path: Path, caplog) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TwinlensError) as caught:
        Photos(f"{tmp_path}/file").put(SHA256, "jpeg", DATA)
    assert caught.value.code == "feedback_unavailable" and str(tmp_path) not in caught.value.detail
    assert "cannot be reached" in caplog.text


def test_an_address_of_no_kind_that_is_known_is_refused() -> None:
    with pytest.raises(TwinlensError) as caught:
        Photos("nonsense://secret@x/y")
    assert caught.value.code == "invalid_setting" and "secret" not in caught.value.detail

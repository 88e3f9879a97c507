"""Which photos of a data set visitors may have sent too."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from training.rules import standard
from twinlens.dataset.manifest import Row
from twinlens.decode import Limits
from twinlens.review import known
from twinlens.review.known import digests_as_sent

RULES = standard(64, 64)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def jpeg(note: str = "") -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    if note:
        exif[0x010E] = note
    Image.new("RGB", (40, 30), "red").save(file, "JPEG", exif=exif)
    return file.getvalue()


def put(folder: Path, name: str, data: bytes) -> Row:
    (folder / name).write_bytes(data)
    return Row(path=name, sha256=sha256(data), label="hat")


def test_a_photo_is_known_without_its_notes_and_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [put(tmp_path, "plain.jpg", jpeg()), put(tmp_path, "noted.jpg", jpeg("at home"))]
    found = digests_as_sent(tmp_path, rows, RULES, Limits())
    assert found[rows[0].sha256] == found[rows[1].sha256] and rows[0].sha256 != rows[1].sha256
    monkeypatch.setattr(known, "stripped", None)
    assert digests_as_sent(tmp_path, rows[::-1], RULES, Limits()) == found


def test_what_cannot_be_read_or_is_another_file_is_left_out(tmp_path: Path) -> None:
    broken, changed, gone = (put(tmp_path, name, jpeg(name)) for name in ("broken.jpg", "changed.jpg", "gone.jpg"))
    broken = put(tmp_path, "broken.jpg", jpeg()[:300])
    (tmp_path / changed.path).write_bytes(jpeg())
    (tmp_path / gone.path).unlink()
    assert digests_as_sent(tmp_path, [broken, changed, gone], RULES, Limits()) == {}
    assert digests_as_sent(tmp_path, [], RULES, Limits()) == {}

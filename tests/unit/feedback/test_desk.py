"""Feedback as it is handed in: what is kept of a photo, and what is looked at before a server starts."""

from __future__ import annotations

import hashlib
import io
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.unit.feedback.made import encoded, word
from training.rules import standard
from twinlens import decode
from twinlens.errors import TwinlensError
from twinlens.feedback import desk as desks
from twinlens.feedback import photos
from twinlens.feedback import store as stores
from twinlens.feedback.desk import Desk, place_of_photos, require_feedback
from twinlens.feedback.verdict import Verdict
from twinlens.settings import Settings

RULES = standard(64, 64)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(feedback=f"sqlite:///{tmp_path}/visitors.db")


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    desk = Desk(settings)
    yield desk
    desk.close()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_where_and_when_a_photo_was_taken_never_reaches_the_disk(desk: Desk, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "13 Rue du Secret"
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, "JPEG", exif=exif)
    kept, outcome = desk.take(file.getvalue(), "192.0.2.7", word(), RULES)
    (photo,) = files(tmp_path / "visitors-photos")
    assert outcome == "accepted" and photo.stem == kept.photo == hashlib.sha256(photo.read_bytes()).hexdigest()
    desk.close()
    assert all(b"Secret" not in path.read_bytes() and b"192.0.2.7" not in path.read_bytes() for path in files(tmp_path))


def test_the_same_picture_is_one_photo_whatever_was_noted_in_it(desk: Desk, tmp_path: Path) -> None:
    notes = Image.Exif()
    notes[0x010E] = "note"
    photos = []
    for exif in (Image.Exif(), notes):
        file = io.BytesIO()
        Image.new("RGB", (40, 30), "red").save(file, "JPEG", exif=exif)
        photos.append(file.getvalue())
    first, again = (desk.take(photo, "192.0.2.7", word(), RULES) for photo in photos)
    assert photos[0] != photos[1] and first[0] == again[0] and again[1] == "replayed"
    assert len(files(tmp_path / "visitors-photos")) == 1


def test_what_is_refused_leaves_no_photo(settings: Settings, tmp_path: Path) -> None:
    desk = Desk(replace(settings, feedback_per_day=1))
    desk.take(encoded("red"), "192.0.2.7", word(), RULES)
    for data, code in ((encoded("blue"), "feedback_quota"), (b"no photo", "not_an_image")):
        with pytest.raises(TwinlensError) as caught:
            desk.take(data, "192.0.2.7", word(), RULES)
        assert caught.value.code == code
    desk.close()
    assert len(files(tmp_path / "visitors-photos")) == 1


def test_a_photo_whose_row_could_not_be_written_does_no_harm(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise TwinlensError("feedback_unavailable", "")

    with monkeypatch.context() as patched:
        patched.setattr(stores, "insert", fails)
        with pytest.raises(TwinlensError):
            desk.take(encoded(), "192.0.2.7", word(), RULES)
    assert len(files(tmp_path / "visitors-photos")) == 1 and desk.store.page(None, 9) == []
    assert desk.take(encoded(), "192.0.2.7", word(), RULES)[1] == "accepted"
    assert len(files(tmp_path / "visitors-photos")) == 1


def test_a_photo_is_read_and_removed_with_the_last_word_on_it(desk: Desk, tmp_path: Path) -> None:
    one, other = (desk.take(encoded(), network, word(), RULES)[0] for network in ("192.0.2.7", "192.0.2.8"))
    data, found = desk.photo(one.id)
    assert hashlib.sha256(data).hexdigest() == one.photo and found == one
    desk.remove(one.id)
    assert desk.photo(other.id)[0] == data
    desk.remove(other.id)
    assert files(tmp_path / "visitors-photos") == []


def test_a_photo_that_comes_while_its_last_word_is_removed_keeps_its_file(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = desk.take(encoded(), "192.0.2.7", word(), RULES)
    removing, going_on = threading.Event(), threading.Event()
    remove = desk.photos.remove

    def slow(*photo: Any) -> None:
        removing.set()
        going_on.wait(10)
        remove(*photo)

    monkeypatch.setattr(desk.photos, "remove", slow)
    with ThreadPoolExecutor(2) as pool:
        removed = pool.submit(desk.remove, first.id)
        assert removing.wait(10)
        taken = pool.submit(desk.take, encoded(), "192.0.2.8", word(), RULES)
        with pytest.raises(TimeoutError):
            taken.result(0.2)  # it waits for its turn
        going_on.set()
        removed.result(20)
        kept, outcome = taken.result(20)
    assert outcome == "accepted" and desk.photo(kept.id)[1] == kept
    assert len(files(tmp_path / "visitors-photos")) == 1


def test_what_was_decided_on_makes_room(settings: Settings, tmp_path: Path, caplog) -> None:
    desk = Desk(replace(settings, feedback_keep_days=0))
    kept, _ = desk.take(encoded("red"), "192.0.2.7", word(), RULES)
    (photo,) = files(tmp_path / "visitors-photos")
    other, _ = desk.take(encoded("blue"), "192.0.2.7", word(), RULES)
    assert desk.record(kept.photo, Verdict(action="accept", label="red", who="ana")).state == "accepted"
    assert not photo.exists() and len(files(tmp_path / "visitors-photos")) == 1
    desk.close()
    patient = Desk(settings)
    patient.record(other.id, Verdict(action="set-aside", who="ana"))
    assert len(files(tmp_path / "visitors-photos")) == 1
    patient.close()


def test_a_photo_that_becomes_far_larger_as_it_is_kept_is_refused(settings: Settings, tmp_path: Path) -> None:
    desk = Desk(replace(settings, max_body_mib=0.02))
    noise = Image.effect_noise((200, 200), 90).convert("RGB")
    file = io.BytesIO()
    noise.save(file, "TIFF", compression="jpeg", quality=10)
    assert len(file.getvalue()) < 20_000
    with pytest.raises(TwinlensError, match="PNG") as caught:
        desk.take(file.getvalue(), "192.0.2.7", word(), RULES)
    assert caught.value.code == "body_too_large" and files(tmp_path / "visitors-photos") == []
    desk.close()


def test_large_photos_are_decoded_one_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    together, most, changing = 0, 0, threading.Lock()
    strip = desks.stripped

    def counted(*arguments: Any) -> Any:
        nonlocal together, most
        with changing:
            together += 1
            most = max(most, together)
        try:
            time.sleep(0.05)
            return strip(*arguments)
        finally:
            with changing:
                together -= 1

    monkeypatch.setattr(desks, "stripped", counted)
    for pixels, together_too in ((40 * 30 - 1, False), (40 * 30, True)):
        most = 0
        monkeypatch.setattr(decode, "LARGE_PIXELS", pixels)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda name: desk.take(encoded(), name, word(), RULES), ("a", "b", "c")))
        assert (most > 1) == together_too


def test_nobody_else_on_the_machine_reads_the_photos(desk: Desk, tmp_path: Path) -> None:
    desk.take(encoded(), "192.0.2.7", word(), RULES)
    (photo,) = files(tmp_path / "visitors-photos")
    assert stat.S_IMODE(photo.stat().st_mode) == 0o600


def test_a_database_that_is_away_for_a_while_is_tried_again(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "later"
    folder.write_text("in the way")
    desk = Desk(replace(settings, feedback=f"sqlite:///{folder}/x.db"))
    with pytest.raises(TwinlensError) as caught:
        desk.take(encoded(), "192.0.2.7", word(), RULES)
    assert caught.value.code == "feedback_unavailable"
    folder.unlink()
    assert desk.take(encoded(), "192.0.2.7", word(), RULES)[1] == "accepted"
    desk.close()


def test_photos_lie_where_it_is_set_or_beside_the_file() -> None:
    beside = Settings(feedback="sqlite:////srv/visitors.db")
    assert place_of_photos(beside) == "/srv/visitors-photos"
    assert place_of_photos(replace(beside, feedback_photos="s3://bucket")) == "s3://bucket"
    with pytest.raises(TwinlensError, match="FEEDBACK_PHOTOS") as caught:
        place_of_photos(Settings(feedback="postgresql+psycopg://host/x"))
    assert caught.value.code == "invalid_setting"


def test_what_is_missing_is_said_before_a_server_starts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    require_feedback(settings)
    database = replace(settings, feedback="postgresql+psycopg://host/x", feedback_photos="/srv")
    monkeypatch.setattr(desks.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TwinlensError, match="psycopg") as caught:
        require_feedback(database)
    assert caught.value.code == "missing_requirement"
    with pytest.raises(TwinlensError, match="fsspec"):
        require_feedback(replace(settings, feedback_photos="nonsense://x"))


def test_a_store_of_photos_that_is_away_is_tried_again_when_it_is_needed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    def away(_: str) -> None:
        raise RuntimeError("no route to the bucket of ana:secret")

    monkeypatch.setattr(photos, "url_to_fs", away)
    require_feedback(settings)
    desk = Desk(settings)
    with pytest.raises(TwinlensError) as caught:
        desk.take(encoded(), "192.0.2.7", word(), RULES)
    assert caught.value.code == "feedback_unavailable" and "secret" not in caught.value.detail
    monkeypatch.undo()
    desk.take(encoded(), "192.0.2.7", word(), RULES)
    desk.close()

import os
import threading
from pathlib import Path

import pytest

from tests.images import encoded, quadrants
from training.files import Room, below, contents
from twinlens.folders import is_folder


def test_files_are_found_in_all_folders_but_never_twice(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("z.jpg", "b/c/x.JPG", "b/y.png", ".hidden", "b/.hidden"):
        (tmp_path / name).touch()
    (tmp_path / "b" / "c" / "up").symlink_to("..")
    (tmp_path / "round").symlink_to("round")
    left_out: list[tuple[Path, str]] = []
    found = [path.relative_to(tmp_path).as_posix() for path in below(tmp_path, left_out)]
    assert found == ["b/c/x.JPG", "b/y.png", "round", "z.jpg"]
    assert left_out == [(tmp_path / "b" / "c" / "up", "it is a link to a folder that it lies in")]
    assert not is_folder(tmp_path / "round")


def test_a_pipe_is_not_waited_for_and_a_film_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with (tmp_path / "film.mp4").open("wb") as film:
        film.write(b"\0\0\0\x20ftypisom")
        film.truncate(1 << 36)  # more than there is memory, and no block of the disk
    (tmp_path / "photo.jpg").write_bytes(encoded(quadrants(), "JPEG"))
    names = ["pipe.jpg", "film.mp4", "photo.jpg"]
    reasons = [content.reason for content in contents([tmp_path / name for name in names])]
    assert reasons == ["it is no regular file", "it does not begin like an image", ""]


def test_who_finds_too_little_room_waits() -> None:
    room, entered, leave = Room(10), threading.Semaphore(0), threading.Event()

    def hold(pixels: int) -> None:
        with room.taken(pixels):
            entered.release()
            leave.wait(30)

    threads = [threading.Thread(target=hold, args=[pixels]) for pixels in (4, 5)]
    for thread in threads:
        thread.start()
        assert entered.acquire(timeout=30)
    large = threading.Thread(target=hold, args=[1000])  # more than there ever is: alone, but not never
    large.start()
    assert not entered.acquire(timeout=0.1)
    leave.set()
    assert entered.acquire(timeout=30)
    for thread in (*threads, large):
        thread.join(30)
        assert not thread.is_alive()


def test_room_is_given_back_after_an_error() -> None:
    room = Room(1)
    for _ in range(3):
        with pytest.raises(KeyError), room.taken(1):
            raise KeyError

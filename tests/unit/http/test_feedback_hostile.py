"""What hostile clients send to ``/v1/feedback``, and how much of it is taken."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from tests import images, models
from tests.unit.http.feedback_site import OTHER, PHOTO, Site, code, files
from twinlens.http import feedback as feedbacks


def test_a_thousand_wrong_labels_of_one_client_are_as_many_as_it_may_say(run, tmp_path: Path) -> None:
    async def test(site: Site) -> None:
        codes = []
        for number in range(1000):
            answer = await site.say("red", OTHER if number % 2 else PHOTO)
            codes.append(answer.status_code)
            if answer.status_code == 429:
                assert code(answer) == "feedback_rate" and 1 <= int(answer.headers["retry-after"]) <= 60
        assert codes[:2] == [201, 201] and codes[2:30] == [200] * 28 and set(codes[30:]) == {429}
        assert len(await site.listed()) == 2
        assert site.counted("feedback_rate") == 970
        answer = await site.say("blue", address="198.51.100.1")  # others are not held up by it
        assert answer.status_code == 201

    run(test, feedback_per_minute=30)


def test_a_client_has_so_many_photos_a_day_and_a_household_is_one_client(run) -> None:
    async def test(site: Site) -> None:
        photos = [images.encoded(models.picture(colour, 32, 32), "PNG") for colour in models.LABELS[:4]]
        said = [await site.say("red", photo, f"2001:db8::{number}") for number, photo in enumerate(photos)]
        assert [answer.status_code for answer in said] == [201, 201, 201, 429]
        assert code(said[3]) == "feedback_quota" and int(said[3].headers["retry-after"]) > 60
        assert (await site.say("red", photos[3], "2001:db8:0:1::1")).status_code == 201

    run(test, feedback_per_day=3)


def test_the_store_has_an_end(run, tmp_path: Path) -> None:
    async def test(site: Site) -> None:
        large = images.encoded(models.picture("red", 200, 200), "PNG")
        answer = await site.say("red", large)
        assert (answer.status_code, code(answer)) == (507, "feedback_full")
        assert files(tmp_path / "x-photos") == []
        assert (await site.say("red", images.encoded(models.picture("red", 8, 8), "PNG"))).status_code == 201

    run(test, feedback_max_mib=0.01)


@pytest.mark.parametrize(
    "label", ["hat", "RED", "red ", "<script>alert(1)</script>", "../red", "red\0", "x" * 1025, "'; DROP TABLE x; --"]
)
def test_a_label_that_does_not_exist_is_refused(run, tmp_path: Path, label: str) -> None:
    async def test(site: Site) -> None:
        answer = await site.say(label)
        assert (answer.status_code, code(answer)) == (422, "unknown_label")
        assert "script" not in answer.text and await site.listed() == [] and files(tmp_path / "x-photos") == []
        assert site.counted("unknown_label") == 1

    run(test)


@pytest.mark.parametrize(
    "name", ["../../../etc/cron.d/x", "..\\..\\x.jpg", "/etc/passwd", "a\0.jpg", "照片.jpg", "x" * 300, "con", ".", ""]
)
def test_a_files_name_reaches_no_disk(run, tmp_path: Path, name: str) -> None:
    async def test(site: Site) -> None:
        disposition = f'form-data; name="image"; filename="{name}"'.encode()
        body = b"--b\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + PHOTO + b"\r\n--b--\r\n"
        headers = {"content-type": "multipart/form-data; boundary=b"}
        answer = await site.ask("POST", "/v1/feedback", content=body, headers=headers)
        assert answer.status_code == 201
        photo = answer.json()["photo"]
        found = {path.relative_to(tmp_path).as_posix() for path in files(tmp_path)}
        assert {each for each in found if not each.startswith("x.db")} == {f"x-photos/{photo[:2]}/{photo}.jpg"}

    run(test)


def test_a_huge_file_is_refused_before_it_is_held(run, tmp_path: Path) -> None:
    async def test(site: Site) -> None:
        sent = 0

        async def endless():
            nonlocal sent
            yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
            while True:
                sent += 65_536
                yield bytes(65_536)

        headers = {"content-type": "multipart/form-data; boundary=b"}
        answer = await site.ask("POST", "/v1/feedback", content=endless(), headers=headers)
        assert (answer.status_code, code(answer)) == (413, "body_too_large")
        assert sent < 2**20
        bomb = images.png(30_000, 30_000, b"")
        assert code(await site.say("red", bomb)) == "too_many_pixels"
        assert files(tmp_path / "x-photos") == []
        assert site.counted("other") == 2

    run(test, max_body_mib=0.5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"content": PHOTO}, "invalid_multipart"),
        ({"json": {"label": "red"}}, "invalid_multipart"),
        ({"data": {"label": "red"}, "files": {"other": ("a", PHOTO)}}, "missing_image"),
        ({"data": {"image": "http://127.0.0.1/"}, "files": {"label": (None, "red")}}, "invalid_image_field"),
        ({"files": {"image": ("a", b"no photo")}}, "not_an_image"),
        ({"files": {"image": ("a", PHOTO[:300])}}, "broken_image"),
        ({"files": {"image": ("a", b"%PDF-1.7")}}, "unsupported_format"),
        ({"files": [("image", ("a", PHOTO)), ("label", (None, "red")), ("label", (None, "blue"))]}, "invalid_request"),
        ({"files": {"image": ("a", PHOTO)}, "data": {"model": "7" * 63}}, "invalid_request"),
        ({"files": {"image": ("a", PHOTO)}, "data": {"model": "7" * 65}}, "invalid_request"),
        ({"files": {"image": ("a", PHOTO)}, "headers": {"sec-fetch-site": "cross-site"}}, "not_allowed"),
        ({"files": {"image": ("a", PHOTO)}, "headers": {"origin": "https://evil.example"}}, "not_allowed"),
        ({"files": {"image": ("a", PHOTO)}, "headers": {"origin": "http://server:8080"}}, "not_allowed"),
        ({"files": {"image": ("a", PHOTO)}, "headers": {"origin": "null"}}, "not_allowed"),
        ({"files": {"image": ("a", PHOTO)}, "headers": {"origin": "http://[server"}}, "not_allowed"),
    ],
)
def test_what_is_no_feedback(run, tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    async def test(site: Site) -> None:
        assert code(await site.ask("POST", "/v1/feedback", **options)) == expected
        assert await site.listed() == [] and files(tmp_path / "x-photos") == []

    run(test)


def test_another_site_does_not_use_up_what_a_visitor_may_say(run) -> None:
    async def test(site: Site) -> None:
        for _ in range(3):
            answer = await site.ask("POST", "/v1/feedback", headers={"sec-fetch-site": "cross-site"})
            assert code(answer) == "not_allowed"
        assert (await site.say("red")).status_code == 201

    run(test, feedback_per_minute=1)


def test_a_store_that_hangs_holds_up_feedback_and_nothing_else(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedbacks, "_MOST_IN_HAND", 3)

    async def test(site: Site) -> None:
        going_on = threading.Event()
        take = site.api._desk.take

        def hang(*arguments: Any) -> Any:
            assert going_on.wait(30)
            return take(*arguments)

        monkeypatch.setattr(site.api._desk, "take", hang)
        waiting = []
        for number in range(3):
            waiting.append(asyncio.create_task(site.say("red", address=f"192.0.2.{number}")))
            while site.api._hand._photos <= number or site.engine._in_hand:
                await asyncio.sleep(0.01)
        answer = await site.say("red", address="192.0.2.9")
        assert (answer.status_code, code(answer)) == (429, "overloaded") and "retry-after" in answer.headers
        told = await asyncio.wait_for(site.engine.classify(PHOTO, 1), 10)
        assert told["predictions"][0]["label"] == "blue"
        waiting[2].cancel()  # a client that goes takes with it what nobody has begun to keep
        await asyncio.wait(waiting[2:])
        while site.api._hand._photos > 2:
            await asyncio.sleep(0.01)
        going_on.set()
        assert [(await each).status_code for each in waiting[:2]] == [201, 201]
        assert (site.api._hand._photos, site.api._hand._bytes) == (0, 0)
        assert (await site.say("red", address="192.0.2.9")).status_code == 201

    run(test, max_waiting=1)

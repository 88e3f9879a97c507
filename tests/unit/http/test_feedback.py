"""``/v1/feedback`` with a real engine and a real store, and what hostile clients send."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from tests import images, models
from twinlens.classifier import Classifier
from twinlens.errors import TwinlensError
from twinlens.http import feedback as feedbacks
from twinlens.http import problems
from twinlens.http.engine import Engine
from twinlens.http.feedback import FeedbackApi, Hand
from twinlens.http.metrics import Metrics
from twinlens.http.request import Arrivals
from twinlens.settings import Settings

PHOTO = images.encoded(models.picture("blue"), "JPEG")
OTHER = images.encoded(models.picture("green"), "PNG")
TOKEN = "an admin's token".replace(" ", "-")
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Site:
    """A server's routes, and clients of several addresses."""

    def __init__(self, app: Starlette, registry: CollectorRegistry, engine: Engine, api: FeedbackApi) -> None:
        self._app, self._registry = app, registry
        self.engine, self.api = engine, api

    async def ask(self, method: str, path: str, address: str = "192.0.2.7", **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.request(method, path, **options)

    async def say(
        self, label: str | None, photo: bytes = PHOTO, address: str = "192.0.2.7", name: str = "a.jpg", **more: Any
    ) -> httpx.Response:
        data = {} if label is None else {"label": label}
        files = {"image": (name, photo, "image/jpeg")}
        return await self.ask("POST", "/v1/feedback", address, files=files, data=data | more)

    async def listed(self, **params: Any) -> list[dict[str, Any]]:
        answer = await self.ask("GET", "/v1/feedback", params=params, headers=BEARER)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["feedback"])

    def counted(self, outcome: str) -> float | None:
        return self._registry.get_sample_value("twinlens_feedback_total", {"outcome": outcome})


Test = Callable[[Site], Awaitable[None]]


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Callable[..., None]:
    """Runs a test on a server with feedback; further arguments are settings of it."""

    def run(test: Test, **changes: Any) -> None:
        given = {"feedback": f"sqlite:///{tmp_path}/x.db", "feedback_token": TOKEN, "feedback_per_minute": 10_000}
        asyncio.run(asyncio.wait_for(_run(replace(settings, **(given | changes)), test), 60))

    return run


async def _run(settings: Settings, test: Test) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    engine = Engine(settings, metrics)
    engine.start()
    assert engine._loading is not None
    await engine._loading
    api = FeedbackApi(settings, lambda: engine, metrics)
    app = Starlette(routes=api.routes, exception_handlers={TwinlensError: problems.handle, Exception: problems.handle})
    app.state.max_body_bytes, app.state.arrivals = settings.max_body_bytes, Arrivals(1 << 30, metrics)
    api.start()
    try:
        await test(Site(app, registry, engine, api))
    finally:
        await api.stop()
        await engine.stop()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def code(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == problems.MEDIA_TYPE, answer.text
    return str(answer.json()["code"])


def test_a_word_is_kept_with_what_the_servers_own_model_says(run, classifier: Classifier) -> None:
    async def test(site: Site) -> None:
        answer = await site.say("red", model="7" * 64)
        told = answer.json()
        assert answer.status_code == 201
        (best,) = classifier.answer(classifier.scores(classifier.pixels(classifier.read_header(PHOTO))[None])[0], 1)[
            "predictions"
        ]
        assert (told["label"], told["predicted"], told["replaced"]) == ("red", "blue", False)
        assert told["score"] == pytest.approx(best["score"], abs=1e-5)
        assert told["model"] == {"name": "colours", "version": "v1", "digest": classifier.version.digest}
        (row,) = await site.listed()
        assert {key: row[key] for key in ("id", "photo", "label", "predicted", "asked", "state")} == {
            "id": told["id"],
            "photo": told["photo"],
            "label": "red",
            "predicted": "blue",
            "asked": "7" * 64,
            "state": "new",
        }
        assert "192.0.2" not in json.dumps(row)
        assert site.counted("accepted") == 1

    run(test)


def test_a_replay_is_the_same_row_and_another_word_takes_its_place(run) -> None:
    async def test(site: Site) -> None:
        first = await site.say("blue")
        for _ in range(3):
            again = await site.say("blue")
            assert (again.status_code, again.json()) == (200, first.json())
        other = await site.say(None)
        assert (other.status_code, other.json()["id"], other.json()["replaced"]) == (201, first.json()["id"], True)
        assert [(row["id"], row["label"]) for row in await site.listed()] == [(first.json()["id"], None)]
        assert (site.counted("accepted"), site.counted("replayed"), site.counted("replaced")) == (1, 3, 1)

    run(test)


def test_one_photo_under_different_labels_is_one_photo_and_a_word_for_each_client(run, tmp_path: Path) -> None:
    async def test(site: Site) -> None:
        for number, label in enumerate(models.LABELS):
            answer = await site.say(label, address=f"192.0.2.{number}")
            assert answer.status_code == 201
        rows = await site.listed()
        assert [row["label"] for row in rows] == list(models.LABELS)
        assert len({row["photo"] for row in rows}) == 1 and len({row["client"] for row in rows}) == len(rows)
        assert len(files(tmp_path / "x-photos")) == 1

    run(test)


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


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://server"},
        {"origin": "https://SERVER", "host": "server:443"},
        {"origin": "http://server:3000", "host": "server:3000"},
        {"origin": "https://proxy.example", "sec-fetch-site": "same-origin"},
    ],
)
def test_the_servers_own_page_may_speak(run, headers: dict[str, str]) -> None:
    async def test(site: Site) -> None:
        answer = await site.ask("POST", "/v1/feedback", files={"image": ("a", PHOTO)}, headers=headers)
        assert answer.status_code == 201

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


def test_a_photo_that_is_none_is_no_longer_in_hand(run) -> None:
    async def test(site: Site) -> None:
        assert code(await site.say("red", b"no photo")) == "not_an_image"
        assert (site.api._hand._photos, site.api._hand._bytes) == (0, 0)

    run(test)


def test_feedback_in_hand_has_a_bound_in_bytes_and_one_photo_is_always_taken() -> None:
    hand = Hand()
    let_go = hand.take(2**30)
    with pytest.raises(TwinlensError) as caught:
        hand.take(1)
    assert caught.value.code == "overloaded"
    let_go()
    hand.take(1)
    hand.take(1)


def test_who_believes_everyone_is_warned(run, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    async def test(site: Site) -> None:
        assert (await site.say("red")).is_success

    run(test)
    assert "FORWARDED_ALLOW_IPS" not in caplog.text
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    run(test)
    assert "FORWARDED_ALLOW_IPS is *" in caplog.text


def test_reading_and_deciding_need_the_token(run) -> None:
    async def test(site: Site) -> None:
        number = (await site.say("red")).json()["id"]
        routes = [
            ("GET", "/v1/feedback"),
            ("GET", f"/v1/feedback/{number}/photo"),
            ("POST", f"/v1/feedback/{number}/decision"),
        ]
        wrong = ["", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é"]
        for method, path in routes:
            for given in wrong:
                answer = await site.ask(method, path, headers={"Authorization": given.encode("latin-1")})
                assert (answer.status_code, code(answer)) == (401, "unauthorised")
                assert answer.headers["www-authenticate"] == "Bearer" and TOKEN not in answer.text
        (row,) = await site.listed()
        assert row["state"] == "new"

    run(test)


def test_without_a_token_nobody_reads(run) -> None:
    async def test(site: Site) -> None:
        number = (await site.say("red")).json()["id"]
        for method, path in (("GET", ""), ("GET", f"/{number}/photo"), ("POST", f"/{number}/decision")):
            for headers in ({}, {"Authorization": "Bearer "}):
                answer = await site.ask(method, f"/v1/feedback{path}", headers=headers)
                assert answer.status_code in (404, 405)

    run(test, feedback_token="")


def test_pages_photos_and_decisions(run) -> None:
    async def test(site: Site) -> None:
        for photo in (PHOTO, OTHER):
            await site.say("red", photo)
        page = (await site.ask("GET", "/v1/feedback", params={"limit": 1}, headers=BEARER)).json()
        assert page["next"] == str(page["feedback"][0]["sequence"])
        (last,) = await site.listed(after=page["next"], state="new", limit=2)
        photo = await site.ask("GET", f"/v1/feedback/{last['id']}/photo", headers=BEARER)
        assert (photo.headers["content-type"], photo.headers["cache-control"]) == ("image/png", "no-store")
        by_digest = await site.ask("GET", f"/v1/feedback/{last['photo']}/photo", headers=BEARER)
        assert by_digest.content == photo.content
        decision = f"/v1/feedback/{last['photo']}/decision"
        accept = {"action": "accept", "label": "red", "who": "ana"}
        decided = (await site.ask("POST", decision, json=accept, headers=BEARER)).json()
        assert (decided["state"], decided["decision"]["who"]) == ("accepted", "ana")
        assert [row["state"] for row in await site.listed()] == ["new", "accepted"]
        reopened = await site.ask("POST", decision, json={"action": "reopen"}, headers=BEARER)
        assert reopened.json()["state"] == "new"
        limits, cursors = ("0", "1001", "9" * 500), ("x", "-1", "9" * 19, last["id"])
        for params in ({"state": "x"}, *({"limit": each} for each in limits), *({"after": each} for each in cursors)):
            answer = await site.ask("GET", "/v1/feedback", params=params, headers=BEARER)
            assert code(answer) == "invalid_request"
        for body in (b"", b"[]", b"{", b'{"action": "burn"}', b"[" * 9000):
            assert code(await site.ask("POST", decision, content=body, headers=BEARER)) == "invalid_request"
        assert code(await site.ask("POST", decision, content=b" " * 10_001, headers=BEARER)) == "body_too_large"
        for path in (f"/v1/feedback/{last['id'][:-1]}x/photo", "/v1/feedback/..%2f..%2fx.db/photo"):
            assert (await site.ask("GET", path, headers=BEARER)).status_code == 404

    run(test)


def test_a_database_that_is_away_is_said_and_the_photo_tried_again_later(run, tmp_path: Path) -> None:
    async def test(site: Site) -> None:
        answer = await site.say("red")
        assert (answer.status_code, code(answer)) == (503, "feedback_unavailable")
        assert "retry-after" in answer.headers and str(tmp_path) not in answer.text
        assert site.counted("feedback_unavailable") == 1
        (tmp_path / "way").unlink()
        assert (await site.say("red")).status_code == 201

    (tmp_path / "way").write_text("in the way")
    run(test, feedback=f"sqlite:///{tmp_path}/way/x.db")


def test_feedback_waits_in_the_same_line_as_other_photos(run) -> None:
    async def test(site: Site) -> None:
        answers = await asyncio.gather(*(site.say("red", address=f"192.0.2.{number}") for number in range(8)))
        assert sorted({answer.status_code for answer in answers}) == [201, 429]
        assert {code(answer) for answer in answers if answer.status_code == 429} == {"overloaded"}

    run(test, max_waiting=1)

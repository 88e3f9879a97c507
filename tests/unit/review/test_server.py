"""The local server: what it gives out, and from whom it takes decisions."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.types import ASGIApp

from tests.unit.feedback.made import encoded, word
from tests.unit.review.made import data_set
from training.rules import standard
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.feedback.desk import Desk
from twinlens.feedback.rows import Feedback
from twinlens.feedback.source import StoreSource
from twinlens.review.decide import Reviewer
from twinlens.review.doubts import Reason
from twinlens.review.known import digests_as_sent
from twinlens.review.queue import Queue
from twinlens.review.server import TOKEN_HEADER, application
from twinlens.settings import Settings


class Client:
    """Asks the application as a browser on this machine would."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def get(self, address: str, **options: Any) -> httpx.Response:
        return self._ask("GET", address, **options)

    def post(self, address: str, **options: Any) -> httpx.Response:
        return self._ask("POST", address, **options)

    def _ask(self, method: str, address: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3001") as client:
                return await client.request(method, address, **options)

        return asyncio.run(ask())


PAGE = '<html><head><meta name="twinlens-token" content="" /></head></html>'


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    return data_set(tmp_path / "data", "cap", "hat", "a & b/".rstrip("/"))


@pytest.fixture
def client(tmp_path: Path, rows: list[Row]) -> Client:
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text(PAGE)
    (page / "assets" / "x.js").write_text("1")
    issues = {rows[-1].path: Reason("label-issue", 0.9, "cap", 0.8)}
    app = application(Reviewer(tmp_path / "data", "ana"), page, None, issues)
    return Client(app)


def token(client: Client) -> dict[str, str]:
    found = re.search('content="([^"]{20,})"', client.get("/").text)
    assert found
    return {TOKEN_HEADER: found[1]}


def test_the_page_and_what_belongs_to_it(client: Client) -> None:
    page = client.get("/")
    assert page.status_code == 200 and "default-src 'none'" in page.headers["content-security-policy"]
    assert client.get("/assets/x.js").text == "1"
    assert client.get("/assets/../index.html").status_code == 404


def test_the_photos_in_order_of_doubt(client: Client, rows: list[Row]) -> None:
    found = client.get("/api/photos").json()
    assert next(each["path"] for each in found["photos"]) == rows[-1].path
    assert found["labels"] == ["a & b", "cap", "hat"]
    assert (found["data"], found["who"], found["undoable"]) == ("data", "ana", 0)


def test_photos_are_given_out_and_nothing_else(client: Client, tmp_path: Path, rows: list[Row]) -> None:
    for row in rows:
        answer = client.get(f"/photos/{row.path}")
        assert answer.content == (tmp_path / "data" / row.path).read_bytes()
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["cache-control"] == "no-store"
    for path in ("manifest.jsonl", ".lock", "cap/9.png", "../page/index.html", "%2e%2e/page/index.html"):
        assert client.get(f"/photos/{path}").status_code == 404
    (tmp_path / "data" / rows[0].path).write_bytes(b"<script>")
    assert client.get(f"/photos/{rows[0].path}").json()["code"] == "not_an_image"
    (tmp_path / "data" / rows[0].path).unlink()
    assert client.get(f"/photos/{rows[0].path}").status_code == 404


def test_a_decision_and_its_undoing(client: Client, tmp_path: Path, rows: list[Row]) -> None:
    own, path = token(client), rows[1].path
    body = {"action": "relabel", "path": path, "seen": rows[1].label, "label": "beret"}
    told = client.post("/api/decide", json=body, headers=own).json()
    assert (told["number"], told["label"]) == (1, "beret")
    assert {row.path: row.label for row in manifest.require(tmp_path / "data")}[path] == "beret"
    assert client.get("/api/photos").json()["undoable"] == 1
    assert client.post("/api/decide", json=body, headers=own).json()["code"] == "review_conflict"
    assert client.post("/api/undo", json={}, headers=own).json()["undoes"] == 1
    assert client.post("/api/undo", json={}, headers=own).json()["code"] == "nothing_to_undo"
    assert manifest.require(tmp_path / "data") == rows


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"action": "burn", "path": "x", "seen": "y"}', b"x" * 20_000])
def test_what_is_no_decision_is_an_error(client: Client, tmp_path: Path, rows: list[Row], body: bytes) -> None:
    headers = {**token(client), "content-type": "application/json"}
    answer = client.post("/api/decide", content=body, headers=headers)
    assert answer.status_code in (400, 413) and answer.json()["code"] in ("invalid_request", "body_too_large")
    assert manifest.require(tmp_path / "data") == rows


def test_another_site_decides_nothing(client: Client, tmp_path: Path, rows: list[Row]) -> None:
    body = {"action": "set-aside", "path": rows[0].path, "seen": rows[0].label}
    own = token(client)
    for headers in ({}, {TOKEN_HEADER: "guessed"}, {**own, "content-type": "text/plain"}):
        for address in ("/api/decide", "/api/undo"):
            answer = client.post(address, json=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert client.post("/api/decide", json=body, headers={**own, "host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"host": "evil.example:3001"}).status_code == 400
    assert client.get("/api/decide").status_code == 405
    assert manifest.require(tmp_path / "data") == rows


def test_a_label_that_cannot_be_one_is_the_callers_mistake(client: Client, rows: list[Row]) -> None:
    body = {"action": "relabel", "path": rows[0].path, "seen": rows[0].label, "label": "a/b"}
    answer = client.post("/api/decide", json=body, headers=token(client))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert "slash" in answer.json()["detail"]


class Visited:
    """A review of a data set and of what visitors said: two of one new photo, one of a photo that it has."""

    def __init__(self, folder: Path, rows: list[Row]) -> None:
        settings = Settings(feedback=f"sqlite:///{folder}/x.db")
        self.desk = Desk(settings)
        rules = standard(64, 64)
        self.photo = encoded("red", 33, "PNG")
        self.new = [
            self.desk.take(self.photo, f"192.0.2.{number}", word(label), rules)[0]
            for number, label in enumerate(("<img src=x onerror=alert(1)>", None))
        ]
        listed = (folder / "data" / rows[0].path).read_bytes()
        self.known = self.desk.take(listed, "192.0.2.9", word("hat"), rules)[0]
        reviewer = Reviewer(folder / "data", "ana")
        self.source = StoreSource(settings)
        as_sent = partial(digests_as_sent, folder / "data", rules=rules, limits=settings.limits)
        self.client = Client(application(reviewer, folder / "page", None, {}, Queue(self.source), as_sent))
        self.without = Client(application(reviewer, folder / "page", None, {}))
        self.path = f".feedback/{self.new[0].photo}"

    def photos(self) -> dict[str, Any]:
        return {each["path"]: each for each in self.client.get("/api/photos").json()["photos"]}

    def decide(self, action: str, path: str, seen: str, **more: str) -> httpx.Response:
        body = {"action": action, "path": path, "seen": seen, **more}
        return self.client.post("/api/decide", json=body, headers=token(self.client))

    def undo(self) -> httpx.Response:
        return self.client.post("/api/undo", json={}, headers=token(self.client))

    def noted(self, data: Path, label: str = "hat") -> Feedback:
        """A photo to test on in the data set, with notes in its file, that a visitor sends without them."""
        exif = Image.Exif()
        exif[0x010E] = "a note"
        picture, file, sent = Image.new("RGB", (31, 30), "green"), io.BytesIO(), io.BytesIO()
        picture.save(file, "JPEG", exif=exif)
        picture.save(sent, "JPEG")
        (data / "hat" / "noted.jpg").write_bytes(file.getvalue())
        sha256 = hashlib.sha256(file.getvalue()).hexdigest()
        row = Row(path="hat/noted.jpg", sha256=sha256, label="hat", split="test")
        manifest.write(data, [*manifest.require(data), row])
        kept = self.desk.take(sent.getvalue(), "192.0.2.11", word(label), standard(64, 64))[0]
        assert kept.photo != sha256
        return kept

    def states(self) -> list[str]:
        return [self.desk.store.find(each.id).state for each in (*self.new, self.known)]


@pytest.fixture
def visited(client: Client, tmp_path: Path, rows: list[Row]) -> Visited:
    assert rows[0].sha256 == hashlib.sha256((tmp_path / "data" / rows[0].path).read_bytes()).hexdigest()
    return Visited(tmp_path, rows)


def test_what_visitors_say_is_shown_and_their_photos_are_given_out(visited: Visited, rows: list[Row]) -> None:
    photos = visited.photos()
    assert len(photos) == len(rows) + 1
    new = photos[visited.path]
    assert new["feedback"]["said"] == [
        {"label": "<img src=x onerror=alert(1)>", "clients": 1},
        {"label": None, "clients": 1},
    ]
    assert photos[rows[0].path]["feedback"]["said"] == [{"label": "hat", "clients": 1}]
    answer = visited.client.get(f"/photos/{visited.path}")
    assert (answer.content, answer.headers["content-type"]) == (visited.photo, "image/png")
    assert visited.client.get(f"/photos/.feedback/{'0' * 64}").status_code == 404


def test_a_decision_on_a_new_photo_is_told_to_the_store_and_undone(visited: Visited, tmp_path: Path) -> None:
    seen = visited.photos()[visited.path]["label"]
    assert visited.decide("confirm", visited.path, "hat").json()["code"] == "review_conflict"
    told = visited.decide("relabel", visited.path, seen, label="beret").json()
    assert (told["path"], told["label"], visited.states()) == (
        visited.path,
        "beret",
        ["relabelled", "relabelled", "new"],
    )
    path = next(row.path for row in manifest.require(tmp_path / "data") if row.label == "beret")
    assert (tmp_path / "data" / path).read_bytes() == visited.photo
    assert visited.path not in visited.photos() and path in visited.photos()
    assert visited.decide("set-aside", visited.path, seen).json()["code"] == "review_conflict"
    told = visited.undo().json()
    assert (told["path"], told["label"], told["reviewed"]) == (visited.path, seen, None)
    assert visited.states() == ["new"] * 3 and visited.path in visited.photos()
    told = visited.decide("set-aside", visited.path, seen).json()
    assert (told["label"], visited.states()) == (None, ["set-aside", "set-aside", "new"])
    assert visited.undo().json()["label"] == seen


def test_a_decision_on_a_photo_that_is_there_settles_what_was_said_of_it(visited: Visited, rows: list[Row]) -> None:
    visited.photos()
    assert visited.decide("relabel", rows[0].path, rows[0].label, label="hat").status_code == 200
    assert visited.states() == ["new", "new", "accepted"]
    assert visited.undo().json()["label"] == rows[0].label
    assert visited.states() == ["new"] * 3
    assert visited.decide("set-aside", rows[0].path, rows[0].label).status_code == 200
    assert visited.states()[-1] == "set-aside"


def test_a_photo_to_test_on_does_not_come_in_once_more_without_its_notes(visited: Visited, tmp_path: Path) -> None:
    seen = visited.photos()
    kept = visited.noted(tmp_path / "data")
    path = f".feedback/{kept.photo}"
    photos = visited.photos()
    assert path not in photos and len(photos) == len(seen) + 1
    assert photos["hat/noted.jpg"]["feedback"]["said"] == [{"label": "hat", "clients": 1}]
    told = visited.decide("confirm", path, "hat")
    assert (told.status_code, told.json()["code"]) == (409, "review_conflict")
    assert visited.decide("confirm", "hat/noted.jpg", "hat").status_code == 200
    assert visited.desk.store.find(kept.id).state == "accepted"
    assert visited.undo().json()["path"] == "hat/noted.jpg"
    assert visited.desk.store.find(kept.id).state == "new"


def test_what_visitors_said_is_not_undone_where_they_are_not_heard(visited: Visited, tmp_path: Path) -> None:
    visited.photos()
    seen = visited.photos()[visited.path]["label"]
    visited.decide("relabel", visited.path, seen, label="beret")
    after = manifest.require(tmp_path / "data")
    told = visited.without.post("/api/undo", json={}, headers=token(visited.without)).json()
    assert told["code"] == "review_conflict" and "--feedback" in told["detail"]
    assert manifest.require(tmp_path / "data") == after and visited.states()[:2] == ["relabelled"] * 2
    assert visited.undo().status_code == 200


def test_an_undo_stands_though_what_waits_cannot_be_read_then(
    visited: Visited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = manifest.require(tmp_path / "data")
    seen = visited.photos()[visited.path]["label"]
    visited.decide("relabel", visited.path, seen, label="beret")

    def away() -> None:
        raise TwinlensError("feedback_unavailable", "away")

    with monkeypatch.context() as patched:
        patched.setattr(visited.source, "waiting", away)
        told = visited.undo()
        assert (told.status_code, told.json()["path"]) == (200, visited.path)
    assert manifest.require(tmp_path / "data") == before
    assert visited.path in visited.photos()

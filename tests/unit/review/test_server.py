"""The local server: what it gives out, and from whom it takes decisions."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from tests.unit.review.made import data_set
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.review.decide import Reviewer
from twinlens.review.doubts import Reason
from twinlens.review.server import TOKEN_HEADER, application


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

"""Where a reviewer gets feedback from: this machine's store, or a server by its admin API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.feedback.made import encoded, word
from training.rules import standard
from twinlens.errors import TwinlensError
from twinlens.feedback import source as sources
from twinlens.feedback.desk import Desk
from twinlens.feedback.rows import Feedback
from twinlens.feedback.source import ServerSource, StoreSource, grouped, verified
from twinlens.feedback.verdict import Verdict
from twinlens.settings import Settings

TOKEN = "0123456789abcdef"
ACCEPT = Verdict(action="accept", label="red", who="ana")


def said(
    label: str | None, photo: str = "0", client: str = "a", predicted: str = "blue", score: float = 0.75, reopened=None
):
    given = word(label, predicted, score).model_dump()
    return Feedback.model_validate(
        given
        | {"id": f"{photo}{client}", "sequence": 1, "photo": photo * 64, "format": "png", "client": client}
        | {"received": "2026", "state": "new", "decision": None, "reopened": reopened}
    )


def test_words_are_put_together_by_photo() -> None:
    words = [
        said("red"),
        said("red", "1"),
        said("green", client="b"),
        said("green", client="c"),
        said(None, client="d"),
    ]
    found = grouped(words)
    assert [each.sha256[0] for each in found.values()] == ["0", "1"]
    first = found["0" * 64]
    assert first.said == [("green", 2), ("red", 1), (None, 1)]
    assert (first.label, first.words[0].id, first.format) == ("green", "0a", "png")


def test_what_was_said_last_comes_last() -> None:
    early, late = said("red"), said("green", client="b").model_copy(update={"received": "2025"})
    assert [word.client for word in grouped([early, late])["0" * 64].words] == ["b", "a"]


def test_whether_a_decision_was_taken_back_since() -> None:
    (waiting,) = grouped([said("red", reopened="2026-11-27T10:00:00+00:00")]).values()
    assert waiting.was_reopened_since("2026-11-27T10:00:00+00:00")
    assert not waiting.was_reopened_since("2026-11-27T10:00:01+00:00")
    (waiting,) = grouped([said("red")]).values()
    assert not waiting.was_reopened_since("2026-11-27T10:00:00+00:00")


@pytest.mark.parametrize(
    ("words", "doubt"),
    [
        ([said("blue")], 0.25),  # the model says the same, and is that sure
        ([said("red")], 0.75),  # the model says something else
        ([said("blue"), said("blue", client="b"), said("red", client="c")], 1 / 3),
        ([said("blue"), said("red", client="b")], 0.5),
        ([said(None)], 1.0),
    ],
)
def test_how_doubtful_the_label_of_most_is(words: list[Feedback], doubt: float) -> None:
    assert grouped(words)["0" * 64].doubt == pytest.approx(doubt)


def test_another_file_than_the_photo_is_refused() -> None:
    with pytest.raises(TwinlensError) as caught:
        verified(b"another", grouped([said("red")])["0" * 64])
    assert caught.value.code == "not_found"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(feedback=f"sqlite:///{tmp_path}/x.db")


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    desk = Desk(settings)
    yield desk
    desk.close()


def test_the_store_of_this_machine(settings: Settings, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_PAGE", 2)
    colours = ("red", "green", "blue", "white", "black")
    kept = [desk.take(encoded(colour), "192.0.2.7", word(), standard(64, 64))[0] for colour in colours]
    source = StoreSource(settings)
    assert list(source.waiting()) == kept
    assert source.photo(kept[0].photo) == desk.photo(kept[0].id)[0]
    source.record(kept[0].photo, ACCEPT)
    assert [each.id for each in source.waiting()] == [each.id for each in kept[1:]]
    source.record(kept[0].photo, Verdict(action="reopen"))
    assert len(list(source.waiting())) == 5


def test_a_store_that_is_not_there_is_not_made(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(TwinlensError, match="Correct the path") as caught:
        StoreSource(settings)
    assert caught.value.code == "invalid_setting" and list(tmp_path.iterdir()) == []


Answering = Callable[[httpx.Request], httpx.Response]


def server(answer: Answering) -> ServerSource:
    return ServerSource("https://server", TOKEN, httpx.MockTransport(answer))


def test_a_server_is_asked_page_by_page_with_the_token() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        last = "after" in request.url.params
        words = [said("red", client="b" if last else "a").model_dump(mode="json")]
        return httpx.Response(200, json={"feedback": words, "next": None if last else "7"})

    assert [each.id for each in server(answer).waiting()] == ["0a", "0b"]
    assert {request.headers["authorization"] for request in asked} == {f"Bearer {TOKEN}"}
    assert [request.url.params.get("after") for request in asked] == [None, "7"]


def test_a_photo_and_a_decision() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            assert request.url.path == "/v1/feedback/7/photo"
            return httpx.Response(200, content=b"photo")
        assert request.url.path == "/v1/feedback/7/decision"
        assert json.loads(request.content) == {"action": "accept", "label": "red", "who": "ana"}
        return httpx.Response(200, json={})

    source = server(answer)
    assert source.photo("7") == b"photo"
    source.record("7", ACCEPT)


def refused(status: int, content: object) -> Answering:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda request: httpx.Response(status, content=data)


def raises(error: Exception) -> Answering:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refused(401, {"code": "unauthorised", "detail": "no"}), "unauthorised"),
        (refused(404, {"code": "not_found", "detail": ""}), "not_found"),
        (refused(503, {"code": "feedback_unavailable", "detail": ""}), "feedback_unavailable"),
        (refused(500, {"code": "internal", "detail": ""}), "feedback_unavailable"),
        (refused(502, b"<html>"), "feedback_unavailable"),
        (refused(403, {"code": ["strange"]}), "feedback_unavailable"),
        (refused(200, b"<html>"), "feedback_unavailable"),
        (refused(200, {"feedback": [{"id": 1}], "next": None}), "feedback_unavailable"),
        (refused(200, {}), "feedback_unavailable"),
        (raises(httpx.ConnectError("refused")), "feedback_unavailable"),
        (raises(httpx.ReadTimeout("late")), "feedback_unavailable"),
    ],
)
def test_whatever_a_server_answers_is_an_error_with_a_code(answer: Answering, code: str) -> None:
    with pytest.raises(TwinlensError) as caught:
        list(server(answer).waiting())
    assert caught.value.code == code
    assert TOKEN not in caught.value.detail


@pytest.mark.parametrize(
    ("address", "token", "code"),
    [
        ("server", TOKEN, "invalid_arguments"),
        ("ftp://server", TOKEN, "invalid_arguments"),
        ("https://", TOKEN, "invalid_arguments"),
        ("https://ana:secret@server", TOKEN, "invalid_arguments"),
        ("http://server", TOKEN, "invalid_arguments"),
        ("http://127.0.0.1.example", TOKEN, "invalid_arguments"),
        ("https://[::1", TOKEN, "invalid_arguments"),
        ("https://server:abc", TOKEN, "invalid_arguments"),
        ("https://server:65536", TOKEN, "invalid_arguments"),
        ("https://server?secret", TOKEN, "invalid_arguments"),
        ("https://ser ver", TOKEN, "invalid_arguments"),
        ("https://\0server", TOKEN, "invalid_arguments"),
        ("https://ana:secret@[::1", TOKEN, "invalid_arguments"),
        ("https://server", "", "unauthorised"),
    ],
)
def test_a_token_is_sent_to_nobody_who_should_not_have_it(address: str, token: str, code: str) -> None:
    with pytest.raises(TwinlensError) as caught:
        ServerSource(address, token)
    assert caught.value.code == code
    assert "secret" not in caught.value.detail


@pytest.mark.parametrize("address", ["http://127.0.0.1:3000", "http://localhost/", "http://[::1]:3000"])
def test_this_machine_needs_no_encryption(address: str) -> None:
    ServerSource(address, TOKEN)


@pytest.mark.parametrize(
    ("address", "through"), [("http://localhost:3000", False), ("http://[::1]", False), ("https://server", True)]
)
def test_a_proxy_is_never_asked_for_this_machine(address: str, through: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:8080")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:8080")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    client = ServerSource(address, TOKEN)._client
    proxied = client._transport_for_url(httpx.URL(f"{address}/v1/feedback")) is not client._transport
    assert proxied == through

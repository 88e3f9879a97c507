"""``/v1/feedback`` with a real engine and a real store."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests import models
from tests.unit.http.feedback_site import BEARER, OTHER, PHOTO, TOKEN, Site, code, files
from twinlens.classifier import Classifier
from twinlens.errors import TwinlensError
from twinlens.http.feedback import Hand


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

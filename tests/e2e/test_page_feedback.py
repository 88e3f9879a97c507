"""Feedback on the page: where the server takes it, after a clear consent, with the keyboard, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests import images, models
from tests.e2e.axe import broken_in_both_themes
from tests.e2e.visit import Visit, file
from tests.servers import RunningServer, running

TOKEN = "the-admins-own-token"
PHOTO = file("holiday.jpg", images.encoded(models.picture("red", 64, 48), "JPEG"))


@pytest.fixture(scope="module")
def server(dist: Path, colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    environment = {
        "TWINLENS_MODELS": str(colours.parent),
        "TWINLENS_MODEL": colours.name,
        "TWINLENS_PAGE": str(dist),
        "TWINLENS_FEEDBACK": f"sqlite:///{tmp_path_factory.mktemp('feedback')}/x.db",
        "TWINLENS_FEEDBACK_TOKEN": TOKEN,
    }
    with running(environment) as server:
        yield server


@pytest.fixture(params=["allow", "block"])
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(locale="en-GB", service_workers=request.param) as context:
        yield context


def listed(server: RunningServer) -> list[dict[str, Any]]:
    answer = httpx.get(f"{server.url}/v1/feedback", headers={"Authorization": f"Bearer {TOKEN}"})
    return list(answer.json()["feedback"])


def open_page(context: BrowserContext, server: RunningServer, query: str = "") -> tuple[Visit, list[Request]]:
    page = context.new_page()
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if request.method == "POST" else None)
    page.goto(f"{server.url}/{query}")
    visited = Visit(page, None)  # type: ignore[arg-type]
    visited.wait_until_ready()
    return visited, asked


def part(page: Page, name: str) -> Any:
    return page.get_by_test_id(f"feedback-{name}")


def test_where_nobody_takes_feedback_none_is_offered(browser: Browser, dist: Path, colours: Path) -> None:
    environment = {"TWINLENS_MODELS": str(colours.parent), "TWINLENS_MODEL": colours.name, "TWINLENS_PAGE": str(dist)}
    with running(environment) as server, browser.new_context() as context:
        visited, _ = open_page(context, server)
        visited.give([PHOTO])
        expect(visited.page.locator("#compare")).to_have_count(1)
        expect(visited.page.locator("#feedback")).to_have_count(0)
        expect(part(visited.page, "voice")).to_have_count(0)


def test_nothing_is_sent_before_the_visitor_has_seen_what_and_agreed(
    context: BrowserContext, server: RunningServer
) -> None:
    before = len(listed(server))
    visited, asked = open_page(context, server)
    page = visited.page
    visited.give([PHOTO])
    part(page, "right").click()
    consent = part(page, "consent")
    expect(consent).to_be_focused()
    for words in (f"{server.url}/v1/feedback", "holiday.jpg", "kB", "without its name", "what you say of it: Red"):
        expect(consent).to_contain_text(words)
    part(page, "cancel").click()
    expect(consent).to_be_hidden()
    expect(part(page, "right")).to_be_focused()
    assert asked == [] and len(listed(server)) == before

    part(page, "wrong").click()
    part(page, "label").select_option("blue")
    part(page, "next").click()
    expect(consent).to_contain_text("what you say of it: Blue")
    part(page, "send").click()
    status = part(page, "status")
    expect(status).to_contain_text("You said: Blue")
    row = listed(server)[-1]
    assert (row["label"], row["predicted"], row["state"]) == ("blue", "red", "new")
    expect(status).to_contain_text(row["id"])
    assert len(asked) == 1

    part(page, "again").click()
    part(page, "wrong").click()
    part(page, "label").select_option("")
    part(page, "next").click()
    consent.get_by_label("Do not ask again").check()
    part(page, "send").click()
    expect(status).to_contain_text("You said: none of these")
    part(page, "again").click()
    part(page, "right").click()
    expect(status).to_contain_text("You said: Red")
    assert [each["label"] for each in listed(server) if each["id"] == row["id"]] == ["red"]


@pytest.mark.parametrize("context", ["block"], indirect=True)
def test_the_keyboard_is_enough_and_everything_has_a_name(context: BrowserContext, server: RunningServer) -> None:
    visited, _ = open_page(context, server)
    page = visited.page
    visited.give([PHOTO])
    page.get_by_role("button", name="Wrong, it is …: holiday.jpg").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="What is right for holiday.jpg")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(part(page, "consent")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(part(page, "send")).to_be_focused()
    page.keyboard.press("Enter")
    expect(part(page, "status")).to_contain_text("Thank you")
    expect(part(page, "status")).to_be_focused()


@pytest.mark.parametrize("context", ["block"], indirect=True)
def test_a_refusal_is_said_and_it_can_be_tried_again(context: BrowserContext, server: RunningServer) -> None:
    visited, _ = open_page(context, server)
    page = visited.page
    visited.give([PHOTO])
    page.context.set_offline(True)
    part(page, "right").click()
    part(page, "send").click()
    expect(part(page, "status")).to_contain_text("cannot be reached")
    page.get_by_role("button", name="中文").click()
    expect(part(page, "status")).to_contain_text("无法连接服务器")
    page.context.set_offline(False)
    part(page, "right").click()
    part(page, "send").click()
    expect(part(page, "status")).to_contain_text("谢谢")


@pytest.mark.parametrize("query", ["?lang=en", "?lang=zh"])
def test_axe_finds_nothing(browser: Browser, server: RunningServer, query: str) -> None:
    with browser.new_context(viewport={"width": 390, "height": 900}) as context:
        visited, _ = open_page(context, server, query)
        page = visited.page
        page.locator("#feedback summary").click()
        visited.give([PHOTO])
        assert broken_in_both_themes(page) == [], "asking"
        part(page, "wrong").click()
        assert broken_in_both_themes(page) == [], "choosing"
        part(page, "next").click()
        expect(part(page, "consent")).to_be_visible()
        assert broken_in_both_themes(page) == [], "consent"
        part(page, "send").click()
        expect(part(page, "again")).to_be_visible()
        assert broken_in_both_themes(page) == [], "kept"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        words = page.locator("#feedback, .feedback-voice").all_inner_texts()
        assert all(bool(re.search("[\u4e00-\u9fff]{4}", text)) == (query == "?lang=zh") for text in words)

"""What tests hold a server's answers to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from twinlens.errors import CODES


def scores(answer: dict[str, Any]) -> dict[str, float]:
    """The score of each label of an answer."""
    return {each["label"]: each["score"] for each in answer["predictions"]}


def problem(response: httpx.Response, *codes: str) -> dict[str, Any]:
    """Hold a response to being a problem of one of the codes, with nothing of the server's inside in it."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document: dict[str, Any] = response.json()
    assert set(document) == {"type", "title", "status", "detail", "code", "request_id"}
    assert document["request_id"] == response.headers["x-request-id"]
    assert document["status"] == response.status_code == CODES[document["code"]].status
    assert not codes or document["code"] in codes, document
    for secret in ("Traceback", "site-packages", ".py", "bentoml", "starlette", str(Path.cwd())):
        assert secret not in response.text, response.text
    return document


def metrics(client: httpx.Client) -> dict[str, float]:
    """The samples of /metrics, by their name with its labels."""
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

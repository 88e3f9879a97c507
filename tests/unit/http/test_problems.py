import json

import pytest
from bentoml.exceptions import BadInput, BentoMLException, NotFound, ServiceUnavailable
from starlette.exceptions import HTTPException

from twinlens.errors import CODES, TwinlensError
from twinlens.http.problems import MEDIA_TYPE, body, problem, schema


def answer(error):
    response = problem(error)
    assert response.headers["content-type"] == MEDIA_TYPE == "application/problem+json"
    document = json.loads(response.body)
    assert response.status_code == document["status"]
    assert set(document) == {"type", "title", "status", "detail", "code", "request_id"}
    assert document["type"] == f"urn:twinlens:problem:{document['code']}"
    assert document["title"] == CODES[document["code"]].title
    return document, response.headers


def test_an_error_of_ours_keeps_its_words():
    document, _ = answer(TwinlensError("broken_image", "It is cut off."))
    assert (document["code"], document["status"], document["detail"]) == ("broken_image", 422, "It is cut off.")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HTTPException(404), "not_found"),
        (HTTPException(405, headers={"Allow": "GET"}), "method_not_allowed"),
        (HTTPException(413), "body_too_large"),
        (HTTPException(418, "secret"), "invalid_request"),
        (NotFound("secret"), "not_found"),
        (BadInput("secret"), "invalid_request"),
        (ServiceUnavailable("secret"), "not_ready"),
        (BentoMLException("secret"), "internal"),
        (HTTPException(500, "secret"), "internal"),
        (ValueError("secret"), "internal"),
        (MemoryError("secret"), "internal"),
        (TwinlensError("model_not_found", "secret"), "internal"),
        (TwinlensError("invalid_contract", "secret"), "internal"),
    ],
)
def test_whatever_else_is_raised_becomes_a_problem_that_tells_nothing_of_the_inside(error, code, caplog):
    document, headers = answer(error)
    assert document["code"] == code
    assert "secret" not in json.dumps(document) + str(headers)
    assert ("secret" in caplog.text) == (code == "internal")


def test_headers_that_belong_to_a_status():
    assert answer(HTTPException(405, headers={"Allow": "GET, HEAD"}))[1]["allow"] == "GET, HEAD"
    assert answer(TwinlensError("overloaded", ""))[1]["retry-after"] == "1"
    assert answer(TwinlensError("not_ready", ""))[1]["retry-after"] == "1"
    assert answer(TwinlensError("feedback_rate", "", 42))[1]["retry-after"] == "42"
    assert answer(TwinlensError("unauthorised", ""))[1]["www-authenticate"] == "Bearer"
    assert "retry-after" not in answer(TwinlensError("not_found", ""))[1]
    assert answer(TwinlensError("not_found", ""))[1]["cache-control"] == "no-store"


def test_every_code_that_can_be_answered_is_in_the_schema():
    codes = schema()["properties"]["code"]["enum"]
    for code, meaning in CODES.items():
        assert (code in codes) == (body(TwinlensError(code, ""))["status"] != 500 or code == "internal"), meaning

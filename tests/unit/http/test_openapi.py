import json
import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from twinlens.errors import CODES
from twinlens.http import openapi
from twinlens.http.metrics import API_ROUTES, FEEDBACK_ROUTES
from twinlens.settings import Settings

ON = Settings(feedback="sqlite:////x.db")
ADMIN = Settings(feedback="sqlite:////x.db", feedback_token="0123456789abcdef")


@pytest.mark.parametrize("settings", [None, Settings(), ON, ADMIN])
def test_the_document_is_valid_openapi_and_plain_json(settings):
    document = openapi.document(settings)
    OpenAPIV31SpecValidator(document).validate()
    assert "0123456789abc" not in json.dumps(document)
    assert json.loads(json.dumps(document)) == document


def test_it_has_every_route_of_the_api():
    assert set(openapi.document()["paths"]) == set(openapi.document(Settings())["paths"]) == set(API_ROUTES)
    assert set(openapi.document(ADMIN)["paths"]) == {*API_ROUTES, *FEEDBACK_ROUTES}


def test_without_a_token_feedback_is_taken_and_nothing_more():
    paths = openapi.document(ON)["paths"]
    assert set(paths) == {*API_ROUTES, FEEDBACK_ROUTES[0]}
    assert set(paths[FEEDBACK_ROUTES[0]]) == {"post"}


def test_every_status_of_classify_names_its_codes():
    responses = openapi.document()["paths"]["/v1/classify"]["post"]["responses"]
    assert set(responses) == {"200", "400", "408", "413", "415", "422", "429", "503", "504"}
    for code in openapi.CLASSIFY_CODES:
        assert f"`{code}`" in responses[str(CODES[code].status)]["description"]
    assert all("Retry-After" in responses[status]["headers"] for status in ("429", "503"))


def test_similar_answers_as_classify_does_and_may_have_no_index():
    responses = openapi.document()["paths"]["/v1/similar"]["post"]["responses"]
    assert set(responses) == {"200", "400", "404", "408", "413", "415", "422", "429", "503", "504"}
    for code in openapi.SIMILAR_CODES:
        assert f"`{code}`" in responses[str(CODES[code].status)]["description"]
    assert "invalid_k" in responses["400"]["description"] and "top_k" not in responses["400"]["description"]


def test_operations_have_names_of_their_own():
    operations = [operation for item in openapi.document(ADMIN)["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_no_schema_is_left_dangling():
    document = openapi.document(ADMIN)
    text = json.dumps(document)
    assert "#/$defs/" not in text
    named = set(re.findall('#/components/schemas/([^"]+)', text))
    assert named <= set(document["components"]["schemas"])

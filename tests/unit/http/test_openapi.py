import json

from openapi_spec_validator import OpenAPIV31SpecValidator

from twinlens.errors import CODES
from twinlens.http import openapi
from twinlens.http.metrics import API_ROUTES


def test_the_document_is_valid_openapi_and_plain_json():
    document = openapi.document()
    OpenAPIV31SpecValidator(document).validate()
    assert json.loads(json.dumps(document)) == document


def test_it_has_every_route_of_the_api():
    assert set(openapi.document()["paths"]) == set(API_ROUTES)


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
    operations = [operation for item in openapi.document()["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_no_schema_is_left_dangling():
    text = json.dumps(openapi.document())
    assert "#/$defs/" not in text

"""The OpenAPI document of the API, as it truly answers.

BentoML's own generator knows no query parameter, one media type a body and three errors. ``tests/integration`` replays
every answer that stands here against a running server, and finds none that is not.
"""

from __future__ import annotations

from typing import Any, Final

import twinlens
from twinlens.contract import Contract
from twinlens.decode import MEDIA_TYPES
from twinlens.http import openapi_feedback, problems
from twinlens.http.openapi_parts import BINARY, REF, image_form, problem_responses, ref, text
from twinlens.http.request import IMAGE_FIELD, TOP_K, K, Number
from twinlens.settings import Settings
from twinlens.similar.options import KINDS

VERSION: Final = "3.1.0"
CLASSIFY_CODES: Final = (
    "missing_image",
    "invalid_image_field",
    "invalid_multipart",
    "invalid_top_k",
    "upload_timeout",
    "body_too_large",
    "too_many_pixels",
    "unsupported_format",
    "not_an_image",
    "broken_image",
    "overloaded",
    "not_ready",
    "timeout",
)
SIMILAR_CODES: Final = (
    "missing_index",
    *("invalid_k" if code == "invalid_top_k" else code for code in CLASSIFY_CODES),
)
_HELP: Final = {
    TOP_K.name: "How many labels to answer, best first; more than there are gives all.",
    K.name: "How many photos to answer, nearest first; more than there are gives all.",
}


def document(settings: Settings | None = None) -> dict[str, Any]:
    """The OpenAPI 3.1 document, ready for JSON.

    :param settings: of the server that it describes: whether that takes feedback, and lets it be read. By default none
        of both.
    """
    feedback = openapi_feedback.described(settings) if settings is not None and settings.feedback else None
    contract = Contract.model_json_schema(mode="serialization", ref_template=REF)
    parts = contract.pop("$defs")
    return {
        "openapi": VERSION,
        "info": {
            "title": "Twinlens",
            "version": twinlens.__version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "One image classifier that gives the same answer here and in the visitor's browser. "
            "Every error is RFC 9457 problem+json with a stable `code`; `internal`, status 500, is a fault of the "
            "server, and the one that no request brings about. Every answer has an `X-Request-Id`: the request's own "
            "where it brought one. The page that runs the model itself is at `/`, its files beneath `/model/`.",
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/v1/classify": {"post": _classify()},
            "/v1/similar": {"post": _similar()},
            "/v1/model": {"get": _model()},
            **(feedback.paths if feedback else {}),
            "/livez": {"get": _probe("livez", "The process answers.")},
            "/readyz": {
                "get": _probe("readyz", "The model gave its golden picture's answer; requests are answered.")
                | {"responses": {"200": text("Ready."), **problem_responses(["not_ready"])}}
            },
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "What the server counts and times, for Prometheus.",
                    "responses": {"200": text("The Prometheus text format.")},
                }
            },
            "/docs.json": {"get": _json("openapi", "This document.")},
            "/schema.json": {"get": _json("schema", "What BentoML's clients read before they call.")},
        },
        "components": {
            "schemas": {
                "Classification": _classification(),
                "Similarity": _similarity(),
                "Problem": problems.schema(),
                "Contract": contract,
                **parts,
                **(feedback.schemas if feedback else {}),
            },
            **(feedback.security if feedback else {}),
        },
    }


def _classify() -> dict[str, Any]:
    return {
        "operationId": "classify",
        "summary": "Classify one image.",
        **_asked(TOP_K),
        "responses": {
            "200": {
                "description": "The best labels, best first. Scores are the softmax over all labels.",
                "content": {"application/json": {"schema": ref("Classification")}},
            },
            **problem_responses(CLASSIFY_CODES),
        },
    }


def _similar() -> dict[str, Any]:
    return {
        "operationId": "similar",
        "summary": "Find the photos of the server's index that are most like one image.",
        **_asked(K),
        "responses": {
            "200": {
                "description": "The nearest photos, nearest first. Scores are cosines, 1 for the same picture.",
                "content": {"application/json": {"schema": ref("Similarity")}},
            },
            **problem_responses(SIMILAR_CODES),
        },
    }


def _asked(number: Number) -> dict[str, Any]:
    """What a request is made of: an image, and a number."""
    formats = ", ".join(MEDIA_TYPES)
    schema = {"type": "integer", "minimum": 1, "maximum": number.most, "default": number.default}
    explanation = _HELP[number.name]
    return {
        "description": f"The image is the body itself, under any media type or none, or the file of the form field "
        f"`{IMAGE_FIELD}`. What it is, its bytes say: {formats}.",
        "parameters": [
            {"name": number.name, "in": "query", "required": False, "description": explanation, "schema": schema}
        ],
        "requestBody": {
            "required": True,
            "content": {
                **image_form({number.name: schema | {"description": explanation}}),
                "image/*": {"schema": BINARY},
                "application/octet-stream": {"schema": BINARY},
            },
        },
    }


def _model() -> dict[str, Any]:
    tag = {"ETag": {"description": "The model's digest, quoted.", "schema": {"type": "string"}}}
    return {
        "operationId": "model",
        "summary": "The contract of the model in use, byte for byte.",
        "responses": {
            "200": {
                "description": "The contract.",
                "headers": tag,
                "content": {"application/json": {"schema": ref("Contract")}},
            },
            "304": {"description": "Not modified: If-None-Match names this digest.", "headers": tag},
            **problem_responses(["not_ready"]),
        },
    }


def _probe(name: str, summary: str) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "responses": {"200": text("Yes.")}}


def _json(name: str, summary: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {"operationId": name, "summary": summary, "responses": {"200": {"description": "JSON.", "content": content}}}


def _classification() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["predictions", "model"],
        "additionalProperties": False,
        "properties": {
            "predictions": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["label", "score"],
                    "additionalProperties": False,
                    "properties": {
                        "label": {"type": "string"},
                        "score": {"type": "number", "minimum": 0, "maximum": 1},
                    },
                },
            },
            "model": _answered_by(),
        },
    }


def _similarity() -> dict[str, Any]:
    neighbour = {
        "type": "object",
        "required": ["id", "score", "label", "sha256"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string", "description": "The photo's path below the folder that was indexed."},
            "score": {"type": "number", "minimum": -1, "maximum": 1},
            "label": {"type": ["string", "null"], "description": "Null where it is not known."},
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
    }
    index = {
        "type": "object",
        "required": ["photos", "kind"],
        "additionalProperties": False,
        "properties": {
            "photos": {"type": "integer", "minimum": 1},
            "kind": {"type": "string", "enum": list(KINDS)},
        },
    }
    return {
        "type": "object",
        "required": ["neighbours", "index", "model"],
        "additionalProperties": False,
        "properties": {
            "neighbours": {"type": "array", "minItems": 1, "items": neighbour},
            "index": index,
            "model": _answered_by(),
        },
    }


def _answered_by() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["name", "version", "digest"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string"},
            "version": {"type": "string"},
            "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
    }

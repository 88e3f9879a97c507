"""The part of the OpenAPI document that describes feedback, where the server takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

from twinlens.decode import MEDIA_TYPES
from twinlens.feedback.rows import Feedback, State
from twinlens.feedback.verdict import Verdict
from twinlens.http.feedback import DEFAULT_LIMIT, LABEL_FIELD, MODEL_FIELD, MOST_LIMIT
from twinlens.http.metrics import FEEDBACK_ROUTES
from twinlens.http.openapi_parts import REF, image_form, problem_responses, ref
from twinlens.settings import Settings

TAKE_CODES: Final = (
    "missing_image",
    "invalid_image_field",
    "invalid_multipart",
    "invalid_request",
    "not_allowed",
    "upload_timeout",
    "body_too_large",
    "too_many_pixels",
    "unsupported_format",
    "not_an_image",
    "broken_image",
    "unknown_label",
    "overloaded",
    "feedback_rate",
    "feedback_quota",
    "not_ready",
    "feedback_unavailable",
    "timeout",
    "feedback_full",
)
LIST_CODES: Final = ("invalid_request", "unauthorised", "feedback_unavailable", "timeout")
PHOTO_CODES: Final = ("unauthorised", "not_found", "feedback_unavailable", "timeout")
DECISION_CODES: Final = (
    "invalid_request",
    "unauthorised",
    "not_found",
    "review_conflict",
    "body_too_large",
    "feedback_unavailable",
    "timeout",
)
_SECURITY: Final[list[dict[str, list[str]]]] = [{"adminToken": []}]
_DIGEST: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


@dataclass(frozen=True)
class Described:
    """What is put into the document."""

    paths: dict[str, Any]
    schemas: dict[str, Any]
    security: dict[str, Any]


def described(settings: Settings) -> Described:
    """What a server with these settings answers: the admin's routes only where there is a token."""
    collection, photo, decision = FEEDBACK_ROUTES
    paths: dict[str, Any] = {collection: {"post": _take()}}
    schemas: dict[str, Any] = {"FeedbackTaken": _taken()}
    if not settings.feedback_token:
        return Described(paths, schemas, {})
    paths[collection]["get"] = _list()
    paths |= {photo: {"get": _photo()}, decision: {"post": _decide()}}
    row = Feedback.model_json_schema(mode="serialization", ref_template=REF)
    schemas |= {**row.pop("$defs"), "Feedback": row, "FeedbackPage": _page()}
    schemas["Verdict"] = Verdict.model_json_schema(ref_template=REF)
    scheme = {"type": "http", "scheme": "bearer", "description": "The server's TWINLENS_FEEDBACK_TOKEN."}
    return Described(paths, schemas, {"securitySchemes": {"adminToken": scheme}})


def _take() -> dict[str, Any]:
    label = "The label that is right, one of the contract's; empty or absent for none of them."
    model = "Digest of the contract of the model whose answer was seen."
    fields = {LABEL_FIELD: {"type": "string", "description": label}, MODEL_FIELD: _DIGEST | {"description": model}}
    kept = {"application/json": {"schema": ref("FeedbackTaken")}}
    return {
        "operationId": "giveFeedback",
        "summary": "Say what a photo shows, after the model answered.",
        "description": "Of the photo nothing but the picture is kept. The server has its own model answer it again. "
        "The last word of one client on one photo counts. Nothing is trained on before a person has looked at it.",
        "requestBody": {"required": True, "content": image_form(fields)},
        "responses": {
            "200": {"description": "This client has said the same of this photo before.", "content": kept},
            "201": {"description": "It is kept.", "content": kept},
            **problem_responses(TAKE_CODES),
        },
    }


def _list() -> dict[str, Any]:
    whole = {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT, "default": DEFAULT_LIMIT}
    return {
        "operationId": "listFeedback",
        "summary": "Feedback, in the order in which it first came.",
        "security": _SECURITY,
        "parameters": [
            _query("state", {"type": "string", "enum": list(get_args(State))}, "Only what is in this state."),
            _query("limit", whole, "How many at most."),
            _query("after", {"type": "string", "pattern": "^[0-9]{1,18}$"}, "`next` of the page before."),
        ],
        "responses": {
            "200": {"description": "A page.", "content": {"application/json": {"schema": ref("FeedbackPage")}}},
            **problem_responses(LIST_CODES),
        },
    }


def _photo() -> dict[str, Any]:
    kinds: dict[str, Any] = {MEDIA_TYPES[kind]: {"schema": {}} for kind in ("jpeg", "png", "webp")}
    return {
        "operationId": "feedbackPhoto",
        "summary": "The photo that feedback is on, as it is kept.",
        "security": _SECURITY,
        "parameters": [_ID],
        "responses": {"200": {"description": "The photo.", "content": kinds}, **problem_responses(PHOTO_CODES)},
    }


def _decide() -> dict[str, Any]:
    return {
        "operationId": "decideOnFeedback",
        "summary": "Record what a reviewer made of the photo: for every client's word on it.",
        "security": _SECURITY,
        "parameters": [_ID],
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref("Verdict")}}},
        "responses": {
            "200": {
                "description": "The feedback with the decision.",
                "content": {"application/json": {"schema": ref("Feedback")}},
            },
            **problem_responses(DECISION_CODES),
        },
    }


_ID: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Of feedback, or the SHA-256 of a photo that feedback is on.",
    "schema": {"type": "string"},
}


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _taken() -> dict[str, Any]:
    properties = {
        "id": {"type": "string", "format": "uuid"},
        "photo": _DIGEST | {"description": "SHA-256 of what is kept of the photo."},
        "label": {"type": ["string", "null"], "description": "What the client says; null: none of the model's labels."},
        "predicted": {"type": "string", "description": "What the server's model answered."},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "model": {
            "type": "object",
            "required": ["name", "version", "digest"],
            "additionalProperties": False,
            "properties": {"name": {"type": "string"}, "version": {"type": "string"}, "digest": _DIGEST},
        },
        "replaced": {"type": "boolean", "description": "Whether the client had said something else before."},
    }
    return {"type": "object", "required": list(properties), "additionalProperties": False, "properties": properties}


def _page() -> dict[str, Any]:
    properties = {
        "feedback": {"type": "array", "items": ref("Feedback")},
        "next": {"type": ["string", "null"], "description": "`after` of the next page; null: this is the last one."},
    }
    return {"type": "object", "required": list(properties), "additionalProperties": False, "properties": properties}

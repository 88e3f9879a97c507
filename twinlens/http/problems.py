"""Errors as RFC 9457 problem details: ``application/problem+json`` with a stable ``code``.

Whatever goes wrong, in our code, in Starlette's routing or in BentoML, becomes a :class:`TwinlensError` here and then
one kind of answer. What the machine's owner got wrong, and what nobody foresaw, is logged and answered as
``internal``: no path, no class name, no traceback leaves the server.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from bentoml.exceptions import BentoMLException
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from twinlens.errors import CODES, TwinlensError
from twinlens.http.logs import REQUEST_ID

logger = logging.getLogger("twinlens")

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:twinlens:problem:"
_RETRY_SECONDS: Final = 1
RETRY_LATER: Final = (429, 503)
_BY_STATUS: Final = {
    404: ("not_found", "There is nothing at this address. /docs.json describes the API."),
    405: ("method_not_allowed", "This address does not take this method; the Allow header names those it takes."),
    413: ("body_too_large", "The body is too large."),
    429: ("overloaded", "The server has more requests than it can answer in time. Try again later."),
    503: ("not_ready", "The server is not ready yet. Try again in a moment; /readyz says when it is."),
    504: ("timeout", "The request took too long."),
}
_INTERNAL: Final = "The request could not be answered because of a fault on the server, which has been logged."


CODE: Final = "twinlens.problem"
"""Key of a request's scope under which the code of the problem that it was answered with is left for the metrics."""


class ProblemResponse(Response):
    """An error as it is answered."""

    media_type = MEDIA_TYPE

    def __init__(self, error: TwinlensError, headers: Mapping[str, str] | None = None) -> None:
        self._code = error.code
        headers = {"Cache-Control": "no-store", **(headers or {})}
        if error.status in RETRY_LATER:
            headers["Retry-After"] = str(error.retry_seconds or _RETRY_SECONDS)
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        super().__init__(json.dumps(body(error)).encode(), error.status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        scope[CODE] = self._code
        await super().__call__(scope, receive, send)


def body(error: TwinlensError) -> dict[str, Any]:
    """The members of a problem: type, title, status, detail and code, and the id of the request being answered."""
    return {
        "type": TYPE_PREFIX + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": REQUEST_ID.get(),
    }


def problem(error: Exception) -> ProblemResponse:
    """The answer to an exception of any kind; logs it if it is a fault of the server."""
    headers: Mapping[str, str] | None = None
    if isinstance(error, HTTPException):
        status, headers = error.status_code, error.headers
    elif isinstance(error, BentoMLException):
        status = error.error_code.value
    else:
        status = 500
    if isinstance(error, TwinlensError) and error.status != 500:
        return ProblemResponse(error)
    if status in _BY_STATUS:
        return ProblemResponse(TwinlensError(*_BY_STATUS[status]), headers)
    if 400 <= status < 500:
        return ProblemResponse(TwinlensError("invalid_request", "The request cannot be read."))
    logger.error("A request failed: %s", error, exc_info=error)
    return ProblemResponse(TwinlensError("internal", _INTERNAL))


async def handle(_: Request, error: Exception) -> Response:
    """The same, as Starlette calls its exception handlers."""
    return problem(error)


def schema() -> dict[str, Any]:
    """The JSON Schema of a problem, for the OpenAPI document."""
    return {
        "type": "object",
        "description": "RFC 9457 problem details.",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "additionalProperties": False,
        "properties": {
            "type": {"type": "string", "format": "uri", "description": f"{TYPE_PREFIX}CODE"},
            "title": {"type": "string", "description": "The same for every problem of one code."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What was wrong, and what to do."},
            "code": {
                "type": "string",
                "description": "Stable: match on this.",
                "enum": sorted(code for code, meaning in CODES.items() if meaning.status != 500 or code == "internal"),
            },
            "request_id": {"type": "string", "description": "As in the X-Request-Id header; the log has it too."},
        },
    }

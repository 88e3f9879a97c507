"""The log: one line an event, as text or as one JSON object, each with the id of the request that it belongs to.

A request's id is taken from its ``X-Request-Id`` header where that is well formed, so that one id can be followed
through several services, and made otherwise. It stands in the answer's header and in every problem too.
"""

from __future__ import annotations

import contextvars
import json
import logging
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

HEADER: Final = b"x-request-id"
REQUEST_ID: Final[contextvars.ContextVar[str | None]] = contextvars.ContextVar("request_id", default=None)
"""The id of the request that the running task answers."""
FIELDS: Final = "fields"
"""Name of a log record's ``extra`` that holds members of the JSON object of their own."""
_WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_TEXT: Final = "%(asctime)s [%(levelname)s] [%(name)s] %(message)s"
_DATE: Final = "%Y-%m-%dT%H:%M:%S%z"
_LOGGERS: Final = (None, "bentoml", "uvicorn.error", "circus")


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The id of a request: the one that it brought, if it can stand in a log, or a new one."""
    for name, value in headers:
        if name == HEADER and _WELL_FORMED.fullmatch(value):
            return value.decode("ascii")
    return os.urandom(16).hex()


class TextFormatter(logging.Formatter):
    """One line of text, and after it a traceback if there is one."""

    def __init__(self) -> None:
        super().__init__(_TEXT, _DATE)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line, with the request's id at its end."""
        found = REQUEST_ID.get()
        return super().formatMessage(record) + (f" (request {found})" if found else "")


class JsonFormatter(logging.Formatter):
    """One JSON object on one line, whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """The object: time, level, logger and message, then what there is of request id, fields and traceback."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if found := REQUEST_ID.get():
            content["request_id"] = found
        content |= getattr(record, FIELDS, {})
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=False, default=str)


def configure(form: str) -> None:
    """Let every handler that BentoML has set up write our lines.

    :param form: ``text`` or ``json``.
    """
    formatter = JsonFormatter() if form == "json" else TextFormatter()
    for name in _LOGGERS:
        each = logging.getLogger(name)
        for handler in each.handlers:
            handler.setFormatter(formatter)
        if name is not None and each.handlers:
            each.propagate = False  # BentoML has the same handler at the root, which would write the line again

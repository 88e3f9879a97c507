"""What every part of the OpenAPI document is put together from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from twinlens.errors import CODES
from twinlens.http import problems
from twinlens.http.request import IMAGE_FIELD

REF: Final = "#/components/schemas/{model}"
"""Where a schema stands, by its name."""
BINARY: Final = {"type": "string", "contentMediaType": "application/octet-stream"}
"""Bytes, of an image."""
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
}


def text(description: str) -> dict[str, Any]:
    """An answer of plain text."""
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


def ref(name: str) -> dict[str, str]:
    """A schema of the document, by its name."""
    return {"$ref": REF.format(model=name)}


def image_form(fields: dict[str, Any]) -> dict[str, Any]:
    """A form, multipart/form-data, with an image as a file and other fields that may be left out.

    :param fields: schemas of the other fields, by name.
    """
    image = BINARY | {"description": "The image, as a file with a name."}
    return {
        "multipart/form-data": {
            "schema": {"type": "object", "required": [IMAGE_FIELD], "properties": {IMAGE_FIELD: image, **fields}},
            "encoding": {IMAGE_FIELD: {"contentType": "application/octet-stream, image/*"}},
        }
    }


def problem_responses(codes: Iterable[str]) -> dict[str, Any]:
    """The answers, by their status, that are problems of these codes."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(CODES[code].status, []).append(code)
    return {
        str(status): {
            "description": "; ".join(f"`{code}`: {CODES[code].title}" for code in codes),
            "content": {problems.MEDIA_TYPE: {"schema": ref("Problem")}},
            **({"headers": _RETRY_AFTER} if status in problems.RETRY_LATER else {}),
        }
        for status, codes in sorted(by_status.items())
    }

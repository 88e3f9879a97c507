"""What every part of the OpenAPI document is put together from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from twinlens.errors import CODES
from twinlens.http import problems

REF: Final = "#/components/schemas/{model}"
"""Where a schema stands, by its name."""
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
}


def text(description: str) -> dict[str, Any]:
    """An answer of plain text."""
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


def ref(name: str) -> dict[str, str]:
    """A schema of the document, by its name."""
    return {"$ref": REF.format(model=name)}


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

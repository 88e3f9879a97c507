"""Send spans to a collector as OTLP over HTTP in its JSON encoding.

The encoding is that of https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. The exporter that
OpenTelemetry publishes would add six packages to the serving environment for this one request.
"""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

logger = logging.getLogger("twinlens")

_SAMPLED: Final = 1


class JsonExporter(SpanExporter):
    """Posts spans to one address.

    :param endpoint: the whole address, ``http://collector:4318/v1/traces``.
    :param headers: sent with each post, such as a collector's credentials.
    :param timeout: seconds for one post.
    :raises ValueError: if the address is not one of HTTP.
    """

    def __init__(self, endpoint: str, headers: Mapping[str, str], timeout: float) -> None:
        if not endpoint.startswith(("http://", "https://")):
            raise ValueError(f"{endpoint!r} begins neither with http:// nor with https://")
        self._endpoint = endpoint
        self._headers = {**headers, "Content-Type": "application/json"}
        self._timeout = timeout
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; those that a collector does not take are lost, and the log says so once."""
        body = json.dumps(encoded(spans)).encode()
        asked = urllib.request.Request(self._endpoint, body, self._headers, method="POST")
        try:
            with urllib.request.urlopen(asked, timeout=self._timeout):
                pass
        except (OSError, ValueError) as error:  # no connection, no time, or an answer that refuses
            if not self._failing:
                logger.warning("Traces are lost: %s does not take them: %s.", self._endpoint, error)
            self._failing = True
            return SpanExportResult.FAILURE
        self._failing = False
        return SpanExportResult.SUCCESS


def encoded(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """An ``ExportTraceServiceRequest`` ready for JSON; all spans are of one process, so of one resource."""
    by_scope: dict[str, list[dict[str, Any]]] = {}
    for span in spans:
        name = span.instrumentation_scope.name if span.instrumentation_scope else ""
        by_scope.setdefault(name, []).append(_span(span))
    resource = {"attributes": _attributes(spans[0].resource.attributes)} if spans else {}
    scopes = [{"scope": {"name": name}, "spans": found} for name, found in by_scope.items()]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None
    message = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "flags": _SAMPLED,
        "name": span.name,
        "kind": span.kind.value + 1,  # OTLP's 0 is a kind that was not given
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": {"code": span.status.status_code.value},
    }
    if span.parent is not None:
        message["parentSpanId"] = f"{span.parent.span_id:016x}"
    if context.trace_state:
        message["traceState"] = context.trace_state.to_header()
    return message


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"stringValue": str(value)}

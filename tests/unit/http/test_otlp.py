import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from twinlens.http.otlp import JsonExporter, encoded


@pytest.fixture
def spans():
    """An outer span of a server and an inner one, the inner ended first."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "tested"}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("tracer")
    values = {"text": "é", "whole": 2**40, "part": 0.5, "flag": True, "many": ["a", "b"]}
    with tracer.start_as_current_span("outer", kind=SpanKind.SERVER, start_time=1_000) as outer:
        inner = tracer.start_span("inner", start_time=2_000, attributes=values)
        inner.set_status(StatusCode.ERROR)
        inner.end(3_000)
        outer.end(4_000)
    provider.shutdown()
    return kept.get_finished_spans()


def test_the_encoding_is_that_of_otlp(spans):
    message = json.loads(json.dumps(encoded(spans)))
    (resource,) = message["resourceSpans"]
    assert resource["resource"] == {"attributes": [{"key": "service.name", "value": {"stringValue": "tested"}}]}
    (scope,) = resource["scopeSpans"]
    assert scope["scope"] == {"name": "tracer"}
    inner, outer = scope["spans"]
    assert len(outer["traceId"]) == 32 and len(outer["spanId"]) == 16
    assert inner["traceId"] == outer["traceId"] and inner["parentSpanId"] == outer["spanId"]
    assert "parentSpanId" not in outer
    assert (outer["kind"], inner["kind"]) == (2, 1)  # SPAN_KIND_SERVER, SPAN_KIND_INTERNAL
    assert (outer["startTimeUnixNano"], inner["endTimeUnixNano"]) == ("1000", "3000")
    assert (outer["status"], inner["status"]) == ({"code": 0}, {"code": 2})
    assert {each["key"]: each["value"] for each in inner["attributes"]} == {
        "text": {"stringValue": "é"},
        "whole": {"intValue": str(2**40)},
        "part": {"doubleValue": 0.5},
        "flag": {"boolValue": True},
        "many": {"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}},
    }


def test_no_spans_are_an_empty_message():
    assert encoded([]) == {"resourceSpans": [{"resource": {}, "scopeSpans": []}]}


@pytest.fixture
def refusing():
    """A collector that answers 503 until it is told otherwise."""

    class Refusing(BaseHTTPRequestHandler):
        status = 503

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(type(self).status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", Refusing
        server.shutdown()
        thread.join()


def test_a_collector_that_refuses_is_named_once_and_again_after_it_took_some(refusing, spans, caplog):
    endpoint, handler = refusing
    exporter = JsonExporter(endpoint, {}, 10)
    for status, expected, lines in ((503, False, 1), (503, False, 1), (200, True, 1), (503, False, 2)):
        handler.status = status
        assert (exporter.export(spans) is SpanExportResult.SUCCESS) == expected
        assert caplog.text.count("Traces are lost") == lines
    assert endpoint in caplog.text


def test_an_address_of_another_kind_is_refused():
    for endpoint in ("collector:4317", "file:///etc/passwd", "unix:///run/x"):
        with pytest.raises(ValueError, match="begins neither"):
            JsonExporter(endpoint, {}, 10)

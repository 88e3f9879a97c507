"""Traces of a real server, received by a collector that is a few lines of this file."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.integration.crowd import PHOTOS
from tests.servers import running

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STAGES = {"decode queue", "decode", "inference queue", "inference"}


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP, JSON, and keeps it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.received = []

    def spans(self):
        """Every span so far, by the trace that it belongs to."""
        by_trace = {}
        for _, message in list(self.received):
            for resource in message["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        by_trace.setdefault(span["traceId"], []).append(span)
        return by_trace


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), json.loads(body)))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def collector():
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def traced(made, collector):
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20secret",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with running({**made, **settings}) as server:
        yield server


def received(collector, trace):
    """The spans of one trace by their name, once its request's is there: it ends last."""
    deadline = time.monotonic() + 60
    while not any(span["kind"] == 2 for span in collector.spans().get(trace, [])):
        assert time.monotonic() < deadline, "no span arrived"
        time.sleep(0.05)
    return {span["name"]: span for span in collector.spans()[trace]}


def attributes(span):
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_a_request_is_a_span_within_its_clients_trace_and_holds_one_for_each_stage(traced, collector):
    answer = httpx.post(
        f"{traced.url}/v1/classify", content=PHOTOS["red"], headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}
    )
    assert answer.status_code == 200
    spans = received(collector, TRACE)
    assert set(spans) == {"POST /v1/classify", *STAGES}
    request = spans.pop("POST /v1/classify")
    assert request["parentSpanId"] == PARENT
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/v1/classify",
        "http.response.status_code": "200",
        "twinlens.request_id": answer.headers["x-request-id"],
    }

    def times(span):
        return int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])

    for span in spans.values():
        assert span["parentSpanId"] == request["spanId"]
        assert times(span)[0] <= times(span)[1]
    order = [times(spans[name])[0] for name in ("decode queue", "decode", "inference queue", "inference")]
    assert order == sorted(order)
    assert times(spans["inference"])[1] - times(spans["decode queue"])[0] <= times(request)[1] - times(request)[0]
    assert abs(times(request)[0] / 1e9 - time.time()) < 600
    assert attributes(spans["inference"]) == {"twinlens.batch_size": "1"}


def test_an_error_says_its_code(traced, collector):
    trace = TRACE[::-1]
    httpx.post(f"{traced.url}/v1/classify", content=b"x", headers={"traceparent": f"00-{trace}-{PARENT}-01"})
    spans = received(collector, trace)
    found = attributes(spans["POST /v1/classify"])
    assert (found["http.response.status_code"], found["error.type"]) == ("422", "not_an_image")
    assert set(spans) == {"POST /v1/classify", "decode queue", "decode"}


def test_what_a_client_does_not_sample_and_probes_are_not_sent(traced, collector):
    unsampled, later = "1" * 32, "2" * 32
    httpx.post(
        f"{traced.url}/v1/classify", content=PHOTOS["red"], headers={"traceparent": f"00-{unsampled}-{PARENT}-00"}
    )
    for path in ("/readyz", "/livez", "/metrics"):
        httpx.get(traced.url + path, headers={"traceparent": f"00-{unsampled}-{PARENT}-01"})
    httpx.get(f"{traced.url}/v1/model", headers={"traceparent": f"00-{later}-{PARENT}-01"})
    received(collector, later)
    assert unsampled not in collector.spans()


def test_the_resource_and_the_headers_are_as_the_environment_says(traced, collector):
    httpx.get(f"{traced.url}/v1/model", headers={"traceparent": f"00-{'3' * 32}-{PARENT}-01"})
    received(collector, "3" * 32)
    headers, message = collector.received[-1]
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Content-Type"] == "application/json"
    (resource,) = message["resourceSpans"]
    found = attributes(resource["resource"])
    assert (found["service.name"], found["deployment.environment.name"]) == ("twinlens", "test")


def test_a_collector_that_is_away_costs_spans_and_no_requests(made):
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with running({**made, **settings}) as server:
        for _ in range(5):
            assert httpx.post(f"{server.url}/v1/classify", content=PHOTOS["red"]).status_code == 200
            time.sleep(0.1)
        deadline = time.monotonic() + 60
        while "Traces are lost" not in server.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert server.log.read_text().count("Traces are lost") == 1

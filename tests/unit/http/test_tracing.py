import time

import pytest
from opentelemetry import trace

from twinlens.http import tracing

BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
SCOPE = {"method": "POST", "path": "/v1/classify", "headers": [(b"host", b"x")]}


@pytest.fixture(autouse=True)
def stopped():
    yield
    tracing.stop()


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [
        ({}, None),
        ({BASE: ""}, None),
        ({BASE: "http://c:4318"}, "http://c:4318/v1/traces"),
        ({BASE: "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({BASE: "http://c/otlp", "OTEL_TRACES_EXPORTER": "otlp"}, "http://c/otlp/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/here", BASE: "http://d"}, "http://c/here"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "http://localhost:4318/v1/traces"),
        ({BASE: "http://c", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({BASE: "http://c", "OTEL_SDK_DISABLED": "true"}, None),
        ({BASE: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http://c/v1/traces"),
    ],
)
def test_where_traces_go_is_what_the_environment_says(environment, endpoint, caplog):
    caplog.set_level("INFO", "twinlens")
    assert tracing.start(environment) == (endpoint is not None)
    assert f"Traces go to {endpoint}." in caplog.text or endpoint is None


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({BASE: "http://c", "OTEL_TRACES_EXPORTER": "zipkin"}, "'zipkin'"),
        ({BASE: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        ({BASE: "collector:4317"}, "'collector:4317/v1/traces'"),
        ({BASE: "http://c", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "'soon'"),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_is_traced(environment, said, caplog):
    assert not tracing.start(environment)
    assert "Nothing is traced" in caplog.text and said in caplog.text


def test_when_it_is_off_nothing_is_recorded():
    with tracing.request(SCOPE, "/v1/classify", "id") as span:
        assert span is trace.INVALID_SPAN and not tracing.recording()
        tracing.record("decode", 0, 1)
        tracing.answered(span, 500, "internal")


def test_a_request_is_recorded_and_a_probe_is_not():
    tracing.start({BASE: "http://127.0.0.1:9"})
    assert not tracing.recording()
    with tracing.request(SCOPE, "/livez", "id"):
        assert not tracing.recording()
    with tracing.request(SCOPE, "/v1/classify", "id") as span:
        assert tracing.recording()
        tracing.record("decode", time.perf_counter_ns() - 1000, time.perf_counter_ns())
        tracing.answered(span, 504, "timeout")
        assert span.attributes["error.type"] == "timeout"
        assert not span.status.is_ok
    assert not tracing.recording()


def test_it_starts_once():
    assert tracing.start({BASE: "http://127.0.0.1:9"})
    first = tracing._provider
    assert tracing.start({BASE: "http://127.0.0.1:10"})
    assert tracing._provider is first

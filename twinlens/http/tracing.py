"""OpenTelemetry traces: a span for each request, and within it one for each queue, decode and inference.

Off unless the standard ``OTEL_*`` variables ask for it; then spans go to a collector by :mod:`twinlens.http.otlp`. A
``traceparent`` header is honoured. Spans of the stages are recorded once they are over, with the times at which a
thread began and ended them, so that no context travels between threads.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from twinlens.http.metrics import PROBES

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

logger = logging.getLogger("twinlens")

_DEFAULT_ENDPOINT: Final = "http://localhost:4318"
_SERVICE: Final = "twinlens"
_FLUSH_SECONDS: Final = 1.5

_provider: TracerProvider | None = None


class _Headers(Getter[Mapping[str, str]]):
    """Reads a request's headers as the propagator wants them."""

    def get(self, carrier: Mapping[str, str], key: str) -> list[str] | None:
        return [carrier[key]] if key in carrier else None

    def keys(self, carrier: Mapping[str, str]) -> list[str]:
        return list(carrier)


_headers: Final = _Headers()
_propagator: Final = TraceContextTextMapPropagator()


def start(environment: Mapping[str, str] | None = None) -> bool:
    """Begin to trace if the environment asks for it, once per process.

    :param environment: variables to read where a collector is; the process's own by default. The SDK reads its own
        (``OTEL_TRACES_SAMPLER``, ``OTEL_RESOURCE_ATTRIBUTES``, ``OTEL_BSP_*``) from the process.
    :return: whether requests are traced.
    """
    global _provider
    environment = os.environ if environment is None else environment
    endpoint = _endpoint(environment)
    if endpoint is None or _provider is not None:
        return _provider is not None
    # The SDK and its exporter are needed here alone, and take their time to import.
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.util.re import parse_env_headers

    from twinlens.http.otlp import JsonExporter

    named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    headers = _of_traces(environment, "HEADERS") or ""
    timeout = _of_traces(environment, "TIMEOUT") or "10"
    try:
        exporter = JsonExporter(endpoint, parse_env_headers(headers, liberal=True), float(timeout))
    except ValueError as error:
        logger.error("Nothing is traced: OTEL_EXPORTER_OTLP_ENDPOINT or _TIMEOUT cannot be used: %s.", error)
        return False
    resource = Resource.create({} if named else {"service.name": _SERVICE})
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    logger.info("Traces go to %s.", endpoint)
    return True


def stop() -> None:
    """Send what is left if a collector takes it soon, and trace no more."""
    global _provider
    if _provider is not None:
        # The SDK would wait for half a minute, and the process is about to end.
        sending = threading.Thread(target=_provider.shutdown, daemon=True)
        sending.start()
        sending.join(_FLUSH_SECONDS)
    _provider = None


@contextlib.contextmanager
def request(scope: MutableMapping[str, Any], route: str, request_id: str) -> Iterator[trace.Span]:
    """The span of one HTTP request, the current one while the block lasts; probes have none.

    :param scope: the request's ASGI scope.
    :param route: one of a fixed set of names.
    :param request_id: what the log knows it by.
    """
    if _provider is None or route in PROBES:
        yield trace.INVALID_SPAN
        return
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    with _provider.get_tracer(_SERVICE).start_as_current_span(
        f"{scope['method']} {route}",
        _propagator.extract(headers, getter=_headers),
        SpanKind.SERVER,
        {"http.request.method": scope["method"], "http.route": route, "twinlens.request_id": request_id},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def answered(span: trace.Span, status: int, code: str | None) -> None:
    """Say how a request was answered.

    :param code: of the problem, if it was one.
    """
    if span.is_recording():
        span.set_attribute("http.response.status_code", status)
        if code is not None:
            span.set_attribute("error.type", code)
        if status >= 500 or not status:
            span.set_status(StatusCode.ERROR)


def recording() -> bool:
    """Whether the request of the running task is traced."""
    return _provider is not None and trace.get_current_span().is_recording()


def record(name: str, started: int, ended: int, attributes: Mapping[str, int] | None = None) -> None:
    """Add a span of a stage that is over to the current request's.

    :param started: when it began, in nanoseconds of :func:`time.perf_counter_ns`.
    :param ended: when it ended.
    """
    if _provider is None:
        return
    since_epoch = time.time_ns() - time.perf_counter_ns()
    span = _provider.get_tracer(_SERVICE).start_span(name, start_time=started + since_epoch, attributes=attributes)
    span.end(ended + since_epoch)


def _endpoint(environment: Mapping[str, str]) -> str | None:
    """The address that traces are to be sent to, if they are to be sent at all."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    whole = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none":
        return None
    if not (whole or base or exporter == "otlp"):
        return None
    if exporter not in ("", "otlp"):
        logger.error("Nothing is traced: OTEL_TRACES_EXPORTER is %r; it may be otlp or none.", exporter)
        return None
    if _of_traces(environment, "PROTOCOL") == "grpc":
        logger.error(
            "Nothing is traced: OTEL_EXPORTER_OTLP_PROTOCOL is grpc; traces are sent as http/json (port 4318)."
        )
        return None
    return whole or f"{(base or _DEFAULT_ENDPOINT).rstrip('/')}/v1/traces"


def _of_traces(environment: Mapping[str, str], name: str) -> str | None:
    """A variable of the exporter: the one for traces, else the one for everything."""
    return environment.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or environment.get(f"OTEL_EXPORTER_OTLP_{name}")

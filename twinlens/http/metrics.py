"""What the server counts and times, for Prometheus.

Every label takes its values from a set that is fixed beforehand: the routes below rather than the path that was asked
for, the known methods, our own error codes. A client cannot make a new series.
"""

from __future__ import annotations

import functools
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

API_ROUTES: Final = ("/v1/classify", "/v1/model", "/livez", "/readyz", "/metrics", "/docs.json", "/schema.json")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)


class Metrics:
    """The server's metrics, made once per process.

    :param registry: where they are registered; the process's own by default.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._requests = Counter(
            "twinlens_http_requests",
            "HTTP requests answered, by route, method and status.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "twinlens_http_request_seconds",
            "Seconds from a request's first byte to the end of its answer, by route.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_progress = Gauge(
            "twinlens_http_requests_in_progress",
            "HTTP requests being answered now.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.problems = Counter(
            "twinlens_problems", "Errors answered, by their stable code.", ["code"], registry=registry
        )
        self.batch_size = Histogram(
            "twinlens_batch_size", "Images in one run of the network.", buckets=_SIZES, registry=registry
        )
        self.decode_seconds = Histogram(
            "twinlens_decode_seconds",
            "Seconds to decode and resample one image.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.inference_seconds = Histogram(
            "twinlens_inference_seconds", "Seconds of one run of the network.", buckets=_SECONDS, registry=registry
        )
        self.model = Gauge(
            "twinlens_model_info",
            "1 for the model in use.",
            ["name", "version", "digest"],
            multiprocess_mode="livemax",
            registry=registry,
        )

    def answered(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        name = route(path, status)
        self._requests.labels(name, method if method in _METHODS else "other", str(status)).inc()
        self._seconds.labels(name).observe(seconds)


@functools.cache
def of_process() -> Metrics:
    """The metrics of this process, made when first asked for: names can be registered once only."""
    return Metrics()


def route(path: str, status: int) -> str:
    """The route that a path is counted under.

    :param status: of the answer; a file's path is told from an invented one by it.
    """
    if path in API_ROUTES:
        return path
    if status >= 400:
        return "other"
    return "model file" if path.startswith("/model/") else "page"

"""What the server counts and times, for Prometheus.

Every label takes its values from a set that is fixed beforehand: the routes below rather than the path that was asked
for, the known methods, our own error codes. A client cannot make a new series.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import mark_process_dead

API_ROUTES: Final = (
    *("/v1/classify", "/v1/similar", "/v1/model"),
    *("/livez", "/readyz", "/metrics", "/docs.json", "/schema.json"),
)
PROBES: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""Routes that machines ask every few seconds, which are neither logged nor traced."""
LANES: Final = ("decode", "decode_large", "inference", "search")
SHED_REASONS: Final = ("full", "arriving", "deadline", "disconnected", "shutdown")
"""Why a photo was not answered: too many in hand, or arriving; too late, nobody there any more, or the end."""
_LIVE_GAUGE: Final = re.compile(r"gauge_live\w*_(\d+)\.db")
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
            "Seconds from the end of a request's headers to the end of its answer, by route.",
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
        self.queue_depth = Gauge(
            "twinlens_queue_depth",
            "Photos that wait, by the lane that they wait for.",
            ["lane"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.queue_seconds = Histogram(
            "twinlens_queue_seconds",
            "Seconds that a photo waited, by the lane that it waited for.",
            ["lane"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.photos_in_hand = Gauge(
            "twinlens_photos_in_hand",
            "Photos that have arrived and are not answered yet.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.photos_in_hand_limit = Gauge(
            "twinlens_photos_in_hand_limit",
            "Photos in hand at which more are shed.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._shed = Counter(
            "twinlens_shed", "Photos that were not answered, by reason.", ["reason"], registry=registry
        )
        self.draining = Gauge(
            "twinlens_draining",
            "1 while the server takes its last connections.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        # Rates and alerts need the zero that stood there before the first event.
        for lane in LANES:
            self.queue_depth.labels(lane)
            self.queue_seconds.labels(lane)
        for reason in SHED_REASONS:
            self._shed.labels(reason)
        self.model = Gauge(
            "twinlens_model_info",
            "1 for the model in use.",
            ["name", "version", "digest"],
            multiprocess_mode="livemax",
            registry=registry,
        )

    def shed(self, reason: str) -> None:
        """Count one photo that was not answered.

        :param reason: one of :data:`SHED_REASONS`.
        """
        self._shed.labels(reason).inc()

    def answered(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        name = route(path, status)
        self._requests.labels(name, method if method in _METHODS else "other", str(status)).inc()
        self._seconds.labels(name).observe(seconds)


@functools.cache
def of_process() -> Metrics:
    """The metrics of this process, made when first asked for: names can be registered once only."""
    return Metrics()


def forget_dead_workers() -> None:
    """Drop the gauges of workers that were killed: what they had in hand would be counted for ever.

    Does nothing where there is one process, whose gauges end with it.
    """
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return
    for file in Path(folder).glob("gauge_live*.db"):
        found = _LIVE_GAUGE.fullmatch(file.name)
        if found and not psutil.pid_exists(int(found[1])):
            mark_process_dead(int(found[1]))  # type: ignore[no-untyped-call]


def route(path: str, status: int) -> str:
    """The route that a path is counted under.

    :param status: of the answer; a file's path is told from an invented one by it.
    """
    if path in API_ROUTES:
        return path
    if status >= 400:
        return "other"
    return "model file" if path.startswith("/model/") else "page"

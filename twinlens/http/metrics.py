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
FEEDBACK_ROUTES: Final = ("/v1/feedback", "/v1/feedback/{id}/photo", "/v1/feedback/{id}/decision")
"""The API's further routes where the server takes feedback, as Starlette writes them."""
PROBES: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""Routes that machines ask every few seconds, which are neither logged nor traced."""
LANES: Final = ("decode", "decode_large", "inference", "search")
SHED_REASONS: Final = ("full", "arriving", "deadline", "disconnected", "shutdown")
"""Why a photo was not answered: too many in hand, or arriving; too late, nobody there any more, or the end."""
FEEDBACK_OUTCOMES: Final = (
    "accepted",
    "replaced",
    "replayed",
    "feedback_rate",
    "feedback_quota",
    "feedback_full",
    "feedback_unavailable",
    "unknown_label",
    "other",
)
"""What became of feedback: taken, or refused for a reason that stands here by its code or is another one."""
_OF_ONE_FEEDBACK: Final = re.compile(r"/v1/feedback/[^/]+/(photo|decision)")
PUBLICATION_OUTCOMES: Final = ("taken", "refused")
"""Taken up, or broken: then the server goes on with the version that it has."""
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
        self._feedback = Counter(
            "twinlens_feedback", "Feedback that visitors sent, by what became of it.", ["outcome"], registry=registry
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
        for outcome in FEEDBACK_OUTCOMES:
            self._feedback.labels(outcome)
        self._model = Gauge(
            "twinlens_model_info",
            "1 for the model in use, 0 for one that was.",
            ["name", "version", "digest"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._in_use: tuple[str, str, str] | None = None
        self._published = Counter(
            "twinlens_model_publications",
            "Versions that were published while the server ran, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        for outcome in PUBLICATION_OUTCOMES:
            self._published.labels(outcome)

    def model_in_use(self, name: str, version: str, digest: str) -> None:
        """Say which model answers from now on.

        The one before stays as a 0, since what several processes share cannot lose a series.
        """
        if self._in_use is not None:
            self._model.labels(*self._in_use).set(0)
        self._in_use = (name, version, digest)
        self._model.labels(*self._in_use).set(1)

    def published(self, outcome: str) -> None:
        """Count one version that was published while the server ran.

        :param outcome: one of :data:`PUBLICATION_OUTCOMES`.
        """
        self._published.labels(outcome).inc()

    def shed(self, reason: str) -> None:
        """Count one photo that was not answered.

        :param reason: one of :data:`SHED_REASONS`.
        """
        self._shed.labels(reason).inc()

    def feedback(self, outcome: str) -> None:
        """Count one word of feedback.

        :param outcome: one of :data:`FEEDBACK_OUTCOMES`; any other code counts as ``other``.
        """
        self._feedback.labels(outcome if outcome in FEEDBACK_OUTCOMES else "other").inc()

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
    if path in API_ROUTES or path == FEEDBACK_ROUTES[0]:
        return path
    if found := _OF_ONE_FEEDBACK.fullmatch(path):
        return f"/v1/feedback/{{id}}/{found[1]}"
    if status >= 400:
        return "other"
    return "model file" if path.startswith("/model/") else "page"

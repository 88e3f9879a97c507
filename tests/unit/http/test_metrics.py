import os
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from twinlens.http.metrics import (
    FEEDBACK_OUTCOMES,
    LANES,
    SHED_REASONS,
    Metrics,
    forget_dead_workers,
    of_process,
    route,
)


@pytest.mark.parametrize(
    ("path", "status", "name"),
    [
        ("/v1/classify", 200, "/v1/classify"),
        ("/v1/classify", 422, "/v1/classify"),
        ("/metrics", 200, "/metrics"),
        ("/", 200, "page"),
        ("/assets/index-abc.js", 304, "page"),
        ("/model/current", 200, "model file"),
        ("/model/invented", 404, "other"),
        ("/v1/classify/", 404, "other"),
        ("/wp-login.php", 404, "other"),
        ("/v1/feedback", 201, "/v1/feedback"),
        ("/v1/feedback/invented/photo", 404, "/v1/feedback/{id}/photo"),
        ("/v1/feedback/invented/decision", 200, "/v1/feedback/{id}/decision"),
        ("/v1/feedback/invented/more", 404, "other"),
        ("/v1/feedback/a/b/photo", 404, "other"),
    ],
)
def test_paths_are_counted_under_a_fixed_set_of_routes(path, status, name):
    assert route(path, status) == name


def series(registry):
    return {line.split(b" ")[0] for line in generate_latest(registry).splitlines() if not line.startswith(b"#")}


def test_a_client_cannot_make_a_series():
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.answered("/", "GET", 200, 0.1)
    for method in ("GET", "INVENTED"):
        metrics.answered("/invented", method, 404, 0.1)
    metrics.feedback("invented")
    before = series(registry)
    for number in range(100):
        metrics.answered(f"/invented-{number}", f"INVENT{number}", 404, 0.1)
        metrics.answered(f"/model/v{number}/x", "GET", 404, 0.1)
        metrics.feedback(f"invented-{number}")
    assert series(registry) == before
    assert not any(b"nvent" in name for name in before)


def test_a_process_has_one_set():
    assert of_process() is of_process()


def test_what_has_not_happened_yet_stands_there_as_zero():
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for reason in SHED_REASONS:
        assert registry.get_sample_value("twinlens_shed_total", {"reason": reason}) == 0
    for outcome in FEEDBACK_OUTCOMES:
        assert registry.get_sample_value("twinlens_feedback_total", {"outcome": outcome}) == 0
    for lane in LANES:
        assert registry.get_sample_value("twinlens_queue_depth", {"lane": lane}) == 0
    metrics.shed("full")
    assert registry.get_sample_value("twinlens_shed_total", {"reason": "full"}) == 1


def test_the_gauges_of_a_worker_that_was_killed_are_forgotten_and_its_counters_are_not(tmp_path, monkeypatch):
    """Two processes count; one of them is killed, and what the folder then says is what a third would show."""
    script = (
        "import os, signal; from twinlens.http.metrics import of_process; metrics = of_process()\n"
        "metrics.photos_in_hand.inc(3); metrics.shed('full')\n"
        "print(flush=True); os.read(0, 1)"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    def shown():
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        full = registry.get_sample_value("twinlens_shed_total", {"reason": "full"})
        return registry.get_sample_value("twinlens_photos_in_hand"), full

    workers = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for worker in workers:
        worker.stdout.readline()
    workers[0].kill()
    workers[0].communicate()
    assert shown() == (6, 2)
    forget_dead_workers()
    assert shown() == (3, 2)
    workers[1].communicate(b"x")


def test_where_there_is_one_process_nothing_is_forgotten(monkeypatch):
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    forget_dead_workers()

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from twinlens.http.metrics import Metrics, of_process, route


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
    before = series(registry)
    for number in range(100):
        metrics.answered(f"/invented-{number}", f"INVENT{number}", 404, 0.1)
        metrics.answered(f"/model/v{number}/x", "GET", 404, 0.1)
    assert series(registry) == before
    assert not any(b"nvent" in name for name in before)


def test_a_process_has_one_set():
    assert of_process() is of_process()

from benchmarks.convert.goals import NAMED, goals, largest_error, stopped_by
from tests.unit.benchmarks.convert.rows import ROWS, failed, route, row


def found() -> dict[str, tuple[float | None, bool]]:
    return {goal.name: (goal.value, goal.met) for goal in goals(ROWS)}


def test_every_named_network_that_was_measured_has_its_goals() -> None:
    names = [goal.name for goal in goals([row(name) for name in NAMED])]
    assert len(NAMED) == 17
    assert names == [
        *(f"{name}_error" for name in NAMED),
        *(f"{name}_seconds" for name in NAMED if name != "vgg16"),
        "networks_passed",
        *(f"speed_ratio_{name}" for name in NAMED),
    ]


def test_errors_count_only_where_every_backend_answers() -> None:
    assert found()["mobilenet_v2_error"] == (3e-6, True)
    assert found()["mobilenet_v3_small_error"] == (None, False)
    assert found()["shufflenet_v2_x1_0_error"] == (None, False)
    assert largest_error(failed("x")) is None


def test_networks_are_counted_if_they_are_right_everywhere() -> None:
    assert found()["networks_passed"] == (3, False)


def test_speed_is_compared_where_the_official_route_runs() -> None:
    assert found()["speed_ratio_mobilenet_v2"] == (1.5, True)
    assert found()["speed_ratio_resnet18"] == (0.9, False)
    assert "speed_ratio_vgg16" not in found() and "speed_ratio_mobilenet_v3_small" not in found()


def test_a_route_that_only_the_official_one_can_go_misses_its_speed() -> None:
    rows = [row("resnet50", failed("x"))]
    assert {goal.name: goal.met for goal in goals(rows)}["speed_ratio_resnet50"] is False


def test_what_stopped_a_network() -> None:
    assert stopped_by(route()) is None
    assert stopped_by(ROWS[2]["direct"]) == "Concat"
    assert stopped_by(ROWS[3]["direct"]) == "cpu: not within 300 s; webgl: off by 2.0e-02"
    assert stopped_by(failed("onnx2tf cannot convert this network: no.")) == "onnx2tf cannot convert this network: no."

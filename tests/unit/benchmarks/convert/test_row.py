from pathlib import Path
from typing import Any

import pytest

from benchmarks.convert import row as rows
from benchmarks.convert.row import Limits, compare, measure, passes
from tests.unit.benchmarks.convert.rows import ROWS, route

RIGHT: dict[str, Any] = {
    "make": {},
    "routes direct": {"seconds": 0.123456, "megabytes": 4.5},
    "routes official": {"seconds": 40.0, "megabytes": 4.6},
    "compare": {"error": 1.2345e-6},
    "time": {
        "direct": {"ms": 20.0, "quartiles": [19.0, 21.0], "runs": 35},
        "official": {"ms": 30.0, "quartiles": [29.0, 31.0], "runs": 35},
        "speed_ratio": 1.51234,
    },
}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch):
    """Answers in place of the steps; gives the list of what was run."""
    ran: list[str] = []

    def play(changes: dict[str, Any]) -> list[str]:
        answers = RIGHT | changes

        def step(module: str, arguments: list[str], limit: float) -> dict[str, Any]:
            name = module.rpartition(".")[2]
            what = {"make": "make", "routes": f"routes {arguments[0]}"}.get(name)
            if what is None:
                what = arguments[0] if arguments[0] == "time" else f"compare {arguments[2]} {arguments[3]}"
            ran.append(" ".join([what, *(arguments[2:] if what == "time" else [])]))
            return answers.get(what, answers["compare"])

        monkeypatch.setattr(rows, "step", step)
        return ran

    return play


def one(tmp_path: Path) -> dict[str, Any]:
    cache, folder = tmp_path / "cache", tmp_path / "graphs" / "resnet18"
    return measure(compare("resnet18", 11.7, 224, folder, cache, Limits()), folder, cache, Limits())


def test_a_network_that_is_right_by_both_routes(steps, tmp_path: Path) -> None:
    ran = steps({})
    found = one(tmp_path)
    assert (found["network"], found["millions"], found["pixels"]) == ("resnet18", 11.7, 224)
    assert found["direct"]["error"] == dict.fromkeys(("wasm", "webgl", "cpu"), 1.23e-6)
    assert (found["direct"]["ms"], found["official"]["ms"]) == (20.0, 30.0)
    assert found["speed_ratio"] == 1.51234, "of the turns, not of the medians"
    assert passes(found["direct"]) and passes(found["official"])
    assert ran[0] == "make" and ran[-4:] == [*["routes direct"] * 3, "time direct official"] and len(ran) == 13


def test_our_conversion_is_timed_when_nothing_runs_beside_it(steps, tmp_path: Path) -> None:
    steps({"routes direct": {"seconds": 9.0, "megabytes": 4.5}})
    beside = compare("resnet18", 11.7, 224, tmp_path / "graphs", tmp_path, Limits())
    steps({})
    timed = measure(beside, tmp_path / "graphs", tmp_path, Limits())
    assert (beside["direct"]["seconds"], timed["direct"]["seconds"]) == (9.0, 0.1235)
    assert beside["direct"]["ms"] is None, "the row that was given is left as it is"
    assert timed["official"]["seconds"] == 40.0


def test_graphs_of_an_earlier_try_are_gone(steps, tmp_path: Path) -> None:
    steps({})
    (tmp_path / "graphs" / "direct").mkdir(parents=True)
    compare("resnet18", 11.7, 224, tmp_path / "graphs", tmp_path, Limits())
    assert list((tmp_path / "graphs").iterdir()) == []


def test_without_an_onnx_graph_neither_route_is_tried(steps, tmp_path: Path) -> None:
    ran = steps({"make": {"failed": "torch cannot export this network to ONNX"}})
    found = one(tmp_path)
    assert ran == ["make"]
    for name in ("direct", "official"):
        assert found[name]["failed"] == "before any route: torch cannot export this network to ONNX"
        assert not passes(found[name])


def test_what_cannot_be_converted_is_not_run(steps, tmp_path: Path) -> None:
    ran = steps({"routes official": {"failed": "onnx2tf cannot convert this network"}})
    found = one(tmp_path)
    assert found["official"]["failed"] == "onnx2tf cannot convert this network"
    assert [what for what in ran if what.startswith("compare official")] == []
    assert ran[-1] == "time direct"
    assert passes(found["direct"]) and found["direct"]["ms"] == 20.0


def test_a_backend_that_fails_is_named_and_wasm_alone_is_timed(steps, tmp_path: Path) -> None:
    ran = steps(
        {
            "compare official wasm": {"failed": "_fusedhardswish activation not yet supported"},
            "compare direct cpu": {"failed": "not within 300 s"},
        }
    )
    found = one(tmp_path)
    assert found["official"]["stopped"] == {"wasm": "_fusedhardswish activation not yet supported"}
    assert found["official"]["ms"] is None
    assert found["direct"]["stopped"] == {"cpu": "not within 300 s"}
    assert not passes(found["direct"]) and not passes(found["official"])
    assert ran[-1] == "time direct"


def test_a_timing_that_fails_says_so(steps, tmp_path: Path) -> None:
    steps({"time": {"failed": "not within 6000 s"}})
    found = one(tmp_path)
    assert found["direct"]["ms"] is None and found["speed_ratio"] is None
    assert found["direct"]["not_timed"] == "not within 6000 s"


def test_passing_is_being_right_on_every_backend() -> None:
    assert [passes(row["direct"]) for row in ROWS] == [True, True, False, False, True]
    assert not passes(route(error={"wasm": 1e-6, "webgl": 1e-6, "cpu": 2e-4}))


@pytest.mark.parametrize(
    ("slow", "seconds"), [({"seconds": 9.0, "megabytes": 4.5}, 0.6), ({"failed": "it was killed"}, None)]
)
def test_one_slow_conversion_of_three_does_not_count(
    steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: dict[str, Any], seconds: float | None
) -> None:
    steps({})
    beside = compare("resnet18", 11.7, 224, tmp_path / "graphs", tmp_path, Limits())
    conversions = iter([{"seconds": 0.5, "megabytes": 4.5}, slow, {"seconds": 0.6, "megabytes": 4.5}])

    def step(module: str, *_: Any) -> dict[str, Any]:
        return next(conversions) if module == "benchmarks.convert.routes" else RIGHT["time"]

    monkeypatch.setattr(rows, "step", step)
    assert measure(beside, tmp_path / "graphs", tmp_path, Limits())["direct"]["seconds"] == seconds

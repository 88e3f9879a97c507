"""What locust is told, what counts as a right answer, and when a run has failed; none of it needs locust."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest import plan
from loadtest.plan import Plan, Shot, Stage, Summary, Thresholds, broken, problem, stage_at

SHOT = Shot("/photos/red.jpg", "photo", "image/jpeg", "red", 0.9)
STAGES = [Stage(10, 2, 1), Stage(5, 8, 4)]


def answer(label: str, score: float) -> str:
    return json.dumps({"predictions": [{"label": label, "score": score}], "model": {}})


def summary(**changes: float) -> Summary:
    found = {"requests": 10, "failed": 0, "wrong": 0, "per_second": 1.0, "p50_ms": 5.0, "p95_ms": 9.0, "visits": 0}
    return {**found, "errors": [], **changes}  # type: ignore[typeddict-item]


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = Plan([SHOT], {"one": 3, "burst": 1}, STAGES, Thresholds(p95_ms=100.0), page=["/", "/a.js"])
    written.write(tmp_path / "deep" / "plan.json")
    assert plan.read(tmp_path / "deep" / "plan.json") == written


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"shots": [{"nothing": 1}], "stages": [], "thresholds": {}}'])
def test_what_is_no_plan_is_named_with_the_command_that_makes_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(ValueError, match=r"plan\.json is no plan of a load test .* python -m loadtest\.photos"):
        plan.read(tmp_path / "plan.json")
    with pytest.raises(ValueError, match="is no plan"):
        plan.read(tmp_path / "not there.json")


@pytest.mark.parametrize(("seconds", "users"), [(0, 2), (9.9, 2), (10, 8), (14.9, 8), (15, None), (99, None)])
def test_stages_follow_one_another_and_then_the_run_ends(seconds: float, users: int | None) -> None:
    stage = stage_at(STAGES, seconds)
    assert (stage and stage.users) == users


def test_the_golden_answer_is_no_problem() -> None:
    assert problem(SHOT, 200, answer("red", 0.9)) is None
    assert problem(SHOT, 200, answer("red", 0.9 + plan.SCORE_TOLERANCE / 2)) is None


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (503, answer("red", 0.9), "status 503"),
        (0, None, "status 0"),
        (200, answer("blue", 0.9), "wrong answer: blue, not red"),
        (200, answer("red", 0.8), "wrong answer: red, but with another score"),
        (200, "<html>", "wrong answer: not of the form that was agreed on"),
        (200, None, "wrong answer: not of the form that was agreed on"),
        (200, '{"predictions": []}', "wrong answer: not of the form that was agreed on"),
        (200, "[]", "wrong answer: not of the form that was agreed on"),
    ],
)
def test_any_other_answer_is_one(status: int, text: str | None, said: str) -> None:
    assert problem(SHOT, status, text) == said


def test_of_other_bytes_only_the_label_must_be_the_same() -> None:
    shrunk = Shot("red.webp", "photo", "image/webp", "red", None)
    assert problem(shrunk, 200, answer("red", 0.1)) is None
    assert problem(shrunk, 200, answer("blue", 0.9)) == "wrong answer: blue, not red"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"wrong": 1}, "1 wrong answers, at most 0 allowed"),
        ({"failed": 2}, "2 failed requests, at most 0 allowed"),
        ({"requests": 0}, "only 0 requests, not 1"),
        ({"p95_ms": 101.0}, "95th percentile of 101 ms, at most 100 ms allowed"),
    ],
)
def test_each_threshold_can_be_broken(changes: dict[str, float], said: str) -> None:
    assert broken(Thresholds(p95_ms=100.0), summary()) == []
    assert broken(Thresholds(p95_ms=100.0), summary(**changes)) == [said]


def test_without_a_limit_any_time_will_do() -> None:
    assert broken(Thresholds(), summary(p95_ms=1e9)) == []


def test_the_plan_needs_nothing_but_the_standard_library() -> None:
    # Locust's environment has neither NumPy nor Pillow in it.
    code = (
        "import sys, loadtest.plan; print({'numpy', 'PIL', 'twinlens'} & {name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert done.stdout.strip() == "set()", done.stderr

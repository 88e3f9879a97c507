import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.results import ROOT, Goal, checkout, commit, machine, portable, result, significant, write_result


@pytest.mark.parametrize(
    ("value", "better", "met"),
    [
        (1.0, "higher", True),
        (0.999, "higher", False),
        (1.0, "lower", True),
        (1.001, "lower", False),
        (None, "lower", False),
        (float("nan"), "higher", False),
    ],
)
def test_a_goal_is_met_at_its_bound_and_beyond(value, better, met) -> None:
    goal = Goal("figure", value, "share", 1.0, better)
    assert goal.met is met
    assert goal.to_json()["met"] is met


def test_a_goal_as_json() -> None:
    assert Goal("mean_difference", 0.00123456, "score", 0.002, "lower").to_json() == {
        "name": "mean_difference",
        "value": 0.001235,
        "unit": "score",
        "goal": 0.002,
        "better": "lower",
        "met": True,
    }
    assert Goal("mean_difference", None, "score", 0.002, "lower").to_json()["value"] is None


def test_rounding_does_not_turn_a_missed_goal_into_a_met_one() -> None:
    assert Goal("agreement", 0.99999, "share", 1.0, "higher").to_json()["met"] is False


def test_significant() -> None:
    assert [significant(value, 3) for value in (0.0, 123456.0, 0.000123456)] == [0.0, 123000.0, 0.000123]


def test_a_result_file_holds_everything_and_can_be_read_by_line(tmp_path: Path) -> None:
    rows = [{"photo": "été.jpg", "difference": 0.1}, {"photo": "b.jpg", "difference": 0.2}]
    goals = [Goal("max_difference", 0.2, "score", 0.02, "lower")]
    content = result("make parity", rows, goals, commit="0123", versions={"chromium": "1"}, facts={"model": "clothing"})
    path = tmp_path / "parity.json"
    write_result(path, content)
    read = json.loads(path.read_text(encoding="utf-8"))
    assert read == content
    assert read["commit"] == "0123"
    assert read["rows"] == rows
    assert read["goals"][0]["met"] is False
    assert {"command", "commit", "machine", "rows", "goals"} <= read.keys()
    assert '    {"photo": "été.jpg", "difference": 0.1},\n' in path.read_text(encoding="utf-8")

    write_result(path, {**content, "rows": []})
    assert json.loads(path.read_text(encoding="utf-8"))["rows"] == []


def test_a_value_that_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_result(tmp_path / "x.json", result("make x", [{"value": float("nan")}], [], commit="0123"))
    assert list(tmp_path.iterdir()) == []


def test_machine() -> None:
    facts = machine({"chromium": "141"})
    assert facts["cores"] >= 1
    assert facts["cpu"]
    assert facts["versions"]["chromium"] == "141"
    assert {"twinlens", "python", "bentoml", "numpy", "onnxruntime", "pillow"} <= facts["versions"].keys()


def test_commit_is_this_checkouts() -> None:
    head = (ROOT / ".git").exists() and commit()
    assert head and len(head.removesuffix("+changes")) == 40


def test_paths_are_relative_to_the_repository() -> None:
    assert portable(ROOT / "docs" / "results") == "docs/results"
    # A folder that is not there: one that is may be a link to elsewhere.
    assert portable(ROOT.parent / "not there" / "photos") == "../not there/photos"


def test_what_measurements_hang_on_tells_one_change_from_another(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(results, "ROOT", tmp_path)
    assert commit() == checkout() == "unknown"

    def git(*arguments: str) -> None:
        named = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        subprocess.run(["git", "-C", str(tmp_path), *named, *arguments], check=True, capture_output=True)

    def write(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    git("init", "--quiet")
    for name, text in {"code.py": "1", "README.md": "1", ".gitignore": "build\n"}.items():
        write(name, text)
    git("add", ".")
    git("commit", "--quiet", "--message", "first", "--no-gpg-sign")
    head = commit()
    for name in ("README.md", "docs/results/server.json", "build/kept.json"):  # what measurements write themselves
        write(name, "2")
    assert commit() == checkout() == head and len(head) == 40
    seen = {head}
    for name, text in (("code.py", "2"), ("code.py", "3"), ("new été.py", "1"), ("new été.py", "22")):
        write(name, text)
        assert commit() == f"{head}+changes"
        seen.add(checkout())
    assert len(seen) == 5

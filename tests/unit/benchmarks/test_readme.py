import json
from pathlib import Path

import pytest

from benchmarks import readme
from benchmarks.readme import filled, goals_table, main
from benchmarks.results import Goal, result, write_result
from twinlens.errors import TwinlensError
from twinlens.settings import table

TEXT = "# Title\n<!-- results:parity:begin -->\nold\n<!-- results:parity:end -->\nbetween\n"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    goals = [
        Goal("agreement", 1.0, "share", 1.0, "higher"),
        Goal("difference", 0.03, "score", 0.02, "lower"),
        Goal("other", None, "score", 0.02, "lower"),
    ]
    write_result(tmp_path / "parity.json", result("make parity PHOTOS=photos", [], goals, commit=40 * "0"))
    return tmp_path


def test_a_block_holds_every_goal_the_missed_ones_too(results: Path) -> None:
    text = filled(TEXT, results)
    assert "| `agreement` (share) | 1 | ≥ 1 | yes |\n" in text
    assert "| `difference` (score) | 0.03 | ≤ 0.02 | **no** |\n" in text
    assert "| `other` (score) | not measured | ≤ 0.02 | **no** |\n" in text
    assert "`make parity PHOTOS=photos` at `" in text
    assert "old" not in text and text.startswith("# Title\n") and text.endswith("between\n")
    assert filled(text, results) == text


def test_the_settings(results: Path) -> None:
    assert table() in filled("<!-- settings:begin -->\n<!-- settings:end -->\n", results)


def test_a_block_without_an_end_is_refused(results: Path) -> None:
    with pytest.raises(TwinlensError, match="no end"):
        filled("<!-- settings:begin -->\n", results)
    with pytest.raises(TwinlensError, match="no end"):
        filled("<!-- results:parity:begin -->\n<!-- results:dct:end -->\n", results)


def test_a_result_that_was_not_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TwinlensError, match="measure it"):
        goals_table(tmp_path / "parity.json")


def test_check_writes_nothing(results: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    path = results / "README.md"
    path.write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(readme, "DOCUMENTS", (path,))
    monkeypatch.setattr(readme, "RESULTS", results)
    assert main(["--check"]) == 1
    assert "make readme" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == TEXT
    assert main([]) == 0
    assert main(["--check"]) == 0
    goals = json.loads((results / "parity.json").read_text())["goals"]
    assert all(goal["name"] in path.read_text(encoding="utf-8") for goal in goals)

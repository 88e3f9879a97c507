"""In which order photos are looked at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.review.doubts import Judged, Reason, as_json, doubts, read_issues


def row(name: str, label: str = "hat", reviewed: str | None = None) -> Row:
    return Row(path=f"hat/{name}", sha256=name[0] * 64, label=label, reviewed=reviewed)


ROWS = [row("a"), row("b"), row("c"), row("d", "wig"), row("e", reviewed="2026-11-27T00:00:00+00:00"), row("f")]
JUDGED = Judged(
    ["cap", "hat"],
    {name * 64: np.array([cap, 1 - cap]) for name, cap in zip("abcde", [0.1, 0.9, 0.45, 0.8, 0.97], strict=True)},
    0.6,
)


def test_the_largest_doubt_counts_and_what_was_reviewed_comes_last() -> None:
    issues = {"hat/a": Reason("label-issue", 0.95, "cap", 0.9)}
    found = doubts(ROWS, JUDGED, issues)
    assert [each.row.path[-1] for each in found] == ["d", "a", "b", "c", "f", "e"]
    assert [[reason.kind for reason in each.reasons] for each in found] == [
        ["high-loss"],
        ["label-issue"],
        ["high-loss"],
        ["not-sure"],
        [],
        ["high-loss"],
    ]
    assert [each.score for each in found] == pytest.approx([1.0, 0.95, 0.9, 0.45, 0.0, 0.97])
    assert found[0].reasons[0].suggested == "cap"  # the model does not know the label "wig"


def test_an_issue_of_a_photo_that_was_reviewed_is_settled() -> None:
    found = doubts([ROWS[4]], None, {"hat/e": Reason("label-issue", 0.95, "cap", 0.9)})
    assert found[0].reasons == []


def test_without_a_model_and_issues_they_come_by_path() -> None:
    assert [each.row.path for each in doubts(ROWS[:3][::-1], None, {})] == ["hat/a", "hat/b", "hat/c"]


def test_what_the_page_is_told() -> None:
    (found,) = doubts(ROWS[1:2], JUDGED, {})
    assert as_json(found) == {
        "path": "hat/b",
        "label": "hat",
        "split": None,
        "reviewed": None,
        "doubt": 0.9,
        "reasons": [{"kind": "high-loss", "doubt": 0.9, "suggested": "cap"}],
    }


def test_issues_are_those_of_check(tmp_path: Path) -> None:
    path = tmp_path / "check.json"
    doubtful = {
        "path": "hat/a",
        "split": None,
        "label": "hat",
        "score": 0.02,
        "suggested": "cap",
        "suggested_score": 0.9,
    }
    path.write_text(json.dumps({"label_noise": {"doubtful": [doubtful]}}))
    assert read_issues(path) == {"hat/a": Reason("label-issue", 0.98, "cap", 0.9)}
    path.write_text(json.dumps({"label_noise": None}))
    assert read_issues(path) == {}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"label_noise": {"doubtful": [{"path": 1}]}}'])
def test_another_file_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "check.json"
    path.write_text(content)
    with pytest.raises(TwinlensError, match="data check") as caught:
        read_issues(path)
    assert caught.value.code == "invalid_data"
    with pytest.raises(TwinlensError):
        read_issues(tmp_path / "missing.json")

"""In which order photos are looked at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.unit.feedback.made import MODEL
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.feedback.rows import Feedback
from twinlens.feedback.source import Waiting, grouped
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
    assert [each.path[-1] for each in found] == ["d", "a", "b", "c", "f", "e"]
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
    assert [each.path for each in doubts(ROWS[:3][::-1], None, {})] == ["hat/a", "hat/b", "hat/c"]


def test_what_the_page_is_told() -> None:
    (found,) = doubts(ROWS[1:2], JUDGED, {})
    assert as_json(found) == {
        "path": "hat/b",
        "label": "hat",
        "split": None,
        "reviewed": None,
        "doubt": 0.9,
        "reasons": [{"kind": "high-loss", "doubt": 0.9, "suggested": "cap"}],
        "feedback": None,
    }


def said(photo: str, *labels: str | None, predicted: str = "cap") -> dict[str, Waiting]:
    """What clients say of a photo, one each."""
    words = [
        Feedback(
            id=str(number), sequence=number, photo=photo * 64, format="jpeg", client=str(number), label=label,
            predicted=predicted, score=0.8, model=MODEL, received="2026", state="new", decision=None,
        )
        for number, label in enumerate(labels)
    ]  # fmt: skip
    return grouped(words)


def test_what_visitors_say_of_a_photo_is_a_doubt_even_where_a_person_has_looked() -> None:
    found = doubts([ROWS[4], ROWS[5]], None, {}, said("e", "cap", "cap", "hat", None))
    assert [each.path for each in found] == ["hat/e", "hat/f"]
    assert found[0].reasons == [Reason("feedback", 0.75, "cap", None)]
    told = as_json(found[0])
    assert (told["reviewed"], told["feedback"]["said"][0]) == (None, {"label": "cap", "clients": 2})


def test_a_photo_that_visitors_sent_comes_among_the_others() -> None:
    found = doubts(ROWS[:2], JUDGED, {}, said("1", "hat"))
    assert [(each.path, each.score) for each in found] == [
        ("hat/b", pytest.approx(0.9)),
        (f".feedback/{'1' * 64}", pytest.approx(0.8)),
        ("hat/a", 0.0),
    ]
    assert as_json(found[1]) == {
        "path": f".feedback/{'1' * 64}",
        "label": "hat",
        "split": None,
        "reviewed": None,
        "doubt": 0.8,
        "reasons": [{"kind": "feedback", "doubt": 0.8, "suggested": "cap"}],
        "feedback": {"said": [{"label": "hat", "clients": 1}], "predicted": "cap", "score": 0.8},
    }
    (none,) = doubts([], None, {}, said("1", None))
    assert (as_json(none)["label"], none.score) == ("", 1.0)


def test_where_visitors_agree_there_is_little_doubt() -> None:
    (right,) = doubts([], None, {}, said("1", "cap", "cap"))
    assert right.score == pytest.approx(0.2)
    (known,) = doubts(ROWS[:1], None, {}, said("a", "hat"))
    assert (known.score, [each.kind for each in known.reasons]) == (0.0, ["feedback"])


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

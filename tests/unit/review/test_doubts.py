"""In which order photos are looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests import models
from tests.unit.feedback.made import MODEL
from tests.unit.review.made import data_set
from twinlens.classify import Result
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.feedback.rows import Feedback
from twinlens.feedback.source import Waiting, grouped
from twinlens.review.doubts import Judged, Reason, as_json, doubts, judge, read_issues
from twinlens.settings import Settings


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
    assert [each.path[-1] for each in found] == ["a", "b", "c", "d", "f", "e"]
    assert [[reason.kind for reason in each.reasons] for each in found] == [
        ["label-issue"],
        ["high-loss"],
        ["not-sure"],
        [],  # the model does not know the label "wig", so that it has nothing to say of it
        [],
        ["high-loss"],
    ]
    assert [each.score for each in found] == pytest.approx([0.95, 0.9, 0.45, 0.0, 0.0, 0.97])


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


DOUBTFUL = {
    "path": "hat/a",
    "sha256": "a" * 64,
    "split": None,
    "label": "hat",
    "score": 0.02,
    "suggested": "cap",
    "suggested_score": 0.9,
}


def checked(path: Path, *doubtful: Mapping[str, object], digest: str = "") -> Path:
    path.write_text(json.dumps({"digest": digest, "label_noise": {"doubtful": doubtful}}))
    return path


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
    path = checked(tmp_path / "check.json", DOUBTFUL)
    assert read_issues(path, ROWS) == ({"hat/a": Reason("label-issue", 0.98, "cap", 0.9, "hat")}, 0)
    path.write_text(json.dumps({"label_noise": None}))
    assert read_issues(path, ROWS) == ({}, 0)


def test_an_issue_of_other_bytes_or_another_label_is_stale(tmp_path: Path) -> None:
    stale = [{"sha256": "b" * 64}, {"label": "cap"}, {"path": "hat/gone"}]
    path = checked(tmp_path / "check.json", *({**DOUBTFUL, **change} for change in stale))
    assert read_issues(path, ROWS) == ({}, 3)


def test_an_issue_that_names_no_bytes_is_of_the_data_set_of_its_digest(tmp_path: Path) -> None:
    nameless = {key: value for key, value in DOUBTFUL.items() if key != "sha256"}
    path = checked(tmp_path / "check.json", nameless, digest=manifest.digest(ROWS))
    assert list(read_issues(path, ROWS)[0]) == ["hat/a"]
    assert read_issues(path, ROWS[:3]) == ({}, 1)


def test_an_issue_of_a_label_that_was_changed_since_is_left_out() -> None:
    issues = {"hat/a": Reason("label-issue", 0.95, "cap", 0.9, "cap")}
    assert doubts([ROWS[0]], None, issues)[0].reasons == []


def test_what_the_model_could_not_answer_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = data_set(tmp_path, "cap", "hat", "hat")
    (tmp_path / rows[2].path).write_bytes(b"other bytes")
    asked: list[list[str]] = []
    failing = [rows[1].path]

    def answers(files: Sequence[Path], *_: object) -> Iterator[Result]:
        names = [file.relative_to(tmp_path).as_posix() for file in files]
        asked.append(sorted(names))
        answer: Any = {"predictions": [{"label": "cap", "score": 0.75}, {"label": "hat", "score": 0.25}]}
        for file, name in zip(files, names, strict=True):
            yield Result(file, TwinlensError("broken_image", "") if name in failing else answer)

    monkeypatch.setattr("twinlens.review.doubts.answers", answers)
    contract = SimpleNamespace(label_names=["cap", "hat"], not_sure=SimpleNamespace(threshold=0.5))
    classifier: Any = SimpleNamespace(contract=contract, version=SimpleNamespace(digest="d" * 64))
    assert list(judge(tmp_path, rows, classifier, Settings()).scores) == [rows[0].sha256]
    failing.clear()
    (tmp_path / rows[2].path).write_bytes(models.encoded(models.picture("red", 42, 40), "PNG"))
    assert set(judge(tmp_path, rows, classifier, Settings()).scores) == {row.sha256 for row in rows}
    assert asked == [[rows[0].path, rows[1].path], [rows[1].path, rows[2].path]]


def test_a_data_set_of_no_photo_is_judged(tmp_path: Path) -> None:
    contract = SimpleNamespace(label_names=["cap", "hat"], not_sure=SimpleNamespace(threshold=0.5))
    classifier: Any = SimpleNamespace(contract=contract, version=SimpleNamespace(digest="d" * 64))
    assert judge(tmp_path, [], classifier, Settings()).scores == {}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"label_noise": {"doubtful": [{"path": 1}]}}'])
def test_another_file_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "check.json"
    path.write_text(content)
    with pytest.raises(TwinlensError, match="data check") as caught:
        read_issues(path, ROWS)
    assert caught.value.code == "invalid_data"
    with pytest.raises(TwinlensError):
        read_issues(tmp_path / "missing.json", ROWS)

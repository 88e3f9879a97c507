"""What ``twinlens review`` says before it serves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.review.made import data_set
from twinlens.errors import TwinlensError
from twinlens.review import command
from twinlens.settings import Settings


def run(folder: Path, who: str | None, issues: Path | None) -> int:
    return command.review(folder, Settings(), who=who, issues=issues, feedback=None, port=0, page=folder, judged=False)


def test_who_has_no_name_is_asked_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    data_set(tmp_path, "cap")
    monkeypatch.setattr("getpass.getuser", nameless)
    with pytest.raises(TwinlensError, match="--who NAME") as caught:
        run(tmp_path, None, None)
    assert caught.value.code == "invalid_arguments"


def test_issues_that_are_stale_are_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data_set(tmp_path / "data", "cap", "hat")
    doubtful = [{"path": f"cap/{n}.png", "sha256": "a" * 64, "label": "cap"} for n in range(2)]
    scores = {"score": 0.1, "suggested": "hat", "suggested_score": 0.9}
    issues = tmp_path / "check.json"
    issues.write_text(json.dumps({"label_noise": {"doubtful": [{**each, **scores} for each in doubtful]}}))
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: None)
    assert run(tmp_path / "data", "ana", issues) == 0
    told, opened = capsys.readouterr().err.splitlines()
    assert told.startswith(f"{issues}: 2 doubtful labels are left out") and "2 photos, 0 doubtful labels" in opened

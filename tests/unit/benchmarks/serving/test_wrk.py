"""What wrk's script prints, what counts as failed, and what is said without wrk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.serving import wrk
from twinlens.errors import TwinlensError


def line(**changes: int) -> str:
    found = {"answered": 100, "other_status": 0, "sent": 109, "connect": 0, "read": 0, "write": 0, "timeout": 0}
    found |= {"microseconds": 2_000_000, "p50_us": 12_300, "p95_us": 20_000, "p99_us": 31_000}
    return json.dumps(found | changes)


def test_a_run_without_failures() -> None:
    assert wrk.parse(line(), 8) == wrk.Load(100, 0, 2.0, 12.3, 20.0, 31.0)


@pytest.mark.parametrize(
    ("changes", "answered", "failed"),
    [
        ({"other_status": 7}, 93, 7),
        ({"connect": 1, "read": 2, "write": 3, "timeout": 4}, 100, 10),
        ({"sent": 112}, 100, 3),  # eight of them still wait; three were never answered
        ({"sent": 112, "read": 3}, 100, 3),  # and are not counted twice
        ({"sent": 101}, 100, 0),
    ],
)
def test_what_fails(changes: dict[str, int], answered: int, failed: int) -> None:
    found = wrk.parse(line(**changes), 8)
    assert (found.answered, found.failed) == (answered, failed)


def test_a_server_that_answers_nothing_has_no_percentiles() -> None:
    found = wrk.parse(line(answered=0, sent=9, p50_us=0, p95_us=0, p99_us=0), 8)
    assert found == wrk.Load(0, 0, 2.0, None, None, None)


def test_without_wrk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TwinlensError, match="apt-get install wrk") as caught:
        wrk.version()
    assert caught.value.code == "missing_requirement"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exec sleep 60", "wrk did not end within 1 s of a run of 1 s."),
        ("echo no route >&2; exit 3", "wrk ended with status 3 and without a result: no route"),
    ],
)
def test_a_run_without_a_result_is_an_error_that_says_so(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrk").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "wrk").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(wrk, "_SLACK_SECONDS", 0)
    with pytest.raises(TwinlensError) as caught:
        wrk.run("http://127.0.0.1:1/", [], 1, 1)
    assert (caught.value.code, caught.value.detail) == ("internal", said)

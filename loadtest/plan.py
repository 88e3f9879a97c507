"""What a locust run is told, as one JSON file: photos with their golden answers, users, stages, thresholds.

Only the standard library is used here, since locust's environment has nothing of ours in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

Kind = Literal["photo", "phone"]
SCORE_TOLERANCE: Final = 1e-3
"""How far a score may be from the golden one: a batch is summed in another order than a single photo."""


@dataclass(frozen=True)
class Shot:
    """A file to send, and what must be answered: the label, and its score from 0 to 1.

    In the file of a plan, a relative ``path`` starts in that file's folder.
    ``kind`` is ``phone`` for a 12-megapixel photo; ``score`` is None where the file is not the one that the golden
    answer was computed from, so that only the label must be the same.
    """

    path: str
    kind: Kind
    media_type: str
    label: str
    score: float | None


@dataclass(frozen=True)
class Stage:
    """So many users for so many seconds, reached at ``spawn_rate`` users a second."""

    seconds: float
    users: int
    spawn_rate: float


@dataclass(frozen=True)
class Thresholds:
    """What decides locust's exit status: the most that may happen, and the fewest requests that count as a test."""

    wrong: int = 0
    failed: int = 0
    p95_ms: float | None = None
    requests: int = 1


class Summary(TypedDict):
    """What came of a run; milliseconds from the first byte sent to the last one read."""

    requests: int
    failed: int
    wrong: int
    per_second: float
    p50_ms: float
    p95_ms: float
    visits: int
    errors: list[str]


@dataclass(frozen=True)
class Plan:
    """A whole run.

    ``users`` holds the weights of the kinds of users: ``one`` photo at a time, a ``burst``, a ``phone`` photo, and a
    ``visit``, who loads ``page`` (paths, the page's own first).
    """

    shots: Sequence[Shot]
    users: Mapping[str, int]
    stages: Sequence[Stage]
    thresholds: Thresholds
    burst: int = 8
    pause_seconds: float = 0.2
    page: Sequence[str] = ()

    def write(self, path: Path) -> None:
        """Write the file that :func:`read` reads."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Plan:
    """Read a plan, its photos' paths made absolute.

    :raises ValueError: if the file does not hold one.
    """
    folder = path.absolute().parent
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Plan(
            **found
            | {
                "shots": [Shot(**each | {"path": str(folder / each["path"])}) for each in found["shots"]],
                "stages": [Stage(**each) for each in found["stages"]],
                "thresholds": Thresholds(**found["thresholds"]),
            }
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} is no plan of a load test ({error!r}). Write one: python -m loadtest.photos PHOTOS --plan {path}"
        ) from None


def stage_at(stages: Sequence[Stage], seconds: float) -> Stage | None:
    """The stage that a run is in after so many seconds; None once it has ended."""
    for stage in stages:
        if seconds < stage.seconds:
            return stage
        seconds -= stage.seconds
    return None


def problem(shot: Shot, status: int, text: str | None) -> str | None:
    """What is wrong with an answer, in words that begin with ``wrong answer`` where it is one; None if nothing is."""
    if status != 200:
        return f"status {status}"
    try:
        best = json.loads(text or "")["predictions"][0]
        label, score = str(best["label"]), float(best["score"])
    except (ValueError, KeyError, IndexError, TypeError):
        return "wrong answer: not of the form that was agreed on"
    if label != shot.label:
        return f"wrong answer: {label}, not {shot.label}"
    if shot.score is not None and abs(score - shot.score) > SCORE_TOLERANCE:
        return f"wrong answer: {label}, but with another score"
    return None


def broken(thresholds: Thresholds, summary: Summary) -> list[str]:
    """The thresholds that a run has not kept, in words."""
    found = []
    if summary["requests"] < thresholds.requests:
        found.append(f"only {summary['requests']} requests, not {thresholds.requests}")
    if summary["wrong"] > thresholds.wrong:
        found.append(f"{summary['wrong']} wrong answers, at most {thresholds.wrong} allowed")
    if summary["failed"] > thresholds.failed:
        found.append(f"{summary['failed']} failed requests, at most {thresholds.failed} allowed")
    if thresholds.p95_ms is not None and summary["p95_ms"] > thresholds.p95_ms:
        found.append(f"95th percentile of {summary['p95_ms']:.0f} ms, at most {thresholds.p95_ms:.0f} ms allowed")
    return found

"""The log of decisions: a line of JSON each, appended before the manifest is changed, never rewritten.

A line holds the photo's row of the manifest before and after, so every version of the manifest since the first decision
can be made again from the one of today: :func:`manifest_before`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from twinlens.contract import Sha256
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.folders import readable
from twinlens.store import end_at_line, write_atomically

REVIEWS: Final = ".reviews.jsonl"
DONE: Final = ".reviews.done"
"""Names the last decision that the data set agrees with. The one behind it was cut off by a crash."""
Action: TypeAlias = Literal["confirm", "relabel", "set-aside", "undo"]


class Decision(BaseModel):
    """One decision on one photo."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    number: int
    """From 1."""
    time: str
    """In UTC."""
    who: str
    action: Action
    before: Row | None
    """The photo's row of the manifest; ``None`` where it was in quarantine, or not in the data set yet."""
    after: Row | None
    manifest: Sha256
    """Digest of the manifest afterwards; see :func:`twinlens.dataset.manifest.digest`."""
    undoes: int | None = None
    """Number of the decision that an ``undo`` takes back."""
    feedback: str | None = None
    """SHA-256 under which feedback has the photo, if visitors had said anything of it that was decided on with it."""
    shown: str | None = None
    """What a photo was shown as that was not in the data set; one that was set aside then has no rows."""

    @property
    def path(self) -> str:
        """Of the photo, below the data set's folder; what it was shown as if it never was in it."""
        row = self.before or self.after
        path = row.path if row is not None else self.shown
        assert path is not None, "a decision is on a photo"
        return path


def now() -> str:
    """The time as it is recorded."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read(folder: Path) -> list[Decision]:
    """Every decision on a data set, in order.

    :raises TwinlensError: ``invalid_data`` if a line is damaged. Half a line at the end is what a crash leaves of one
        that was not made: it is left out.
    """
    path = folder / REVIEWS
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    found: list[Decision] = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            decision = Decision.model_validate_json(line, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"]) or "the line"
            raise _broken(path, number, f"{where}: {first['msg']}") from None
        if decision.number != number:
            raise _broken(path, number, f"it says that it is decision {decision.number}")
        found.append(decision)
    return found


def append(folder: Path, decision: Decision) -> None:
    """Add a decision; it is on the disk when this returns.

    :param folder: of the data set, held by :func:`twinlens.dataset.manifest.changing`.
    """
    path = folder / REVIEWS
    with path.open("ab+") as stream:
        end_at_line(stream)
        stream.write(decision.model_dump_json(exclude_none=False).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def finish(folder: Path, decision: Decision) -> None:
    """Record that the data set is what a decision says.

    :param folder: of the data set, held by :func:`twinlens.dataset.manifest.changing`.
    """
    write_atomically(folder / DONE, f"{_name(decision)}\n".encode())


def is_finished(folder: Path, decision: Decision) -> bool:
    """Whether the last decision of a log has been carried out; what has changed since is none of its business."""
    try:
        return (folder / DONE).read_bytes().strip() == _name(decision).encode()
    except FileNotFoundError:
        return False


def undoable(decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions that stand, in order: neither an undo nor undone."""
    standing: dict[int, Decision] = {}
    for decision in decisions:
        if decision.undoes is None:
            standing[decision.number] = decision
        else:
            standing.pop(decision.undoes, None)
    return list(standing.values())


def manifest_before(rows: Iterable[Row], decisions: Iterable[Decision], number: int) -> list[Row]:
    """The manifest as it was before a decision, as far as decisions have changed it.

    :param rows: of the manifest of now.
    :param decisions: all of them, in order.
    :param number: of that decision.
    """
    found = {row.path: row for row in rows}
    for decision in reversed([decision for decision in decisions if decision.number >= number]):
        if decision.before is None:
            found.pop(decision.path, None)
        else:
            found[decision.path] = decision.before
    return [found[path] for path in sorted(found)]


def _name(decision: Decision) -> str:
    """With the time, since a log that is begun anew counts from 1 again."""
    return f"{decision.number} {decision.time}"


def _broken(path: Path, line: int, what: str) -> TwinlensError:
    return TwinlensError(
        "invalid_data",
        f"{readable(path)}, line {line}: {what}. The log is not to be edited: take it from a backup, or move it away "
        "to begin a new one.",
    )

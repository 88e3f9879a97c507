"""Decisions on photos: confirm a label, give another one, set a photo aside, take one in, take the last one back.

The log comes first, then the manifest, then the note that both agree: a decision without that note, because the process
was killed in between, is finished by the next one. A photo that is taken in is on the disk before the log names it.
Nothing is changed in place: photos stay where they are, or move to quarantine, and every manifest that there was can be
made again (``twinlens.review.log``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twinlens.dataset import manifest, quarantine
from twinlens.dataset.manifest import Row
from twinlens.dataset.quarantine import Finding
from twinlens.errors import TwinlensError
from twinlens.folders import readable
from twinlens.review import log
from twinlens.review.log import Action, Decision
from twinlens.store import write_atomically

REASON: Final = "reviewed"
"""Why a photo that a reviewer has set aside is in quarantine."""
WHO_CHARACTERS: Final = 100
# Of the SHA-256 in a file's name.
_NAME: Final = 20


@dataclass(frozen=True)
class Newcomer:
    """A photo that visitors sent and that is not in the data set."""

    shown: str
    """What the page knows it by."""
    feedback: str
    """By which its feedback is decided on: its SHA-256."""
    sha256: str
    suffix: str
    """Of its file's name, with the dot."""
    label: str
    """What most say that it is; empty where that is none of the model's labels."""

    @property
    def origin(self) -> str:
        """As the manifest records it."""
        return f"feedback:{self.feedback}"


class Reviewer:
    """One person at one data set. Other commands may change it between two decisions, but not during one.

    :param folder: of the data set.
    :param who: recorded with each decision.
    :raises TwinlensError: ``invalid_data`` if the folder has no manifest; ``invalid_arguments`` if ``who`` is empty,
        too long or has control characters in it.
    """

    def __init__(self, folder: Path, who: str) -> None:
        manifest.require(folder)
        if not who.strip() or len(who) > WHO_CHARACTERS or not who.isprintable():
            raise TwinlensError(
                "invalid_arguments", f"--who {who!r} is no name: give one of at most {WHO_CHARACTERS} characters."
            )
        self.folder, self.who = folder, who.strip()

    def confirm(self, path: str, seen: str, feedback: str | None = None) -> Decision:
        """Say that a photo's label is right.

        :param path: of the photo, as the manifest has it.
        :param seen: the label that it was shown with.
        :param feedback: SHA-256 under which visitors spoke of it, if they did; recorded with the decision.
        :raises TwinlensError: ``review_conflict`` if it has another one by now, or is no longer there.
        """
        with self._held() as rows:
            row = self._row(rows, path, seen)
            confirmed = row.model_copy(update={"reviewed": log.now()})
            return self._record(rows, "confirm", row, confirmed, feedback=feedback)

    def relabel(self, path: str, seen: str, label: str, feedback: str | None = None) -> Decision:
        """Give a photo another label.

        :raises TwinlensError: as :meth:`confirm` does; ``invalid_request`` for what cannot be a label.
        """
        label = _checked(label)
        with self._held() as rows:
            row = self._row(rows, path, seen)
            relabelled = row.model_copy(update={"label": label, "reviewed": log.now()})
            return self._record(rows, "relabel", row, relabelled, feedback=feedback)

    def set_aside(self, path: str, seen: str, feedback: str | None = None) -> Decision:
        """Take a photo out of the data set, into quarantine.

        :raises TwinlensError: as :meth:`confirm` does; ``not_allowed`` if it lies in a folder that is a link.
        """
        with self._held() as rows:
            row = self._row(rows, path, seen)
            self._require_own(path)
            return self._record(rows, "set-aside", row, None, feedback=feedback)

    def take_in(self, newcomer: Newcomer, label: str, data: bytes) -> Decision:
        """Take a photo into the data set, to learn from: as ``LABEL/the first 20 digits of its SHA-256.suffix``.

        :param data: the bytes of its file, which has the newcomer's SHA-256.
        :raises TwinlensError: ``invalid_request`` for what cannot be a label; ``review_conflict`` if it is in the data
            set by now; ``not_allowed`` if the label's folder is a link; ``cannot_write``.
        """
        label = _checked(label)
        with self._held() as rows:
            _require_absent(rows, newcomer)
            row = Row(
                path=self._free(rows, newcomer, label),
                sha256=newcomer.sha256,
                label=label,
                split="train",
                origin=newcomer.origin,
                reviewed=log.now(),
            )
            self._require_own(row.path)
            try:
                write_atomically(self.folder / row.path, data)
            except OSError as error:
                where = readable(self.folder / row.path)
                raise TwinlensError("cannot_write", f"{where} could not be written ({error.strerror}).") from None
            action: Action = "confirm" if label == newcomer.label else "relabel"
            return self._record(rows, action, None, row, feedback=newcomer.feedback, shown=newcomer.shown)

    def leave_out(self, newcomer: Newcomer) -> Decision:
        """Decide that a photo does not come into the data set.

        :raises TwinlensError: ``review_conflict`` if it is in it by now.
        """
        with self._held() as rows:
            _require_absent(rows, newcomer)
            return self._record(rows, "set-aside", None, None, feedback=newcomer.feedback, shown=newcomer.shown)

    def undo(self, before: Callable[[Decision], None] = lambda _: None) -> Decision:
        """Take the last decision back that stands, whoever made it: what it has changed of the photo's row, no more.

        A photo that was taken in moves to quarantine.

        :param before: called with that decision once it is sure that it can be taken back; what it raises prevents it.
        :raises TwinlensError: ``nothing_to_undo`` if there is none; ``review_conflict`` if something else has changed
            the same since, or what was set aside is no longer in quarantine as it was, or cannot come back;
            ``not_allowed`` if what was taken in lies in a folder that is a link by now.
        """
        with self._held() as rows:
            standing = log.undoable(log.read(self.folder))
            if not standing:
                raise TwinlensError("nothing_to_undo", "No decision stands that could be taken back.")
            last, row = standing[-1], rows.get(standing[-1].path)
            if not _holds(last, row):
                raise TwinlensError(
                    "review_conflict",
                    f"{last.path} was changed by something else since decision {last.number}: it stays as it is.",
                )
            after = last.before
            if row is not None and last.after is not None and last.before is not None:
                after = row.model_copy(update=_difference(last.after, last.before))
            elif row is not None:
                self._require_own(row.path)
            elif last.before is not None:
                self._require_return(last)
            before(last)
            return self._record(rows, "undo", row, after, undoes=last.number, feedback=last.feedback, shown=last.shown)

    @contextlib.contextmanager
    def _held(self) -> Iterator[dict[str, Row]]:
        """The rows by path, with the data set held and every decision of the log done."""
        with manifest.changing(self.folder):
            rows = {row.path: row for row in manifest.require(self.folder)}
            decisions = log.read(self.folder)
            if decisions and not log.is_finished(self.folder, decisions[-1]):
                self._apply(rows, decisions[-1])
            yield rows

    def _row(self, rows: dict[str, Row], path: str, seen: str) -> Row:
        row = rows.get(path)
        if row is None or row.label != seen:
            now = "is no longer in the data set" if row is None else f"is {row.label!r} by now, not {seen!r}"
            raise TwinlensError("review_conflict", f"{path} {now}. Load the page again.")
        return row

    def _require_own(self, path: str) -> None:
        if quarantine.is_linked(self.folder, path):
            raise TwinlensError(
                "not_allowed",
                f"{path} lies in a folder that is a link, and nothing is moved out of somebody else's folder, or into "
                "it. `python -m training data import` copies photos into a data set.",
            )

    def _require_return(self, decision: Decision) -> None:
        """What a decision has set aside can come back."""
        if self._aside(decision) is None:
            raise TwinlensError(
                "review_conflict",
                f"What decision {decision.number} has set aside of {decision.path} is no longer in quarantine as it "
                "was. `python -m training data restore` lists what is.",
            )
        if os.path.lexists(self.folder / decision.path):
            raise TwinlensError(
                "review_conflict", f"{decision.path} is there again: move it before what was set aside can come back."
            )

    def _free(self, rows: dict[str, Row], newcomer: Newcomer, label: str) -> str:
        """Where a photo's file goes: nothing else is listed or lies there, but for the same, of a crash."""
        stem, number = f"{label}/{newcomer.sha256[:_NAME]}", 2
        path = f"{stem}{newcomer.suffix}"
        while path in rows or (
            os.path.lexists(self.folder / path) and manifest.sha256_of(self.folder / path) != newcomer.sha256
        ):
            path, number = f"{stem}-{number}{newcomer.suffix}", number + 1
        return path

    def _record(
        self,
        rows: dict[str, Row],
        action: Action,
        before: Row | None,
        after: Row | None,
        *,
        undoes: int | None = None,
        feedback: str | None = None,
        shown: str | None = None,
    ) -> Decision:
        """Write a decision down and carry it out.

        :param before: the photo's row as it is; None where it is not in the data set.
        :param after: as it is to be.
        """
        changed = dict(rows)
        if before is not None:
            del changed[before.path]
        if after is not None:
            changed[after.path] = after
        decision = Decision(
            number=len(log.read(self.folder)) + 1,
            time=log.now(),
            who=self.who,
            action=action,
            before=before,
            after=after,
            manifest=manifest.digest(changed.values()),
            undoes=undoes,
            feedback=feedback,
            shown=shown,
        )
        log.append(self.folder, decision)
        self._apply(rows, decision)
        return decision

    def _apply(self, rows: dict[str, Row], decision: Decision) -> None:
        """Make the data set what a decision says, as far as it is not yet.

        One that a crash has cut off may be half done, and other commands may have changed the photo since: what they
        did stays. One that leaves a photo out changes nothing.
        """
        path, before, after = decision.path, decision.before, decision.after
        row = rows.get(path)
        if before is None:
            if after is not None and self._is_in_place(rows, after, decision.undoes):
                rows[path] = after
                manifest.write(self.folder, rows.values(), keep=False)
        elif row is not None and _is(row, before, after):
            if after is None:
                quarantine.set_aside(self.folder, [Finding(path, REASON, _detail(decision))], keep=False)
                del rows[path]
            else:
                rows[path] = row.model_copy(update=_difference(before, after))
                manifest.write(self.folder, rows.values(), keep=False)
        log.finish(self.folder, decision)

    def _is_in_place(self, rows: dict[str, Row], row: Row, undoes: int | None) -> bool:
        """Whether the file of a photo that comes in lies where its row says; one of quarantine is moved there.

        :param undoes: number of the decision that has set it aside; None for a newcomer, whose file is written first.
        """
        if undoes is None:
            return row.path not in rows and manifest.sha256_of(self.folder / row.path) == row.sha256
        aside = self._aside(log.read(self.folder)[undoes - 1])
        if aside is None or os.path.lexists(self.folder / row.path):
            return False
        quarantine.restore(self.folder, lambda entry: bool(entry["to"] == aside["to"]), keep=False)
        return True

    def _aside(self, decision: Decision) -> dict[str, Any] | None:
        """The line of quarantine's log for what a decision has set aside; None if it does not lie there as it was."""
        wanted = (decision.path, REASON, _detail(decision))
        sha256 = decision.before and decision.before.sha256
        found = [
            entry
            for entry in quarantine.entries(self.folder)
            if (entry["path"], entry["reason"], entry["detail"]) == wanted
            and manifest.sha256_of(self.folder / entry["to"]) == sha256
        ]
        return found[-1] if found else None


def _checked(label: str) -> str:
    try:
        return manifest.check_label(label)
    except ValueError as error:
        raise TwinlensError("invalid_request", f"{error}: choose another one.") from None


def _require_absent(rows: dict[str, Row], newcomer: Newcomer) -> None:
    if newcomer.sha256 in {row.sha256 for row in rows.values()}:
        raise TwinlensError("review_conflict", "The photo is in the data set by now. Load the page again.")


def _detail(decision: Decision) -> str:
    """What quarantine's log says of a photo that a decision has set aside."""
    return f"{decision.who}, decision {decision.number}"


def _difference(one: Row, other: Row) -> dict[str, Any]:
    """What the other row says, where they differ."""
    return {name: getattr(other, name) for name in Row.model_fields if getattr(one, name) != getattr(other, name)}


def _is(row: Row, side: Row, other: Row | None) -> bool:
    """Whether a row is of one side's photo and says what that side says, where it differs from the other."""
    names = {"sha256"} if other is None else {"sha256", *_difference(side, other)}
    return all(getattr(row, name) == getattr(side, name) for name in names)


def _holds(decision: Decision, row: Row | None) -> bool:
    """Whether a photo's row still says what a decision has made of it."""
    if row is None or decision.after is None:
        return row is None and decision.after is None
    if decision.before is None and row.label != decision.after.label:  # of a newcomer
        return False
    return _is(row, decision.after, decision.before)

"""Decisions on photos: confirm a label, give another one, set a photo aside, take one in, take the last one back.

The log comes first, then the manifest: a decision whose log line is there and whose row is not, because the process was
killed in between, is finished by the next one. Nothing is changed in place: photos stay where they are, or move to
quarantine, and every manifest that there was can be made again (``twinlens.review.log``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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

        :raises TwinlensError: as :meth:`confirm` does; ``invalid_arguments`` for what cannot be a label.
        """
        label = _checked(label)
        with self._held() as rows:
            row = self._row(rows, path, seen)
            relabelled = row.model_copy(update={"label": label, "reviewed": log.now()})
            return self._record(rows, "relabel", row, relabelled, feedback=feedback)

    def set_aside(self, path: str, seen: str, feedback: str | None = None) -> Decision:
        """Take a photo out of the data set, into quarantine.

        :raises TwinlensError: as :meth:`confirm` does.
        """
        with self._held() as rows:
            return self._record(rows, "set-aside", self._row(rows, path, seen), None, feedback=feedback)

    def take_in(self, newcomer: Newcomer, label: str, data: bytes) -> Decision:
        """Take a photo into the data set, to learn from: as ``LABEL/the first 20 digits of its SHA-256.suffix``.

        :param data: the bytes of its file, which are on the disk before anything names them.
        :raises TwinlensError: ``invalid_arguments`` for what cannot be a label; ``review_conflict`` if it is in the
            data set by now; ``cannot_write``.
        """
        label = _checked(label)
        row = Row(
            path=f"{label}/{newcomer.sha256[:_NAME]}{newcomer.suffix}",
            sha256=newcomer.sha256,
            label=label,
            split="train",
            origin=newcomer.origin,
            reviewed=log.now(),
        )
        with self._held() as rows:
            _require_absent(rows, newcomer)
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
        """Take the last decision back that stands, whoever made it.

        :param before: called with that decision once it is sure that it can be taken back; what it raises prevents it.
        :raises TwinlensError: ``nothing_to_undo`` if there is none; ``review_conflict`` if something else has changed
            the photo's row since; as :func:`twinlens.dataset.quarantine.restore` does.
        """
        with self._held() as rows:
            standing = log.undoable(log.read(self.folder))
            if not standing:
                raise TwinlensError("nothing_to_undo", "No decision stands that could be taken back.")
            last = standing[-1]
            if rows.get(last.path) != last.after:
                raise TwinlensError(
                    "review_conflict",
                    f"{last.path} was changed by something else since decision {last.number}: it stays as it is.",
                )
            before(last)
            return self._record(
                rows, "undo", last.after, last.before, undoes=last.number, feedback=last.feedback, shown=last.shown
            )

    @contextmanager
    def _held(self) -> Iterator[dict[str, Row]]:
        """The rows by path, with the data set held and every decision of the log done."""
        with manifest.changing(self.folder):
            rows = {row.path: row for row in manifest.require(self.folder)}
            decisions = log.read(self.folder)
            if decisions:
                last = decisions[-1]
                if rows.get(last.path) == last.before != last.after:
                    self._apply(rows, last)
            yield rows

    def _row(self, rows: dict[str, Row], path: str, seen: str) -> Row:
        row = rows.get(path)
        if row is None or row.label != seen:
            now = "is no longer in the data set" if row is None else f"is {row.label!r} by now, not {seen!r}"
            raise TwinlensError("review_conflict", f"{path} {now}. Load the page again.")
        return row

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
        changed = dict(rows)
        if before is not None:
            changed.pop(before.path, None)
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
        """Make the data set what a decision says that it is."""
        path, after = decision.path, decision.after
        if after is None and decision.before is None:  # of a photo that never was in it
            return
        if after is None:
            detail = f"{decision.who}, decision {decision.number}"
            quarantine.set_aside(self.folder, [Finding(path, REASON, detail)], keep=False)
            rows.pop(path, None)
            return
        if decision.before is None and not self._is_there(after):
            quarantine.restore(self.folder, lambda entry: bool(entry["path"] == path), keep=False)
        rows[path] = after
        manifest.write(self.folder, rows.values(), keep=False)

    def _is_there(self, row: Row) -> bool:
        """Whether the file of a row is in its place: one that was taken in is, one that was set aside is not."""
        try:
            return hashlib.sha256((self.folder / row.path).read_bytes()).hexdigest() == row.sha256
        except OSError:
            return False


def _checked(label: str) -> str:
    try:
        return manifest.check_label(label)
    except ValueError as error:
        raise TwinlensError("invalid_arguments", f"{error}: choose another one.") from None


def _require_absent(rows: dict[str, Row], newcomer: Newcomer) -> None:
    if newcomer.sha256 in {row.sha256 for row in rows.values()}:
        raise TwinlensError("review_conflict", "The photo is in the data set by now. Load the page again.")

"""Decisions on photos: confirm a label, give another one, set a photo aside, take the last decision back.

The log comes first, then the manifest, then the note that both agree: a decision without that note, because the process
was killed in between, is finished by the next one. Nothing is changed in place: photos stay where they are, or move to
quarantine, and every manifest that there was can be made again (``twinlens.review.log``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from twinlens.dataset import manifest, quarantine
from twinlens.dataset.manifest import Row
from twinlens.dataset.quarantine import Finding
from twinlens.errors import TwinlensError
from twinlens.review import log
from twinlens.review.log import Action, Decision

REASON: Final = "reviewed"
"""Why a photo that a reviewer has set aside is in quarantine."""
WHO_CHARACTERS: Final = 100


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

    def confirm(self, path: str, seen: str) -> Decision:
        """Say that a photo's label is right.

        :param path: of the photo, as the manifest has it.
        :param seen: the label that it was shown with.
        :raises TwinlensError: ``review_conflict`` if it has another one by now, or is no longer there.
        """
        with self._held() as rows:
            row = self._row(rows, path, seen)
            return self._record(rows, "confirm", row, row.model_copy(update={"reviewed": log.now()}))

    def relabel(self, path: str, seen: str, label: str) -> Decision:
        """Give a photo another label.

        :raises TwinlensError: as :meth:`confirm` does; ``invalid_request`` for what cannot be a label.
        """
        try:
            label = manifest.check_label(label)
        except ValueError as error:
            raise TwinlensError("invalid_request", f"{error}: choose another one.") from None
        with self._held() as rows:
            row = self._row(rows, path, seen)
            return self._record(rows, "relabel", row, row.model_copy(update={"label": label, "reviewed": log.now()}))

    def set_aside(self, path: str, seen: str) -> Decision:
        """Take a photo out of the data set, into quarantine.

        :raises TwinlensError: as :meth:`confirm` does; ``not_allowed`` if it lies in a folder that is a link.
        """
        with self._held() as rows:
            row = self._row(rows, path, seen)
            if quarantine.is_linked(self.folder, path):
                raise TwinlensError(
                    "not_allowed",
                    f"{path} lies in a folder that is a link, and nothing is moved out of somebody else's folder. "
                    "`python -m training data import` copies photos into a data set.",
                )
            return self._record(rows, "set-aside", row, None)

    def undo(self) -> Decision:
        """Take the last decision back that stands, whoever made it: what it has changed of the photo's row, no more.

        :raises TwinlensError: ``nothing_to_undo`` if there is none; ``review_conflict`` if something else has changed
            the same since, or what was set aside is no longer in quarantine as it was, or cannot come back.
        """
        with self._held() as rows:
            standing = log.undoable(log.read(self.folder))
            if not standing:
                raise TwinlensError("nothing_to_undo", "No decision stands that could be taken back.")
            last, row = standing[-1], rows.get(standing[-1].path)
            if last.before is None or not _holds(last, row):
                raise TwinlensError(
                    "review_conflict",
                    f"{last.path} was changed by something else since decision {last.number}: it stays as it is.",
                )
            if row is not None and last.after is not None:
                after = row.model_copy(update=_difference(last.after, last.before))
                return self._record(rows, "undo", row, after, undoes=last.number)
            if self._aside(last) is None:
                raise TwinlensError(
                    "review_conflict",
                    f"What decision {last.number} has set aside of {last.path} is no longer in quarantine as it was. "
                    "`python -m training data restore` lists what is.",
                )
            if os.path.lexists(self.folder / last.path):
                raise TwinlensError(
                    "review_conflict", f"{last.path} is there again: move it before what was set aside can come back."
                )
            return self._record(rows, "undo", None, last.before, undoes=last.number)

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

    def _record(
        self, rows: dict[str, Row], action: Action, before: Row | None, after: Row | None, undoes: int | None = None
    ) -> Decision:
        row = before or after
        assert row is not None, "a decision is on a photo"
        changed = {path: each for path, each in rows.items() if path != row.path} | (
            {after.path: after} if after else {}
        )
        decision = Decision(
            number=len(log.read(self.folder)) + 1,
            time=log.now(),
            who=self.who,
            action=action,
            before=before,
            after=after,
            manifest=manifest.digest(changed.values()),
            undoes=undoes,
        )
        log.append(self.folder, decision)
        self._apply(rows, decision)
        return decision

    def _apply(self, rows: dict[str, Row], decision: Decision) -> None:
        """Make the data set what a decision says, as far as it is not yet.

        One that a crash has cut off may be half done, and other commands may have changed the photo since: what they
        did stays.
        """
        path, before, after = decision.path, decision.before, decision.after
        row = rows.get(path)
        if before is None:
            assert decision.undoes is not None, "only an undo brings back"
            aside = self._aside(log.read(self.folder)[decision.undoes - 1])
            if aside is not None and not os.path.lexists(self.folder / path):
                quarantine.restore(self.folder, lambda entry: bool(entry["to"] == aside["to"]), keep=False)
                assert after is not None, "what comes back has a row"
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
    return _is(row, decision.after, decision.before)

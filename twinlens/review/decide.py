"""Decisions on photos: confirm a label, give another one, set a photo aside, take the last decision back.

The log comes first, then the manifest: a decision whose log line is there and whose row is not, because the process was
killed in between, is finished by the next one. Nothing is changed in place: photos stay where they are, or move to
quarantine, and every manifest that there was can be made again (``twinlens.review.log``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

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

        :raises TwinlensError: as :meth:`confirm` does; ``invalid_arguments`` for what cannot be a label.
        """
        try:
            label = manifest.check_label(label)
        except ValueError as error:
            raise TwinlensError("invalid_arguments", f"{error}: choose another one.") from None
        with self._held() as rows:
            row = self._row(rows, path, seen)
            return self._record(rows, "relabel", row, row.model_copy(update={"label": label, "reviewed": log.now()}))

    def set_aside(self, path: str, seen: str) -> Decision:
        """Take a photo out of the data set, into quarantine.

        :raises TwinlensError: as :meth:`confirm` does.
        """
        with self._held() as rows:
            return self._record(rows, "set-aside", self._row(rows, path, seen), None)

    def undo(self) -> Decision:
        """Take the last decision back that stands, whoever made it.

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
            return self._record(rows, "undo", last.after, last.before, undoes=last.number)

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
        """Make the data set what a decision says that it is."""
        path, after = decision.path, decision.after
        if after is None:
            detail = f"{decision.who}, decision {decision.number}"
            quarantine.set_aside(self.folder, [Finding(path, REASON, detail)], keep=False)
            rows.pop(path, None)
            return
        if decision.before is None:
            quarantine.restore(self.folder, lambda entry: bool(entry["path"] == path), keep=False)
        rows[path] = after
        manifest.write(self.folder, rows.values(), keep=False)

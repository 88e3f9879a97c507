"""Feedback in the review: photos that visitors sent, which are in no data set until a reviewer takes them in.

A decision stands in the data set's log before it is written back to where the feedback came from. If that cannot be
reached, the decision stands all the same, and is written back by the next one, or by the next review.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Final

from twinlens.errors import TwinlensError
from twinlens.feedback.rows import SUFFIXES
from twinlens.feedback.source import Source, Waiting, grouped, verified
from twinlens.feedback.verdict import Verdict
from twinlens.review.decide import Newcomer
from twinlens.review.log import Decision

PREFIX: Final = ".feedback/"
"""Before the SHA-256 of a photo that is not in the data set: what the page knows it by. No path of a manifest begins
like this, since none is hidden."""

logger = logging.getLogger("twinlens")


class Queue:
    """What waits for a decision. Several threads may use it.

    :param source: of the feedback.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._waiting: dict[str, Waiting] = {}
        self._settled: set[str] = set()
        self._owed: dict[str, Verdict] = {}
        self._changing = threading.RLock()

    def load(self, decisions: Iterable[Decision]) -> None:
        """Ask anew what waits, and write back what the log has decided and the source does not know.

        A decision that the source did know, and that somebody has taken back there since, is not: the photo waits.

        :param decisions: the log of the data set.
        :raises TwinlensError: as the source does.
        """
        with self._changing:
            self._waiting = grouped(self._source.waiting())
            last = {each.feedback: each for each in decisions if each.feedback is not None}
            self._owed = {}
            for sha256, waiting in self._waiting.items():
                decision = last.get(sha256)
                if decision is None or decision.action == "undo" or waiting.was_reopened_since(decision.time):
                    continue
                self._owed[sha256] = _verdict(decision)
            self._settled = set(self._owed)
            self._pay()

    def of(self, sha256: str) -> Waiting | None:
        """What is said of a photo that nobody has decided on."""
        return None if sha256 in self._settled else self._waiting.get(sha256)

    @property
    def said(self) -> dict[str, Waiting]:
        """By SHA-256, what is said of every photo that nobody has decided on."""
        return {sha256: waiting for sha256, waiting in self._waiting.items() if sha256 not in self._settled}

    def named(self, path: str) -> Waiting | None:
        """The photo that the page knows by a path.

        :raises TwinlensError: ``review_conflict`` for a photo of feedback that waits no more.
        """
        if not path.startswith(PREFIX):
            return None
        found = self.of(path.removeprefix(PREFIX))
        if found is None:
            raise TwinlensError("review_conflict", "Nobody waits for a decision on this photo. Load the page again.")
        return found

    def photo(self, sha256: str) -> bytes:
        """The bytes of a photo.

        :raises TwinlensError: ``not_found``, or as the source does.
        """
        found = self._waiting.get(sha256)
        if found is None:
            raise TwinlensError("not_found", "No feedback is on such a photo.")
        return verified(self._source.photo(sha256), found)

    def settle(self, decision: Decision) -> None:
        """Write a decision back that is in the log; one on a photo without feedback is nobody's concern."""
        if decision.feedback is None:
            return
        with self._changing:
            self._settled.add(decision.feedback)
            self._owed[decision.feedback] = _verdict(decision)
            self._pay()

    def reopen(self, decision: Decision) -> None:
        """Take a decision back at the source, before it is taken back in the data set.

        :raises TwinlensError: as the source does: nothing is taken back then.
        """
        if decision.feedback is None:
            return
        with self._changing:
            self._owed.pop(decision.feedback, None)
            self._record(decision.feedback, Verdict(action="reopen"))
            self._settled.discard(decision.feedback)

    def _pay(self) -> None:
        for sha256, verdict in list(self._owed.items()):
            try:
                self._record(sha256, verdict)
            except TwinlensError as error:
                logger.warning("A decision stands here and is not written back yet: %s: %s", error.code, error)
                return
            del self._owed[sha256]

    def _record(self, sha256: str, verdict: Verdict) -> None:
        try:
            self._source.record(sha256, verdict)
        except TwinlensError as error:
            if error.code != "not_found":  # nobody's word on the photo is left to be decided on
                raise


def newcomer(waiting: Waiting) -> Newcomer:
    """A waiting photo as it would come into the data set."""
    return Newcomer(
        shown=PREFIX + waiting.sha256,
        feedback=waiting.sha256,
        sha256=waiting.sha256,
        suffix=SUFFIXES[waiting.format],
        label=waiting.label or "",
    )


def _verdict(decision: Decision) -> Verdict:
    if decision.after is None:
        return Verdict(action="set-aside", who=decision.who)
    return Verdict(action="accept", label=decision.after.label, who=decision.who)

"""What a reviewer says of a photo of feedback, as it is sent and as it is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, model_validator

from twinlens.dataset.manifest import check_label
from twinlens.feedback.rows import Feedback

if TYPE_CHECKING:
    from twinlens.feedback.store import Store

WHO_CHARACTERS = 100
Action: TypeAlias = Literal["accept", "set-aside", "reopen"]


class Verdict(BaseModel):
    """One decision on one photo: taken into the data set under a label, set aside, or not decided after all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action
    label: str | None = None
    who: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> Verdict:
        if (self.label is not None) != (self.action == "accept"):
            raise ValueError("accept, and nothing else, has a label")
        if (self.who is None) != (self.action == "reopen"):
            raise ValueError("whoever decides says who they are")
        if self.who is not None and not (self.who.strip() and self.who.isprintable()):
            raise ValueError("who is no name")
        if self.who is not None and len(self.who) > WHO_CHARACTERS:
            raise ValueError("who is too long")
        if self.label is not None and check_label(self.label) != self.label:
            raise ValueError("the label is not as labels are recorded")
        return self

    def apply(self, store: Store, number: str) -> Feedback:
        """Record it.

        :param number: the photo's SHA-256, or the id of any feedback on it.
        :raises TwinlensError: ``not_found``, ``feedback_unavailable``, or ``review_conflict`` for a decision that can
            no longer be taken back.
        """
        if self.action == "reopen":
            return store.reopen(number)
        return store.decide(number, self.label, self.who or "")

"""Feedback as it is passed on: what one client says of one photo, what the model said, and what became of it."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from twinlens.contract import Format, Sha256

State: TypeAlias = Literal["new", "accepted", "relabelled", "set-aside"]
SUFFIXES: Final[dict[Format, str]] = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
"""What files are called, of the formats that :func:`twinlens.feedback.strip.stripped` makes."""


class Answerer(BaseModel):
    """The model that answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    digest: Sha256


class Word(BaseModel):
    """What a client says of a photo, and what the model says of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    label: str | None
    """The label that the client says is right; null: none of the model's."""
    predicted: str
    """What the server's own model answered; the client was right with the model where both are the same."""
    score: Annotated[float, Field(ge=0, le=1)]
    """Of what was predicted."""
    model: Answerer
    asked: Sha256 | None = None
    """Digest of the model whose answer the client saw, where it said so: the page may run another version."""


class Decision(BaseModel):
    """What a reviewer made of a photo."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    label: str | None
    """The label that it has in the data set; null: it was set aside."""
    who: str
    time: str
    """In UTC."""


class Feedback(Word):
    """One client's word on one photo, as it is kept."""

    id: str
    """A UUID."""
    sequence: int
    """The order in which feedback first came: a number that never changes and that no other feedback has or had."""
    photo: Sha256
    """Of the file as it is kept, without anything but the picture."""
    format: Format
    client: str
    """A pseudonym: the same for everything that comes from one address."""
    received: str
    """When the client last said something of this photo, in UTC."""
    state: State
    """``accepted``: the reviewer gave the label that this client did; ``relabelled``: another one."""
    decision: Decision | None
    reopened: str | None = None
    """When the decision on the photo was taken back, in UTC, if nobody has decided since."""

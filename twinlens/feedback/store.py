"""The database of feedback: every statement that is sent to it stands here.

Whoever writes does so one after the other: SQLite has one writer anyway, and in PostgreSQL the row of the installation
is held. So a quota is exact, and a client that says the same twice at once has one row.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    delete,
    exc,
    func,
    insert,
    or_,
    select,
    update,
)

from twinlens.contract import Format
from twinlens.errors import TwinlensError
from twinlens.feedback.connect import connected, writing
from twinlens.feedback.migrate import migrate
from twinlens.feedback.rows import Feedback, State, Word
from twinlens.feedback.schema import FEEDBACK, INSTALLATION, PHOTOS

Outcome: TypeAlias = Literal["accepted", "replaced", "replayed"]

_DAY: Final = timedelta(days=1)
_CLIENT_DIGITS: Final = 32
# What a database that is away, full, damaged or locked raises; a statement that is wrong is a mistake of ours.
_UNREACHABLE: Final = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError)

logger = logging.getLogger("twinlens")

_STATE: Final[ColumnElement[str]] = case(
    (PHOTOS.c.decided_at.is_(None), "new"),
    (PHOTOS.c.decided_label.is_(None), "set-aside"),
    (PHOTOS.c.decided_label == FEEDBACK.c.label, "accepted"),
    else_="relabelled",
)


@dataclass(frozen=True)
class Photo:
    """What is known of a photo as it is kept."""

    sha256: str
    format: Format
    size: int
    """In bytes."""


@dataclass(frozen=True)
class Quota:
    """How much is taken."""

    per_day: int
    """Photos of one client within a day."""
    most_bytes: float
    """Of all photos together."""


class Store:
    """The database.

    :param url: as ``TWINLENS_FEEDBACK`` has it.
    :raises TwinlensError: ``feedback_unavailable`` if it cannot be reached, or is of a newer Twinlens;
        ``missing_requirement`` where the driver is not installed. Every method raises the first of these.
    """

    def __init__(self, url: str) -> None:
        self._engine = connected(url)
        self._writing = writing(self._engine)
        try:
            with _reached(), self._writing.begin() as connection:
                migrate(connection)
                self._key: bytes = connection.execute(select(INSTALLATION.c.client_key)).scalar_one()
        except BaseException:
            self._engine.dispose()
            raise

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def pseudonym(self, network: str) -> str:
        """What a client is called here: not to be turned back into its address without the database's key."""
        return hmac.new(self._key, network.encode(), hashlib.sha256).hexdigest()[:_CLIENT_DIGITS]

    def check_room(self, photo: Photo, client: str, quota: Quota) -> None:
        """Look whether there is room for a client's word on a photo, before the photo is written anywhere.

        :raises TwinlensError: ``feedback_quota`` or ``feedback_full``.
        """
        with _reached(), self._engine.begin() as connection:
            if _earlier(connection, photo, client) is None:
                _check_room(connection, photo, client, quota)

    def add(self, photo: Photo, client: str, word: Word, quota: Quota) -> tuple[Feedback, Outcome]:
        """Keep a client's word on a photo; its last word is the one that counts.

        :param photo: whose file is written already.
        :return: what is kept, and whether it is new, replaces what the client said before, or is the same again.
        :raises TwinlensError: ``feedback_quota`` or ``feedback_full``.
        """
        now = datetime.now(UTC)
        with _reached(), self._writing.begin() as connection:
            connection.execute(select(INSTALLATION.c.id).with_for_update())
            earlier = _earlier(connection, photo, client)
            if earlier is not None and earlier["label"] == word.label:
                return _feedback(connection, str(earlier["id"])), "replayed"
            values = {
                "label": word.label,
                "predicted": word.predicted,
                "score": word.score,
                "model_name": word.model.name,
                "model_version": word.model.version,
                "model_digest": word.model.digest,
                "asked_digest": word.asked,
                "received": now,
            }
            if earlier is not None:
                connection.execute(update(FEEDBACK).where(FEEDBACK.c.id == earlier["id"]).values(values))
                return _feedback(connection, str(earlier["id"])), "replaced"
            if _check_room(connection, photo, client, quota):
                row = {"sha256": photo.sha256, "format": photo.format, "bytes": photo.size, "received": now}
                connection.execute(insert(PHOTOS).values(row))
            number = uuid.uuid4()
            connection.execute(insert(FEEDBACK).values(id=number, photo=photo.sha256, client=client, **values))
            return _feedback(connection, str(number)), "accepted"

    def page(self, state: State | None, limit: int, after: str | None = None) -> list[Feedback]:
        """Some of the feedback, in the order in which it came.

        :param state: only what is in this state.
        :param limit: how many at most.
        :param after: id of the one before the first; one that is there no more is ``invalid_request``.
        """
        wanted = _rows().order_by(FEEDBACK.c.received, FEEDBACK.c.id).limit(limit)
        if state is not None:
            wanted = wanted.where(_STATE.in_([state]))
        with _reached(), self._engine.begin() as connection:
            if after is not None:
                found = _row(connection, after)
                if found is None:
                    raise TwinlensError("invalid_request", f"There is no feedback {after}: begin at the first page.")
                later = FEEDBACK.c.received > found["received"]
                together = and_(FEEDBACK.c.received == found["received"], FEEDBACK.c.id > found["id"])
                wanted = wanted.where(or_(later, together))
            return [_read(row) for row in connection.execute(wanted).mappings()]

    def find(self, number: str) -> Feedback:
        """One client's word.

        :raises TwinlensError: ``not_found``.
        """
        with _reached(), self._engine.begin() as connection:
            return _feedback(connection, number)

    def decide(self, number: str, label: str | None, who: str) -> Feedback:
        """Record what a reviewer made of a photo; the last decision is the one that counts.

        :param number: id of any feedback on the photo.
        :param label: that the photo has in the data set; None where it was set aside.
        :raises TwinlensError: ``not_found``.
        """
        return self._decided(number, {"decided_at": datetime.now(UTC), "decided_by": who, "decided_label": label})

    def reopen(self, number: str) -> Feedback:
        """Take a decision back: the photo waits for one again.

        :raises TwinlensError: ``not_found``.
        """
        return self._decided(number, {"decided_at": None, "decided_by": None, "decided_label": None})

    def remove(self, number: str, forget: Callable[[Photo], None]) -> None:
        """Forget one client's word.

        :param forget: removes the file of the photo, called if nobody else has said anything of it; the word stays if
            that fails, so that it can be tried again.
        :raises TwinlensError: ``not_found``, or as ``forget`` does.
        """
        with _reached(), self._writing.begin() as connection:
            connection.execute(select(INSTALLATION.c.id).with_for_update())
            gone = _feedback(connection, number)
            connection.execute(delete(FEEDBACK).where(FEEDBACK.c.id == uuid.UUID(gone.id)))
            if connection.execute(select(FEEDBACK.c.id).where(FEEDBACK.c.photo == gone.photo)).first() is not None:
                return
            size = connection.execute(select(PHOTOS.c.bytes).where(PHOTOS.c.sha256 == gone.photo)).scalar_one()
            connection.execute(delete(PHOTOS).where(PHOTOS.c.sha256 == gone.photo))
            forget(Photo(gone.photo, gone.format, size))

    def counts(self) -> dict[str, Any]:
        """How much there is: feedback by state and how much of it says that the model was right, photos, clients."""
        right = func.coalesce(func.sum(case((FEEDBACK.c.label == FEEDBACK.c.predicted, 1), else_=0)), 0)
        states_of = (
            select(_STATE.label("state"), func.count().label("number"))
            .select_from(FEEDBACK.join(PHOTOS))
            .group_by("state")
        )
        with _reached(), self._engine.begin() as connection:
            states = connection.execute(states_of).all()
            said, agreed, clients = connection.execute(
                select(func.count(), right, func.count(FEEDBACK.c.client.distinct())).select_from(FEEDBACK)
            ).one()
            photos, size = connection.execute(select(func.count(), _bytes())).one()
        none = dict.fromkeys(get_args(State), 0)
        return {
            "feedback": said,
            "right": int(agreed),
            "clients": clients,
            "photos": photos,
            "bytes": int(size),
            "states": none | {row.state: row.number for row in states},
        }

    def _decided(self, number: str, values: Mapping[str, Any]) -> Feedback:
        with _reached(), self._writing.begin() as connection:
            found = _feedback(connection, number)
            connection.execute(update(PHOTOS).where(PHOTOS.c.sha256 == found.photo).values(values))
            return _feedback(connection, number)


def _rows() -> Select[Any]:
    of_photo = (PHOTOS.c.format, PHOTOS.c.decided_at, PHOTOS.c.decided_by, PHOTOS.c.decided_label)
    return select(FEEDBACK, *of_photo, _STATE.label("state")).select_from(FEEDBACK.join(PHOTOS))


def _row(connection: Connection, number: str) -> RowMapping | None:
    try:
        wanted = uuid.UUID(number)
    except ValueError:
        return None
    return connection.execute(_rows().where(FEEDBACK.c.id == wanted)).mappings().first()


def _feedback(connection: Connection, number: str) -> Feedback:
    row = _row(connection, number)
    if row is None:
        raise TwinlensError("not_found", "There is no such feedback.")
    return _read(row)


def _read(row: RowMapping) -> Feedback:
    decided = row["decided_at"]
    decision = {"label": row["decided_label"], "who": row["decided_by"], "time": _text(decided)} if decided else None
    return Feedback.model_validate(
        {
            "id": str(row["id"]),
            "photo": row["photo"],
            "format": row["format"],
            "client": row["client"],
            "label": row["label"],
            "predicted": row["predicted"],
            "score": row["score"],
            "model": {"name": row["model_name"], "version": row["model_version"], "digest": row["model_digest"]},
            "asked": row["asked_digest"],
            "received": _text(row["received"]),
            "state": row["state"],
            "decision": decision,
        }
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _earlier(connection: Connection, photo: Photo, client: str) -> RowMapping | None:
    """What this client said of this photo before."""
    same = and_(FEEDBACK.c.photo == photo.sha256, FEEDBACK.c.client == client)
    return connection.execute(select(FEEDBACK.c.id, FEEDBACK.c.label).where(same)).mappings().first()


def _check_room(connection: Connection, photo: Photo, client: str, quota: Quota) -> bool:
    """Whether the photo is new.

    :raises TwinlensError: ``feedback_quota`` or ``feedback_full``.
    """
    today = and_(FEEDBACK.c.client == client, FEEDBACK.c.received > datetime.now(UTC) - _DAY)
    if connection.execute(select(func.count()).where(today)).scalar_one() >= quota.per_day:
        raise TwinlensError(
            "feedback_quota", f"{quota.per_day} photos of one client within a day are enough. Try again tomorrow.", 3600
        )
    known = connection.execute(select(PHOTOS.c.sha256).where(PHOTOS.c.sha256 == photo.sha256)).first() is not None
    if not known and int(connection.execute(select(_bytes())).scalar_one()) + photo.size > quota.most_bytes:
        raise TwinlensError("feedback_full", "The server has as many photos as it keeps. Try again another day.")
    return not known


def _bytes() -> Any:
    return func.coalesce(func.sum(PHOTOS.c.bytes), 0)


@contextlib.contextmanager
def _reached() -> Iterator[None]:
    """Make one error of ours of whatever a database that is away raises; only the log says which."""
    try:
        yield
    except exc.DatabaseError as error:
        if isinstance(error, _UNREACHABLE) or type(error) is exc.DatabaseError:
            raise _unreachable(error) from None
        raise
    except (*_UNREACHABLE, sqlite3.Error, OSError) as error:  # the last two while a connection is made
        raise _unreachable(error) from None


def _unreachable(error: Exception) -> TwinlensError:
    logger.error("The database of feedback cannot be reached: %s", getattr(error, "orig", None) or error)
    return TwinlensError(
        "feedback_unavailable", "The database of feedback cannot be reached, or not written to. Try again later."
    )

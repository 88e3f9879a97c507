"""The database of feedback: every statement that is sent to it stands here.

Whoever writes does so one after the other: SQLite has one writer anyway, and in PostgreSQL the row of the installation
is held. So a quota is exact, and a client that says the same twice at once has one row.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import math
import re
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
_PHOTO: Final = re.compile("[0-9a-f]{64}")
_PRUNED_AT_ONCE: Final = 100
# What a database raises that is away, full, damaged or locked, or whose tables are gone or closed to its user.
_UNREACHABLE: Final = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.InternalError,
    exc.ProgrammingError,
    exc.TimeoutError,
)

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
    bytes_per_day: float = math.inf
    """Of the photos of one client within a day."""


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

    def add(
        self, photo: Photo, client: str, word: Word, quota: Quota, put: Callable[[], None] = lambda: None
    ) -> tuple[Feedback, Outcome]:
        """Keep a client's word on a photo; its last word is the one that counts.

        :param put: writes the photo's file, called once there is room for it and before there is a row that names it;
            what it raises prevents the row. Nobody removes the file meanwhile. That of a photo whose file was removed
            after the decision is not written again.
        :return: what is kept, and whether it is new, replaces what the client said before, or is the same again.
        :raises TwinlensError: ``feedback_quota`` or ``feedback_full``.
        """
        now = datetime.now(UTC)
        with _reached(), self._writing.begin() as connection:
            sequence = _turn(connection) + 1
            earlier = _earlier(connection, photo, client)
            size = connection.execute(select(PHOTOS.c.bytes).where(PHOTOS.c.sha256 == photo.sha256)).scalar()
            if earlier is None:
                _check_room(connection, photo, client, quota, known=size is not None)
            if size != 0:
                put()
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
            if size is None:
                row = {"sha256": photo.sha256, "format": photo.format, "bytes": photo.size, "received": now}
                connection.execute(insert(PHOTOS).values(row))
            number = uuid.uuid4()
            identity = {"id": number, "sequence": sequence, "photo": photo.sha256, "client": client}
            connection.execute(insert(FEEDBACK).values(identity | values))
            connection.execute(update(INSTALLATION).values(last_sequence=sequence))
            return _feedback(connection, str(number)), "accepted"

    def page(self, state: State | None, limit: int, after: int = 0) -> list[Feedback]:
        """Some of the feedback, in the order in which it first came.

        :param state: only what is in this state.
        :param limit: how many at most.
        :param after: sequence number of the one before the first, which need not be there any more.
        """
        wanted = _rows().where(FEEDBACK.c.sequence > after).order_by(FEEDBACK.c.sequence).limit(limit)
        if state is not None:
            wanted = wanted.where(_STATE.in_([state]))
        with _reached(), self._engine.begin() as connection:
            return [_read(row) for row in connection.execute(wanted).mappings()]

    def find(self, number: str) -> Feedback:
        """One client's word.

        :param number: its id; or the SHA-256 of a photo, for the first word on that.
        :raises TwinlensError: ``not_found``.
        """
        with _reached(), self._engine.begin() as connection:
            return _feedback(connection, number)

    def decide(self, number: str, label: str | None, who: str) -> Feedback:
        """Record what a reviewer made of a photo; the last decision is the one that counts.

        :param number: the photo's SHA-256, or the id of any feedback on it.
        :param label: that the photo has in the data set; None where it was set aside.
        :raises TwinlensError: ``not_found``.
        """
        decision = {"decided_at": datetime.now(UTC), "decided_by": who, "decided_label": label}
        with _reached(), self._writing.begin() as connection:
            _turn(connection)
            return _decided(connection, number, decision | {"reopened_at": None})

    def reopen(self, number: str) -> Feedback:
        """Take a decision back: the photo waits for one again.

        :param number: as :meth:`decide` takes it.
        :raises TwinlensError: ``not_found``; ``review_conflict`` if the photo's file was removed since.
        """
        none = {"decided_at": None, "decided_by": None, "decided_label": None}
        with _reached(), self._writing.begin() as connection:
            _turn(connection)
            found = _feedback(connection, number)
            if connection.execute(select(PHOTOS.c.bytes).where(PHOTOS.c.sha256 == found.photo)).scalar_one() == 0:
                raise TwinlensError(
                    "review_conflict",
                    "The photo was decided on so long ago that its file was removed: the decision stands.",
                )
            return _decided(connection, number, none | {"reopened_at": datetime.now(UTC)})

    def remove(self, number: str, remove: Callable[[Photo], None] = lambda _: None) -> None:
        """Forget one client's word.

        :param number: its id.
        :param remove: removes a photo's file, called if nobody else has said anything of the photo; what it raises
            prevents the rest.
        :raises TwinlensError: ``not_found``.
        """
        with _reached(), self._writing.begin() as connection:
            _turn(connection)
            gone = _word(connection, number)
            connection.execute(delete(FEEDBACK).where(FEEDBACK.c.id == uuid.UUID(gone.id)))
            if connection.execute(select(FEEDBACK.c.id).where(FEEDBACK.c.photo == gone.photo)).first() is not None:
                return
            size = connection.execute(select(PHOTOS.c.bytes).where(PHOTOS.c.sha256 == gone.photo)).scalar_one()
            connection.execute(delete(PHOTOS).where(PHOTOS.c.sha256 == gone.photo))
            remove(Photo(gone.photo, gone.format, size))

    def prune(self, before: datetime, remove: Callable[[Photo], None]) -> int:
        """Remove the files of some photos that were decided on long ago; what was said of them stays.

        :param before: of photos that were decided on until then.
        :param remove: removes a photo's file, also one that is not there.
        :return: how many were removed.
        """
        old = and_(PHOTOS.c.decided_at <= before, PHOTOS.c.bytes > 0)
        due = select(PHOTOS.c.sha256, PHOTOS.c.format, PHOTOS.c.bytes).where(old).limit(_PRUNED_AT_ONCE)
        with _reached(), self._engine.begin() as connection:
            if connection.execute(due).first() is None:  # nearly always, and then nobody has to wait
                return 0
        with _reached(), self._writing.begin() as connection:
            _turn(connection)
            found = [Photo(*row) for row in connection.execute(due)]
            for photo in found:
                remove(photo)
                connection.execute(update(PHOTOS).where(PHOTOS.c.sha256 == photo.sha256).values(bytes=0))
            return len(found)

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


def _turn(connection: Connection) -> int:
    """Wait until nobody else changes anything, until the end of the transaction.

    :return: the number of the last feedback that came.
    """
    return int(connection.execute(select(INSTALLATION.c.last_sequence).with_for_update()).scalar_one())


def _decided(connection: Connection, number: str, values: Mapping[str, Any]) -> Feedback:
    found = _feedback(connection, number)
    connection.execute(update(PHOTOS).where(PHOTOS.c.sha256 == found.photo).values(values))
    return _feedback(connection, number)


def _rows() -> Select[Any]:
    decision = (PHOTOS.c.decided_at, PHOTOS.c.decided_by, PHOTOS.c.decided_label, PHOTOS.c.reopened_at)
    return select(FEEDBACK, PHOTOS.c.format, *decision, _STATE.label("state")).select_from(FEEDBACK.join(PHOTOS))


def _feedback(connection: Connection, number: str) -> Feedback:
    """A word by its id, or the first one on a photo by the photo's SHA-256."""
    if not _PHOTO.fullmatch(number):
        return _word(connection, number)
    wanted = _rows().where(FEEDBACK.c.photo == number).order_by(FEEDBACK.c.sequence).limit(1)
    return _found(connection, wanted)


def _word(connection: Connection, number: str) -> Feedback:
    try:
        wanted = uuid.UUID(number)
    except ValueError:
        raise _no_such() from None
    return _found(connection, _rows().where(FEEDBACK.c.id == wanted))


def _found(connection: Connection, wanted: Select[Any]) -> Feedback:
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise _no_such()
    return _read(row)


def _no_such() -> TwinlensError:
    return TwinlensError("not_found", "There is no such feedback.")


def _read(row: RowMapping) -> Feedback:
    decided = row["decided_at"]
    decision = {"label": row["decided_label"], "who": row["decided_by"], "time": _text(decided)} if decided else None
    return Feedback.model_validate(
        {
            "id": str(row["id"]),
            "sequence": row["sequence"],
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
            "reopened": _text(row["reopened_at"]) if row["reopened_at"] else None,
        }
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _earlier(connection: Connection, photo: Photo, client: str) -> RowMapping | None:
    """What this client said of this photo before."""
    same = and_(FEEDBACK.c.photo == photo.sha256, FEEDBACK.c.client == client)
    return connection.execute(select(FEEDBACK.c.id, FEEDBACK.c.label).where(same)).mappings().first()


def _check_room(connection: Connection, photo: Photo, client: str, quota: Quota, *, known: bool) -> None:
    """Whether a client may speak of one more photo.

    :param known: whether the photo is there already, and takes no more room.
    :raises TwinlensError: ``feedback_quota`` or ``feedback_full``.
    """
    today = and_(FEEDBACK.c.client == client, FEEDBACK.c.received > datetime.now(UTC) - _DAY)
    of_client = select(func.count(), _bytes()).select_from(FEEDBACK.join(PHOTOS)).where(today)
    photos, size = connection.execute(of_client).one()
    if photos >= quota.per_day or int(size) + photo.size > quota.bytes_per_day:
        raise TwinlensError(
            "feedback_quota",
            f"{photos} photos of one client within a day, {int(size) / 2**20:.1f} MiB as they are kept, are enough. "
            "Try again tomorrow.",
            3600,
        )
    if not known and int(connection.execute(select(_bytes())).scalar_one()) + photo.size > quota.most_bytes:
        raise TwinlensError(
            "feedback_full", "The server has as many photos as it keeps until some are decided on. Try another day."
        )


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

"""Where feedback is handed in: the photo is stripped and kept, then what is said of it. Everything here blocks."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from twinlens.contract import Format, Rules
from twinlens.decode import in_turn, read_header
from twinlens.errors import TwinlensError
from twinlens.feedback.photos import Photos
from twinlens.feedback.rows import Feedback, Word
from twinlens.feedback.store import Outcome, Photo, Quota, Store
from twinlens.feedback.strip import stripped
from twinlens.feedback.verdict import Verdict
from twinlens.folders import readable
from twinlens.settings import Settings

_SQLITE: Final = "sqlite:///"

logger = logging.getLogger("twinlens")


class Desk:
    """The store that the settings name, opened when it is first needed: a database that is away for a while, as when
    everything starts at once, is tried again by whoever comes next. Several threads may use it.

    :param settings: which have a database of feedback.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._quota = Quota(
            settings.feedback_per_day, settings.feedback_max_mib * 2**20, settings.feedback_mib_per_day * 2**20
        )
        self._kept = timedelta(days=settings.feedback_keep_days)
        self._opening = threading.Lock()
        self._opened: tuple[Store, Photos] | None = None

    @property
    def store(self) -> Store:
        """The database.

        :raises TwinlensError: as :class:`Store` does.
        """
        return self._open()[0]

    @property
    def photos(self) -> Photos:
        """The photos.

        :raises TwinlensError: as :class:`Photos` does.
        """
        return self._open()[1]

    def close(self) -> None:
        """Let go of the database."""
        with self._opening:
            if self._opened is not None:
                self._opened[0].close()
                self._opened = None

    def take(self, data: bytes, network: str, word: Word, rules: Rules) -> tuple[Feedback, Outcome]:
        """Take in a photo and what a client says of it.

        :param data: the file as the client sent it; nothing but its picture is kept.
        :param network: of the client, see :func:`twinlens.feedback.limits.network_of`.
        :param rules: the contract: which formats are read.
        :return: what is kept, and whether it is new.
        :raises TwinlensError: what is wrong with the photo; ``feedback_quota``, ``feedback_full`` or
            ``feedback_unavailable``.
        """
        store, photos = self._open()
        file, kind = self._stripped(data, rules)
        photo = Photo(hashlib.sha256(file).hexdigest(), kind, len(file))
        self._prune()
        put = functools.partial(photos.put, photo.sha256, photo.format, file)
        return store.add(photo, store.pseudonym(network), word, self._quota, put)

    def record(self, number: str, verdict: Verdict) -> Feedback:
        """Record what a reviewer made of a photo.

        :param number: the photo's SHA-256, or the id of any feedback on it.
        :raises TwinlensError: as :meth:`twinlens.feedback.verdict.Verdict.apply` does.
        """
        decided = verdict.apply(self.store, number)
        self._prune()
        return decided

    def photo(self, number: str) -> tuple[bytes, Feedback]:
        """The photo that a word of feedback is on.

        :param number: as :meth:`twinlens.feedback.store.Store.find` takes it.
        :raises TwinlensError: ``not_found`` or ``feedback_unavailable``.
        """
        found = self.store.find(number)
        return self.photos.get(found.photo, found.format), found

    def remove(self, number: str) -> None:
        """Forget one client's word, and its photo if nobody else has said anything of it.

        :raises TwinlensError: ``not_found`` or ``feedback_unavailable``.
        """
        self.store.remove(number, self._remove_file)

    def _stripped(self, data: bytes, rules: Rules) -> tuple[bytes, Format]:
        limits = self._settings.limits
        with in_turn(read_header(data, rules, limits)):
            file, kind = stripped(data, rules, limits)
        # A file that is small because its format is may be large as the PNG that it becomes.
        if len(file) > self._settings.max_body_bytes:
            raise TwinlensError(
                "body_too_large",
                f"The photo would be kept as a PNG of {len(file) / 2**20:.0f} MiB, more than is accepted. Send it as "
                "JPEG.",
            )
        return file, kind

    def _remove_file(self, photo: Photo) -> None:
        self.photos.remove(photo.sha256, photo.format)

    def _prune(self) -> None:
        """Remove files of photos that were decided on long ago; what cannot be removed now is tried again later."""
        try:
            self.store.prune(datetime.now(UTC) - self._kept, self._remove_file)
        except TwinlensError as error:
            logger.warning("Photos that were decided on could not be removed: %s: %s", error.code, error)

    def _open(self) -> tuple[Store, Photos]:
        with self._opening:
            if self._opened is None:
                photos = Photos(place_of_photos(self._settings))
                self._opened = Store(self._settings.feedback), photos
            return self._opened


def place_of_photos(settings: Settings) -> str:
    """Where photos lie: as it is set, or beside the SQLite database.

    :raises TwinlensError: ``invalid_setting`` if it is not set and there is no such file.
    """
    if settings.feedback_photos:
        return settings.feedback_photos
    if not settings.feedback.startswith(_SQLITE):
        raise TwinlensError(
            "invalid_setting",
            "TWINLENS_FEEDBACK_PHOTOS is empty: beside a database that is no file, say where the photos are to lie.",
        )
    file = Path(settings.feedback.removeprefix(_SQLITE))
    return str(file.with_name(f"{file.stem}-photos"))


def require_feedback(settings: Settings) -> None:
    """Look at what can be wrong before a server starts, without a word to the database.

    :raises TwinlensError: ``invalid_setting`` or ``missing_requirement``.
    """
    try:
        Photos(place_of_photos(settings))
    except TwinlensError as error:
        if error.code != "feedback_unavailable":  # what is away now may be there when it is needed
            raise
    if not settings.feedback.startswith(_SQLITE) and importlib.util.find_spec("psycopg") is None:
        raise TwinlensError(
            "missing_requirement",
            "TWINLENS_FEEDBACK needs psycopg, which is not installed: pip install 'twinlens[postgresql]'",
        )


def require_kept(settings: Settings) -> None:
    """Look whether there is a database to read, which opening it would make: a path may be mistyped.

    :raises TwinlensError: ``invalid_setting`` if it is a file that is not there.
    """
    file = Path(settings.feedback.removeprefix(_SQLITE))
    if settings.feedback.startswith(_SQLITE) and not file.is_file():
        raise TwinlensError(
            "invalid_setting", f"TWINLENS_FEEDBACK names {readable(file)}, and there is no database. Correct the path."
        )

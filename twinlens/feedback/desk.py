"""Where feedback is handed in: the photo is stripped and kept, then what is said of it. Everything here blocks."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from pathlib import Path
from typing import Final

from twinlens.contract import Rules
from twinlens.errors import TwinlensError
from twinlens.feedback.photos import Photos
from twinlens.feedback.rows import Feedback, Word
from twinlens.feedback.store import Outcome, Photo, Quota, Store
from twinlens.feedback.strip import stripped
from twinlens.settings import Settings

_SQLITE: Final = "sqlite:///"


class Desk:
    """The store that the settings name, opened when it is first needed: a database that is away for a while, as when
    everything starts at once, is tried again by whoever comes next. Several threads may use it.

    :param settings: which have a database of feedback.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._quota = Quota(settings.feedback_per_day, settings.feedback_max_mib * 2**20)
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
        file, kind = stripped(data, rules, self._settings.limits)
        photo = Photo(hashlib.sha256(file).hexdigest(), kind, len(file))
        client = store.pseudonym(network)
        store.check_room(photo, client, self._quota)
        photos.put(photo.sha256, photo.format, file)
        return store.add(photo, client, word, self._quota)

    def photo(self, number: str) -> tuple[bytes, Feedback]:
        """The photo that a word of feedback is on.

        :raises TwinlensError: ``not_found`` or ``feedback_unavailable``.
        """
        found = self.store.find(number)
        return self.photos.get(found.photo, found.format), found

    def remove(self, number: str) -> None:
        """Forget one client's word, and its photo if nobody else has said anything of it.

        :raises TwinlensError: ``not_found`` or ``feedback_unavailable``.
        """
        store, photos = self._open()
        store.remove(number, lambda photo: photos.remove(photo.sha256, photo.format))

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
    Photos(place_of_photos(settings))
    if not settings.feedback.startswith(_SQLITE) and importlib.util.find_spec("psycopg") is None:
        raise TwinlensError(
            "missing_requirement",
            "TWINLENS_FEEDBACK needs psycopg, which is not installed: pip install 'twinlens[postgresql]'",
        )

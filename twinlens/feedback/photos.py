"""Where the photos of feedback lie: a folder, or any store that fsspec knows.

A photo is called by the SHA-256 of its bytes and nothing else, so no name that a client chose reaches a disk, and the
same photo is written once. It is there before the row that names it; one that no row names does no harm. Nobody else
on the machine may read them.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from twinlens.contract import Format
from twinlens.errors import TwinlensError
from twinlens.feedback.rows import SUFFIXES
from twinlens.store import write_atomically

_OWN: Final = 0o600

logger = logging.getLogger("twinlens")


class Photos:
    """The photos.

    :param place: a folder, or an address such as ``s3://bucket/folder``.
    :raises TwinlensError: ``invalid_setting`` for an address of no kind that fsspec knows, ``missing_requirement``
        where the package for its kind is not installed, ``feedback_unavailable`` for whatever else prevents it.
    """

    def __init__(self, place: str) -> None:
        try:
            with _reached(ValueError, ImportError):
                self._system, root = url_to_fs(place)
        except ValueError:
            raise TwinlensError(
                "invalid_setting", "TWINLENS_FEEDBACK_PHOTOS is of no kind that fsspec knows: give a folder, or s3://…"
            ) from None
        except ImportError as error:
            raise TwinlensError(
                "missing_requirement", f"TWINLENS_FEEDBACK_PHOTOS needs a package that is not installed: {error}"
            ) from None
        self._root = str(root).rstrip("/")

    def put(self, sha256: str, kind: Format, data: bytes) -> None:
        """Write a photo that is not there yet; a reader sees all of it or nothing.

        :raises TwinlensError: ``feedback_unavailable``.
        """
        path = self._path(sha256, kind)
        with _reached():
            if self._system.exists(path) and self._system.size(path) == len(data):
                return
            if isinstance(self._system, LocalFileSystem):
                write_atomically(Path(path), data, _OWN)
            else:
                self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._system.pipe_file(path, data)

    def get(self, sha256: str, kind: Format) -> bytes:
        """The bytes of a photo.

        :raises TwinlensError: ``not_found`` if it is gone or damaged; ``feedback_unavailable``.
        """
        with _reached():
            try:
                data = bytes(self._system.cat_file(self._path(sha256, kind)))
            except FileNotFoundError:
                data = b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise TwinlensError("not_found", f"The file of photo {sha256} is not there, or is damaged.")
        return data

    def remove(self, sha256: str, kind: Format) -> None:
        """Remove a photo; one that is not there is removed already.

        :raises TwinlensError: ``feedback_unavailable``.
        """
        with _reached(), contextlib.suppress(FileNotFoundError):
            self._system.rm_file(self._path(sha256, kind))

    def _path(self, sha256: str, kind: Format) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}{SUFFIXES[kind]}"


@contextlib.contextmanager
def _reached(*ours: type[Exception]) -> Iterator[None]:
    """Make one error of ours of whatever a store raises, but for those that mean something here."""
    try:
        yield
    except TwinlensError:
        raise
    except Exception as error:  # each kind of store raises its own
        if isinstance(error, ours):
            raise
        logger.error("The photos of feedback cannot be reached: %s: %s", type(error).__name__, error)
        raise TwinlensError(
            "feedback_unavailable", "The photos of feedback cannot be read or written now. Try again later."
        ) from None

"""Taking a photo into a data set: checked to be one, named by its content, written once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from training.files import decode_in_turn
from training.rules import standard
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.decode import sniff
from twinlens.store import write_atomically

SUFFIXES: Final = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "webp": (".webp",),
    "gif": (".gif",),
    "bmp": (".bmp", ".dib"),
    "tiff": (".tif", ".tiff"),
    "avif": (".avif",),
}
"""What files of each format are called; the first one is what ours are called."""

# The size does not matter for knowing that it is a photo, so a JPEG may be decoded at the smallest scale.
_CHECK: Final = standard(1, 1)
_NAME: Final = 20


@dataclass(frozen=True)
class About:
    """What is known of a photo beside its bytes; see :class:`twinlens.dataset.manifest.Row`."""

    label: str
    origin: str | None = None
    split: manifest.Split | None = None
    group: str | None = None
    page: str | None = None
    creator: str | None = None
    licence: str | None = None
    licence_url: str | None = None


class Intake:
    """A data set that photos are brought into. Not to be used from several threads.

    :param folder: of the data set, held by :func:`twinlens.dataset.manifest.changing`.
    :raises TwinlensError: ``invalid_data`` if its manifest cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: dict[str, Row] = {}
        self._known: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in manifest.read(folder) or []:
            self.add(row)

    def put(self, data: bytes, about: About) -> tuple[Row, bool]:
        """Write a photo as ``LABEL/the first 20 digits of its SHA-256.suffix``.

        The same bytes are taken once for a label, but twice if they come in two splits: that is a leak, which must be
        seen rather than settled here.

        :param data: the bytes of the file, decoded by :func:`check`.
        :return: its row, and whether it is new.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        for known in self._known[sha256, about.label]:
            if about.split is None or known.split in (None, about.split):
                return known, False
        path = self._free(f"{about.label}/{sha256[:_NAME]}", SUFFIXES[sniff(data)][0])
        row = Row(path=path, sha256=sha256, **vars(about))
        write_atomically(self.folder / row.path, data)
        self.add(row)
        return row, True

    def add(self, row: Row) -> None:
        """Take in a row whose file is there already."""
        self._rows[row.path] = row
        self._known[row.sha256, row.label].append(row)

    def has(self, path: str) -> bool:
        """Whether a path is listed."""
        return path in self._rows

    def save(self) -> None:
        """Write the manifest, once there is something to list."""
        if self._rows:
            manifest.write(self.folder, self._rows.values())

    def _free(self, stem: str, suffix: str) -> str:
        """A path that is not listed: the photo of another split, or one that was relabelled, may have the first."""
        path, number = f"{stem}{suffix}", 2
        while path in self._rows:
            path, number = f"{stem}-{number}{suffix}", number + 1
        return path


def check(data: bytes) -> None:
    """Decode a photo, to know that it is one; several threads may do so.

    :raises TwinlensError: as :func:`twinlens.decode.decode` does.
    """
    decode_in_turn(data, _CHECK)

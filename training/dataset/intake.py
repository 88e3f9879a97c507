"""Taking a photo into a data set: checked to be one, named by its content, written once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from training.files import decode_in_turn
from training.rules import standard
from twinlens.dataset import manifest, quarantine
from twinlens.dataset.manifest import HELD_OUT, Row
from twinlens.decode import sniff
from twinlens.review import log
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
    reviewed: str | None = None


class Intake:
    """A data set that photos are brought into. Not to be used from several threads.

    :param folder: of the data set, held by :func:`twinlens.dataset.manifest.changing`.
    :raises TwinlensError: ``invalid_data`` if its manifest, or a log of what was decided on photos, cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: dict[str, Row] = {}
        self._known: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in manifest.read(folder) or []:
            self.add(row)
        self._before = _by_sha256(self._rows.values())
        # What a person has relabelled or taken out, as it was before, and what a command has.
        self._decided = _by_sha256(
            each.before
            for each in log.undoable(log.read(folder))
            if each.before is not None and each.action in ("relabel", "set-aside")
        )
        self._aside: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for entry in quarantine.entries(folder):
            if isinstance(entry["row"], dict):
                self._aside[str(entry["row"].get("sha256"))].append(entry)

    def put(self, data: bytes, about: About) -> tuple[Row | None, bool]:
        """Write a photo as ``LABEL/the first 20 digits of its SHA-256.suffix``.

        The same bytes are taken once for a label, but twice if they come in two splits: that is a leak, which must be
        seen rather than settled here. A photo that was relabelled or set aside since it came
        stays so when it comes again.

        :param data: the bytes of the file, decoded by :func:`check`.
        :return: its row, ``None`` if it was set aside, and whether it is new.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        for known in self._known[sha256, about.label]:
            if about.split is None or _in(known.split, about.split):
                return self._with_split(known, about.split), False
        if self._is_decided(sha256, about):
            return next(iter(self._before.get(sha256, ())), None), False
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

    def _with_split(self, row: Row, split: manifest.Split | None) -> Row:
        """A row that is known, with the split that its photo comes with where it is in none yet."""
        if row.split is not None or split is None:
            return row
        known = self._known[row.sha256, row.label]
        self._rows[row.path] = known[known.index(row)] = row.model_copy(update={"split": split})
        return self._rows[row.path]

    def _is_decided(self, sha256: str, about: About) -> bool:
        """Whether a photo that comes under this label has another one by now, or was set aside.

        Its row tells by its origin, or by a person's having looked at it; else a log does. Other photos with the same
        bytes are a conflict, which must be seen.
        """
        others = [row for row in self._before.get(sha256, ()) if row.label != about.label]
        if any(row.reviewed is not None or (row.origin is not None and row.origin == about.origin) for row in others):
            return True
        # Where a copy in another split is still listed, what is gone was one of its own split.
        split = about.split if self._known[sha256, about.label] else None
        if any(
            row.label == about.label and (split is None or _in(row.split, split))
            for row in self._decided.get(sha256, ())
        ):
            return True
        return any(
            entry["row"].get("label") == about.label
            and (split is None or _in(entry["row"].get("split"), split))
            # What was set aside since it was damaged has other bytes than those that come.
            and manifest.sha256_of(self.folder / entry["to"]) == sha256
            for entry in self._aside.get(sha256, ())
        )

    def _free(self, stem: str, suffix: str) -> str:
        """A path that is not listed: the photo of another split, or one that was relabelled, may have the first."""
        path, number = f"{stem}{suffix}", 2
        while path in self._rows:
            path, number = f"{stem}-{number}{suffix}", number + 1
        return path


def _in(split: str | None, came: manifest.Split) -> bool:
    """Whether a photo that is in a split, or in none, may be one that came in another: held out are some of train."""
    return split in (None, came) or (split == HELD_OUT and came == "train")


def _by_sha256(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.sha256].append(row)
    return found


def check(data: bytes) -> None:
    """Decode a photo, to know that it is one; several threads may do so.

    :raises TwinlensError: as :func:`twinlens.decode.decode` does.
    """
    decode_in_turn(data, _CHECK)

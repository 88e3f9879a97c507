"""A stranger's ZIP archive: sizes are believed only as far as they are read, and names lead nowhere but to a label."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from training.dataset.intake import About
from twinlens.dataset.manifest import Split
from twinlens.errors import TwinlensError

LeftOut = list[tuple[str, str]]
"""Names in the archive, and why they are not used."""

MOST_BYTES: Final = 256 << 20
"""Of one photo's file."""
# Deflate makes at most 1032 bytes of one, and photos hardly shrink at all: what grows more than this is no photo.
_MOST_GROWTH: Final = 200
_MOST_ENTRIES: Final = 5_000_000
_ENCRYPTED: Final = 0x1
_UTF_8: Final = 0x800
# What zipfile unpacks no further than it is asked to: of the others, a few bytes may become gigabytes in one step.
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_SPLITS: Final[dict[str, Split]] = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "test": "test",
}


def entries(archive: zipfile.ZipFile, left_out: LeftOut) -> list[zipfile.ZipInfo]:
    """The files of an archive that can be read safely; the others are listed, but for hidden ones.

    :raises TwinlensError: ``invalid_data`` if there are too many.
    """
    infos = archive.infolist()
    if len(infos) > _MOST_ENTRIES:
        raise TwinlensError(
            "invalid_data", f"The archive has {len(infos):,} entries; at most {_MOST_ENTRIES:,} are read."
        )
    found = []
    for info in infos:
        info.filename = _named(info)  # zipfile itself goes by `orig_filename`
        parts = _parts(info)
        if info.filename.endswith(("/", "\\")) or _hidden(parts):
            continue
        if reason := _unsafe(info, parts):
            left_out.append((info.filename, reason))
        else:
            found.append(info)
    return found


def labelled(
    found: Sequence[zipfile.ZipInfo], about: About, left_out: LeftOut
) -> Iterator[tuple[zipfile.ZipInfo, About]]:
    """Entries with the label and split that their folders say; the others are listed.

    :param about: what else is true of all of them.
    """
    paths = [_parts(info) for info in found]
    # Archives are mostly of one folder that holds everything.
    while paths and all(len(parts) > 2 and parts[0] == paths[0][0] for parts in paths) and not _is_split(paths[0][0]):
        paths = [parts[1:] for parts in paths]
    splits = {parts[0] for parts in paths if len(parts) > 2 and _is_split(parts[0])}
    for info, parts in zip(found, paths, strict=True):
        if splits and parts[0] not in splits:
            left_out.append((info.filename, "it is in none of train/, validation/, test/"))
        elif len(parts) < 2 + bool(splits):
            left_out.append((info.filename, "it lies in no label's folder"))
        elif splits:
            yield info, replace(about, label=parts[1], split=_SPLITS[parts[0].lower()])
        else:
            yield info, replace(about, label=parts[0])


def unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The bytes of an entry, no more than its header says; zipfile checks their sum.

    :raises zipfile.BadZipFile: if they cannot be unpacked, or are not what the archive says.
    """
    try:
        with archive.open(info) as stream:
            data = stream.read(info.file_size + 1)
    except (zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise zipfile.BadZipFile(str(error) or type(error).__name__) from None
    if len(data) > info.file_size:
        raise zipfile.BadZipFile("it is longer than the archive says")
    return data


def _named(info: zipfile.ZipInfo) -> str:
    """The name of an entry: some programs, Finder for one, write UTF-8 and do not say so; zipfile reads it as CP437."""
    if info.flag_bits & _UTF_8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def _parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    """The steps of a name; some programs write them with the other slash."""
    return PurePosixPath(info.filename.replace("\\", "/")).parts


def _hidden(parts: Sequence[str]) -> bool:
    return any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts)


def _unsafe(info: zipfile.ZipInfo, parts: Sequence[str]) -> str | None:
    """Why an entry is not read."""
    if not parts:
        return "it has no name"
    if ".." in parts or parts[0] == "/" or ":" in parts[0]:
        return "its name leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a link"
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if info.compress_type not in _METHODS:
        return "it is packed in another way than stored or deflated"
    if info.file_size > MOST_BYTES:
        return f"it is larger than {MOST_BYTES >> 20} MiB"
    if info.file_size > _MOST_GROWTH * max(info.compress_size, 1024):
        return f"it grows to more than {_MOST_GROWTH} times its size"
    return None


def _is_split(folder: str) -> bool:
    return folder.lower() in _SPLITS

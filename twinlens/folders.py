"""Folders of photos as people keep them: what is looked at in one, and which of its folders are splits."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twinlens.errors import TwinlensError

_SPLITS: Final = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "test": "test",
}


def visible(folder: Path) -> list[Path]:
    """What a folder holds, but for hidden files, in the order of the names.

    :raises TwinlensError: ``invalid_data`` if it cannot be read.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise TwinlensError(
            "invalid_data",
            f"The folder {readable(folder)} cannot be read ({error.strerror}): allow it to be read, or remove it.",
        ) from None


def is_folder(path: Path) -> bool:
    """Whether there is a folder, or a link to one, that can be looked at."""
    try:
        return path.is_dir()
    except OSError:  # the link leads to where this user may not look
        return False


def split_folders(path: Path) -> dict[Path, str]:
    """The folders that are splits, each with the split's name; none where there are no splits.

    A folder called ``train`` that holds photos is a label (of trains).

    :raises TwinlensError: as :func:`visible` does.
    """
    return {
        entry: _SPLITS[entry.name.lower()]
        for entry in visible(path)
        if entry.name.lower() in _SPLITS and is_folder(entry) and any(is_folder(child) for child in visible(entry))
    }


def readable(path: Path) -> str:
    """A path as it can be printed and recorded: bytes of a name that are not UTF-8 are escaped."""
    return str(path).encode(errors="surrogateescape").decode(errors="backslashreplace")

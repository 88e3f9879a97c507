"""Photos that are set aside: moved out of the way with the reason in a log, never deleted, and brought back on demand.

``.quarantine/files/`` holds them by the path that they had; ``.quarantine/log.jsonl`` has a line for each move, written
before the move, so whatever is in the folder is in the log, also after a crash.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pydantic import ValidationError

from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.folders import readable
from twinlens.store import end_at_line

QUARANTINE: Final = ".quarantine"
LOG: Final = "log.jsonl"

_FILES: Final = "files"
_KEYS: Final = ("path", "to", "reason", "detail", "row")


@dataclass(frozen=True)
class Finding:
    """Something about one file that must not be learned from."""

    path: str
    """Below the data set's folder, with slashes."""
    reason: str
    """A stable word: see the module that finds it."""
    detail: str
    """The same for a person."""


def is_linked(folder: Path, path: str) -> bool:
    """Whether a file lies in a folder that is a link: it is somebody else's, and nothing is moved out of there.

    :param path: below the data set's folder.
    """
    return any((folder / parent).is_symlink() for parent in PurePosixPath(path).parents[:-1])


def set_aside(folder: Path, findings: Sequence[Finding], *, keep: bool = True) -> int:
    """Move files to quarantine and take their rows out of the manifest.

    A file that is not there (its row is what is wrong) has its row moved to the log alone. One in a folder that is a
    link (:func:`is_linked`) stays, and so does its row.

    :param folder: of the data set, held by :func:`twinlens.dataset.manifest.changing`.
    :param keep: as for :func:`twinlens.dataset.manifest.write`.
    :return: how many files were moved.
    """
    listed = manifest.read(folder)
    rows = {row.path: row for row in listed or []}
    moved = 0
    log = folder / QUARANTINE / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("ab+") as stream:
            end_at_line(stream)
            for finding in {finding.path: finding for finding in reversed(findings)}.values():
                source = folder / finding.path
                there = os.path.lexists(source)
                if there and is_linked(folder, finding.path):
                    continue
                to = _free(folder, finding.path) if there else None
                row = rows.get(finding.path)
                entry = {
                    "time": datetime.now(UTC).isoformat(timespec="seconds"),
                    "path": finding.path,
                    "to": to and to.relative_to(folder).as_posix(),
                    "reason": finding.reason,
                    "detail": finding.detail,
                    "row": row and row.model_dump(exclude_none=True),
                }
                # A name that is not UTF-8 is kept by JSON's own escapes for the bytes that Python cannot decode.
                stream.write(json.dumps(entry, ensure_ascii=True).encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
                if to is not None:
                    to.parent.mkdir(parents=True, exist_ok=True)
                    source.rename(to)
                    moved += 1
                rows.pop(finding.path, None)
    finally:  # also where a folder could not be written after the first moves
        if listed is not None:
            manifest.write(folder, rows.values(), keep=keep)
    return moved


def entries(folder: Path) -> list[dict[str, Any]]:
    """What lies in quarantine now: the lines of the log, the last one of each file, in their order.

    :raises TwinlensError: ``invalid_data`` if the log is damaged. Half a line at the end is what a crash leaves of a
        move that was not made: it is left out.
    """
    log = folder / QUARANTINE / LOG
    if not log.is_file():
        return []
    found: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(log.read_bytes().split(b"\n")[:-1], 1):
        try:
            entry = json.loads(line)
            path, to, *_ = (entry[key] for key in _KEYS)
            if not _below(path) or not (to is None or _below(to, QUARANTINE, _FILES)):
                raise ValueError("it leads elsewhere")
        except (ValueError, KeyError, TypeError):
            raise TwinlensError("invalid_data", f"{readable(log)}, line {number}: it is no line of the log.") from None
        if to is not None and os.path.lexists(folder / to):
            # What came back and was set aside again may lie in the same place: the last line is true.
            found.pop(to, None)
            found[to] = entry
    return list(found.values())


def restore(folder: Path, wanted: Callable[[dict[str, Any]], bool], *, keep: bool = True) -> list[str]:
    """Bring files back to where they were, with their rows of the manifest.

    :param folder: of the data set, held by :func:`twinlens.dataset.manifest.changing`.
    :param wanted: takes an entry of the log.
    :param keep: as for :func:`twinlens.dataset.manifest.write`.
    :return: the paths that are back.
    :raises TwinlensError: ``already_exists`` if something else lies where one of them was; ``invalid_data`` if the log
        is damaged. Nothing is moved then.
    """
    listed = {row.path: row for row in manifest.read(folder) or []}
    back: dict[str, Row] = {}
    # Of several files that had one path, the last one comes back; the others stay.
    chosen = {entry["path"]: entry for entry in entries(folder) if wanted(entry)}
    for path, entry in chosen.items():
        if os.path.lexists(folder / path):
            raise TwinlensError(
                "already_exists", f"{path} is there again: move it before what was set aside can come back."
            )
        if entry["row"] is not None:
            try:
                back[path] = Row.model_validate({**entry["row"], "path": path})
            except (ValidationError, TypeError):
                raise TwinlensError("invalid_data", f"The log's row of {path} is damaged.") from None
    # The manifest first: a kill in between leaves rows whose files still lie in quarantine, for the next call to move.
    if listed or back:
        manifest.write(folder, (listed | back).values(), keep=keep)
    try:
        for path, entry in chosen.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / entry["to"]).rename(folder / path)
    except BaseException:  # what could not be moved is not listed
        if back:
            there = {path: row for path, row in back.items() if os.path.lexists(folder / path)}
            manifest.write(folder, (listed | there).values(), keep=keep)
        raise
    return list(chosen)


def _below(path: str, *folders: str) -> bool:
    """Whether a path stays within those folders of a data set, so that a log from elsewhere can move nothing else."""
    parts = PurePosixPath(path).parts
    return parts[: len(folders)] == folders and len(parts) > len(folders) and not {"..", "/"} & set(parts)


def _free(folder: Path, path: str) -> Path:
    """Where a file goes: under its own path, numbered if one of that path lies there already."""
    target = folder / QUARANTINE / _FILES / path
    number = 2
    while os.path.lexists(target):
        target = target.with_name(f"{Path(path).stem}~{number}{Path(path).suffix}")
        number += 1
    return target

"""Looking at every file of a data set for what cannot or should not be learned from.

Each finding has one of the reasons of :data:`REASONS`. Nothing is deleted: :mod:`twinlens.dataset.quarantine` moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from training.dataset.intake import SUFFIXES
from training.files import LIMITS, LeftOut, below, contents, decode_in_turn, quiet
from training.rules import standard
from twinlens.dataset import manifest
from twinlens.dataset.manifest import MANIFEST, Row
from twinlens.dataset.quarantine import Finding
from twinlens.decode import read_header
from twinlens.errors import TwinlensError
from twinlens.folders import is_folder, readable

REASONS: Final = {
    "missing": "the manifest lists it, and it is not there",
    "changed": "its bytes are not those that the manifest lists",
    "empty": "it has no bytes",
    "unknown": "it is of no format that is read here",
    "broken": "it cannot be decoded",
    "misnamed": "its name says another format than its bytes",
    "tiny": "it has too few pixels",
    "huge": "it has too many pixels or bytes",
    "unreadable": "it cannot be opened, or is no regular file",
}
"""What each reason means."""

_CODES: Final = {
    "not_an_image": "unknown",
    "unsupported_format": "unknown",
    "too_many_pixels": "huge",
    "broken_image": "broken",
}
_CHECK: Final = standard(1, 1)


@dataclass
class Verified:
    """What was found."""

    files: int = 0
    """How many there are in the folder."""
    findings: list[Finding] = field(default_factory=list)
    """Sorted by path, one for each file at most."""
    unlisted: list[str] = field(default_factory=list)
    """Photos that nothing is wrong with, but the manifest does not list them."""
    linked: list[str] = field(default_factory=list)
    """Folders that are links. What is in them is looked at, but not moved: it is somebody else's."""


def verify(folder: Path, smallest_edge: int = 32, most_bytes: int = 64 << 20) -> Verified:
    """Read and decode every file of a data set, or of a folder that has no manifest yet.

    :param smallest_edge: pixels that the shorter edge must have.
    :param most_bytes: of one file.
    :raises TwinlensError: ``invalid_data`` if there is no such folder, or its manifest cannot be used.
    """
    if not is_folder(folder):
        raise TwinlensError("invalid_data", f"There is no folder {readable(folder)}.")
    quiet()
    listed = manifest.read(folder)
    rows = {row.path: row for row in listed or []}
    circles: LeftOut = []
    files = [path for path in below(folder, circles) if path != folder / MANIFEST]
    result = Verified(len(files))
    result.findings += [
        Finding(path, "missing", REASONS["missing"]) for path in rows.keys() - {_name(folder, path) for path in files}
    ]
    result.findings += [Finding(_name(folder, path), "unreadable", reason) for path, reason in circles]
    above = {parent for path in files for parent in path.relative_to(folder).parents[:-1]}
    result.linked += sorted(parent.as_posix() for parent in above if (folder / parent).is_symlink())
    large = [path for path in files if _size(path) > most_bytes]
    result.findings += [
        Finding(_name(folder, path), "huge", f"it is larger than {most_bytes / (1 << 20):g} MiB") for path in large
    ]
    result.findings += _decoded(folder, sorted(set(files) - set(large)), rows, smallest_edge, result.unlisted)
    result.findings.sort(key=lambda finding: finding.path)
    if listed is None:
        result.unlisted.clear()
    return result


def _decoded(
    folder: Path, files: Sequence[Path], rows: dict[str, Row], smallest_edge: int, unlisted: list[str]
) -> list[Finding]:
    found: dict[Path, Finding] = {}

    def look(path: Path, data: bytes) -> None:
        """Keep what is wrong with a photo that begins like one, more exactly than its reason as text."""
        name = _name(folder, path)
        try:
            header = read_header(data, _CHECK, LIMITS)
            decode_in_turn(data, _CHECK)
        except TwinlensError as error:
            found[path] = Finding(name, _CODES.get(error.code, "broken"), error.detail)
            raise
        edge = min(header.width, header.height)
        suffixes = SUFFIXES[header.format]
        if edge < smallest_edge:
            detail = f"it is {header.width} x {header.height}; its shorter edge must have {smallest_edge} pixels"
            found[path] = Finding(name, "tiny", detail)
        elif path.suffix.lower() not in suffixes:
            detail = f"it is {header.format}, and its name does not end in {' or '.join(suffixes)}"
            found[path] = Finding(name, "misnamed", detail)

    findings = []
    for path, content in zip(files, contents(files, look), strict=True):
        name = _name(folder, path)
        row = rows.get(name)
        if path in found:
            findings.append(found[path])
        elif content.reason:
            findings.append(Finding(name, _reason(content.reason), content.reason))
        elif row is not None and row.sha256 != content.sha256:
            findings.append(Finding(name, "changed", REASONS["changed"]))
        elif row is None:
            unlisted.append(name)
    return findings


def _reason(text: str) -> str:
    """The reason of a file that :func:`training.files.contents` did not read to its end."""
    if text == "it is empty":
        return "empty"
    return "unreadable" if text.startswith(("it is no regular", "it cannot be read", "its name")) else "unknown"


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # found by whoever opens it

"""The one shape of every result file in ``docs/results``: what ran, where, what was measured, which goals were met.

A result names the command and the commit that made it and the machine it ran on, so that a figure can be checked by
running it again. Goals that were missed stand there like the others.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

from twinlens import __version__
from twinlens.errors import TwinlensError
from twinlens.footprint import processor
from twinlens.inference import available_threads
from twinlens.store import write_atomically

ROOT: Final = Path(__file__).parent.parent
RESULTS: Final = ROOT / "docs" / "results"

_PACKAGES: Final = ("bentoml", "numpy", "onnxruntime", "pillow")
# Written by the measurements themselves, so they do not make a checkout a changed one.
_OUTPUTS: Final = (
    *("docs/results", "docs/bulk.md", "docs/container.md", "docs/data.md", "docs/networks.md", "docs/scaling.md"),
    *("docs/similar.md", "README.md"),
    "benchmarks/page/weights.json",
)
_MEASURED: Final = ("--", ".", *(f":!{path}" for path in _OUTPUTS))


@dataclass(frozen=True)
class Goal:
    """One figure that was asked for.

    ``value`` is None where it could not be measured, which misses the goal. ``unit`` is a word such as ``share`` or
    ``ms``; ``better`` says on which side of ``goal`` a value must be; a value equal to the goal meets it.
    """

    name: str
    value: float | None
    unit: str
    goal: float
    better: Literal["higher", "lower"]

    @property
    def met(self) -> bool:
        """Whether the value is at least as good as the goal."""
        if self.value is None or math.isnan(self.value):
            return False
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal

    def to_json(self) -> dict[str, Any]:
        """The goal as it stands in a result file."""
        value = None if self.value is None or math.isnan(self.value) else significant(self.value)
        return {**asdict(self), "value": value, "met": self.met}


def significant(value: float, digits: int = 4) -> float:
    """Round a figure to its significant digits: a measurement has no more."""
    return float(f"{value:.{digits}g}")


def commit() -> str:
    """The commit of this checkout, with ``+changes`` where tracked files differ from it; ``unknown`` outside git.

    Whoever measures reads it first: it may be another one when the result is written, hours later.
    """
    try:
        head = _git("rev-parse", "HEAD").decode().strip()
        changed = _git("status", "--porcelain", "--untracked-files=no", *_MEASURED)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+changes" if changed else "")


def checkout() -> str:
    """:func:`commit`, and a digest of what differs from it, new files too: what measurements that are kept hang on."""
    now = commit()
    if now == "unknown":
        return now
    changes = _git("diff", "HEAD", "--full-index", "--no-ext-diff", "--no-color", *_MEASURED)
    for name in _git("ls-files", "--others", "--exclude-standard", "-z", *_MEASURED).split(b"\0")[:-1]:
        found = (ROOT / os.fsdecode(name)).lstat()
        changes += b"%s\0%d\0%d\0" % (name, found.st_size, found.st_mtime_ns)
    return f"{now} {hashlib.sha256(changes).hexdigest()}" if changes else now


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True).stdout


def machine(versions: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Facts about this machine: cores that this process may use, processor, memory, versions.

    :param versions: versions that only the measurement knows, a browser's for example.
    """
    return {
        "cores": available_threads(),
        "cpu": processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "versions": {
            "twinlens": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
            **(versions or {}),
        },
    }


def result(
    command: str,
    rows: Sequence[Mapping[str, Any]],
    goals: Sequence[Goal],
    *,
    commit: str,
    definitions: Mapping[str, str] | None = None,
    versions: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A result as it stands in its file.

    :param command: the command that makes it again, with paths relative to the repository.
    :param rows: what was measured, one JSON object each.
    :param commit: what :func:`commit` gave when measuring began.
    :param definitions: what each figure means, where its name does not say it all.
    :param versions: as for :func:`machine`.
    :param facts: further keys of the file, such as the model that was measured.
    """
    return {
        "command": command,
        "commit": commit,
        "machine": machine(versions),
        **(facts or {}),
        "definitions": dict(definitions or {}),
        "goals": [goal.to_json() for goal in goals],
        "rows": [dict(row) for row in rows],
    }


def write_result(path: Path, content: Mapping[str, Any]) -> None:
    """Write a result file, whole or not at all; a row takes one line, so that differences can be read."""
    head = json.dumps({**content, "rows": []}, ensure_ascii=False, indent=2, allow_nan=False)
    rows = ",\n".join(f"    {json.dumps(row, ensure_ascii=False, allow_nan=False)}" for row in content["rows"])
    body = head.removesuffix('"rows": []\n}') + (f'"rows": [\n{rows}\n  ]\n}}\n' if rows else '"rows": []\n}\n')
    write_atomically(path, body.encode())


def read_result(path: Path) -> dict[str, Any]:
    """Read a result file.

    :raises TwinlensError: ``invalid_data`` if there is no such file.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TwinlensError("invalid_data", f"The docs show {path.name}, which is not there: measure it.") from None
    return content


def measured_with(content: Mapping[str, Any]) -> str:
    """The command, the commit and the machine of a result, as the sentence below its table."""
    machine = content["machine"]
    return f"`{content['command']}` at `{content['commit'][:12]}` on {machine['cpu']}, {machine['cores']} cores."


def outcome(goal: Mapping[str, Any]) -> str:
    """A goal of a result in one line, for whoever ran the measurement.

    :param goal: what :meth:`Goal.to_json` gives.
    """
    mark = "met   " if goal["met"] else "MISSED"
    return f"{mark} {goal['name']}: {goal['value']} (goal: {goal['goal']:g}, {goal['better']} is better)"


def portable(path: Path) -> str:
    """A path as a result file may name it: relative to the repository, with ``/``, never one of this machine."""
    return Path(os.path.relpath(path.resolve(), ROOT)).as_posix()

"""Which version of a model is in use, and who put it there: the log ``MODELS/NAME/published.jsonl``, a line each time.

The log is appended to before ``current`` is replaced, and never rewritten, so a process that is killed between the two
leaves a line too much and never one too few. What is in use is what ``current`` says; the log says how it came to that.
"""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from twinlens.contract import Sha256
from twinlens.errors import TwinlensError
from twinlens.store import current_version, end_at_line, open_version, set_current

LOG: Final = "published.jsonl"
_LOCK: Final = "published.lock"
# Others hold the lock while they copy a version, which takes a second or two.
_PATIENCE_SECONDS: Final = 20.0
_WHO_CHARACTERS: Final = 100
Action: TypeAlias = Literal["publish", "rollback"]


class Publication(BaseModel):
    """One time that a version was put in use."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    time: str
    """ISO 8601, UTC."""
    who: str
    action: Action
    version: str
    digest: Sha256
    """Of the version's contract."""
    replaced: str | None
    """The version that was in use before; ``None`` for the first one."""
    run: str | None = None
    """Folder of the training run that learning can go on from, absolute."""
    run_sha256: Sha256 | None = None
    """Of that run's ``best.pt``: another run may lie there by now."""
    unattended: bool = False
    """Published by a command that nobody waits for (``retrain --watch``)."""


def publisher(who: str | None) -> str:
    """The name that is recorded.

    :param who: as it was given; ``None`` for whoever is logged in, or ``unknown`` where the system knows no name (a
        container's number).
    :raises TwinlensError: ``invalid_arguments`` if it is empty, too long or has control characters in it.
    """
    if who is None:
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return "unknown"
    if not who.strip() or len(who) > _WHO_CHARACTERS or not who.isprintable():
        raise TwinlensError(
            "invalid_arguments", f"--who {who!r} is no name: give one of at most {_WHO_CHARACTERS} characters."
        )
    return who.strip()


@contextlib.contextmanager
def changing(model: Path) -> Iterator[None]:
    """Hold a model while the version in use is changed.

    :param model: the model's folder, ``MODELS/NAME``, which exists.
    :raises TwinlensError: ``model_in_use`` if another process holds it for long.
    """
    lock = FileLock(model / _LOCK)
    try:
        lock.acquire(timeout=_PATIENCE_SECONDS)
    except Timeout:
        raise TwinlensError(
            "model_in_use", f"Another command is publishing in {model}: wait until it is done."
        ) from None
    try:
        yield
    finally:
        lock.release()


def put_in_use(
    model: Path,
    version: str,
    who: str,
    action: Action = "publish",
    run: Path | None = None,
    run_sha256: str | None = None,
    unattended: bool = False,
) -> Publication:
    """Record a version as the one in use, then make it that, in one step.

    :param model: the model's folder, held by :func:`changing`.
    :param who: whose doing it is.
    :param run: recorded as absolute, since the next command may be given elsewhere.
    :raises TwinlensError: as :func:`twinlens.store.open_version` does, before anything is changed.
    """
    opened = open_version(model / version)
    publication = Publication(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        who=who,
        action=action,
        version=version,
        digest=opened.digest,
        replaced=_in_use(model),
        run=None if run is None else str(run.resolve()),
        run_sha256=run_sha256,
        unattended=unattended,
    )
    with (model / LOG).open("ab+") as stream:
        end_at_line(stream)
        stream.write(publication.model_dump_json().encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    set_current(model, version)
    return publication


def history(model: Path) -> list[Publication]:
    """Every time that a version was put in use, oldest first; empty where nothing was recorded.

    :param model: the model's folder.
    :raises TwinlensError: ``invalid_model`` if a line is damaged; half a line at the end is left out.
    """
    path = model / LOG
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(Publication.model_validate_json(line, strict=True))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"]) or "the line"
            raise TwinlensError(
                "invalid_model",
                f"{path}, line {number}: {where}: {first['msg']}. The log is not to be edited: take it from a backup, "
                "or move it away to begin a new one.",
            ) from None
    return found


def earlier_version(model: Path) -> str:
    """The version to go back to: what the one in use has replaced when it was published.

    Going back twice goes back further, not forth again.

    :param model: the model's folder.
    :raises TwinlensError: ``no_earlier_version`` if none is recorded; ``model_not_found`` if there is no such model.
    """
    now = current_version(model)
    for publication in reversed(history(model)):
        if publication.version == now and publication.action == "publish" and publication.replaced not in (None, now):
            return str(publication.replaced)
    others = ", ".join(name for name in versions(model) if name != now) or "none"
    raise TwinlensError(
        "no_earlier_version",
        f"{model / LOG} does not say what was in use before {now}. Say which version: twinlens rollback VERSION "
        f"(there are: {others}).",
    )


def attended_version(model: Path) -> str:
    """The version in use if a person has published it, else the last one before it that a person has.

    Going back to a version does not make it one that a person has published: nobody need have looked at its answers.

    :param model: the model's folder.
    :return: the version in use too where nothing is recorded of how it came there: somebody has put it there by hand.
    :raises TwinlensError: ``model_not_found`` if there is no such model; ``invalid_model`` if the log is damaged.
    """
    now = current_version(model)
    for publication in reversed(history(model)):
        if publication.version != now or publication.action != "publish":
            continue
        if not publication.unattended or publication.replaced is None:
            break
        now = publication.replaced
    return now


def versions(model: Path) -> list[str]:
    """The folders that may be versions of a model, by name: all but hidden ones."""
    return sorted(entry.name for entry in model.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _in_use(model: Path) -> str | None:
    try:
        return current_version(model)
    except TwinlensError:
        return None

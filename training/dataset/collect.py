"""Fetching the photos that a source names, a few at a time, into a data set.

A journal has a line for each address that was dealt with, written when it was, so a run that was stopped goes on where
it was: what is saved or was refused for good is not asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from training.dataset.intake import Intake, check
from training.dataset.sources import Candidate, Source
from training.dataset.web import Client, RefusedError, WaitError, allowed_to_learn, said
from training.files import quiet
from training.progress import bar
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.store import end_at_line

JOURNAL: Final = ".collected.jsonl"

SAVED: Final = "saved"
KNOWN: Final = "known"
"""The same bytes were there under the same label, or have been relabelled or set aside since."""
REFUSED: Final = "refused"
"""For good: nothing is there, it is no photo, it is too large, or its server forbids it."""
FAILED: Final = "failed"
"""For now: the next run tries again."""
# The rows of all lines above are in the manifest, or were and have been taken out on purpose.
_WRITTEN: Final = "written"


class _Line(BaseModel):
    """A line of the journal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    label: str
    outcome: str
    detail: str | None = None
    row: Row | None = None


@dataclass
class Collected:
    """What came of it: how many addresses had which outcome, in this run, and how many were done before."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((SAVED, KNOWN, REFUSED, FAILED), 0))
    before: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    """Address and reason of what was refused or failed."""


def collect(folder: Path, source: Source, client: Client, connections: int = 4) -> Collected:
    """Fetch every candidate of a source that was not dealt with before.

    :param folder: of the data set; made if need be.
    :param client: fetches the photos.
    :param connections: how many are fetched at once.
    :raises TwinlensError: ``download_failed`` if the source fails or a server wants to be left alone for long; what was
        fetched until then is in the data set. Else as the source and the manifest do.
    """
    quiet()
    with manifest.changing(folder):
        intake = Intake(folder)
        done = _replay(folder, intake)
        result = Collected()
        with (folder / JOURNAL).open("a", encoding="utf-8") as journal, bar(0, "Collecting") as progress:

            def take(candidate: Candidate, outcome: str, detail: str | None, row: Row | None = None) -> None:
                line = _Line(url=candidate.url, label=candidate.about.label, outcome=outcome, detail=detail, row=row)
                journal.write(line.model_dump_json(exclude_none=True) + "\n")
                journal.flush()
                result.counts[outcome] += 1
                if detail is not None:
                    result.problems.append((candidate.url, detail))
                progress.update()

            try:
                for candidate, found in _fetched(_new(source, done, result), client, connections):
                    try:
                        data = found.result()
                    except (RefusedError, TwinlensError) as error:
                        take(candidate, REFUSED, error.detail if isinstance(error, TwinlensError) else str(error))
                    except (httpx.HTTPError, WaitError) as error:
                        take(candidate, FAILED, str(error) or type(error).__name__)
                    else:
                        row, new = intake.put(data, candidate.about)
                        take(candidate, SAVED if new else KNOWN, None, row if new else None)
            except (WaitError, httpx.HTTPError) as error:
                raise said(error) from None
            finally:
                intake.save()
                journal.write(_Line(url="", label="", outcome=_WRITTEN).model_dump_json(exclude_none=True) + "\n")
    return result


def _new(source: Source, done: set[tuple[str, str]], result: Collected) -> Iterator[Candidate]:
    for candidate in source.find():
        key = candidate.url, candidate.about.label
        if key in done:
            result.before += 1
        else:
            done.add(key)  # a source may name one address twice
            yield candidate


def _fetched(
    candidates: Iterator[Candidate], client: Client, connections: int
) -> Iterator[tuple[Candidate, Future[bytes]]]:
    """Candidates with what was fetched for them, as they come; only so many are under way that all are being fetched.

    What the source raises is raised once everything that was under way has come.
    """

    def fetch(candidate: Candidate) -> bytes:
        data = client.get(candidate.url, check=allowed_to_learn)
        check(data)
        return data

    under_way: dict[Future[bytes], Candidate] = {}
    stopped: Exception | None = None
    with ThreadPoolExecutor(connections) as pool:
        try:
            while stopped is None or under_way:
                while stopped is None and len(under_way) < connections:
                    try:
                        candidate = next(candidates)
                    except (WaitError, httpx.HTTPError, TwinlensError, StopIteration) as error:
                        stopped = error
                    else:
                        under_way[pool.submit(fetch, candidate)] = candidate
                for future in wait(under_way, return_when=FIRST_COMPLETED).done if under_way else ():
                    yield under_way.pop(future), future
        finally:
            for future in under_way:
                future.cancel()
    if stopped is not None and not isinstance(stopped, StopIteration):
        raise stopped


def _replay(folder: Path, intake: Intake) -> set[tuple[str, str]]:
    """Read the journal: what is done with, and the rows that a run which was killed has not put into the manifest."""
    path = folder / JOURNAL
    done: set[tuple[str, str]] = set()
    if not path.is_file():
        return done
    unwritten: list[Row] = []
    with path.open("ab+") as journal:
        end_at_line(journal)
    for number, text in enumerate(path.read_bytes().split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            line = _Line.model_validate_json(text)
        except ValidationError:
            raise TwinlensError(
                "invalid_data", f"{path}, line {number}: it is no line of the journal. Remove that line."
            ) from None
        if line.outcome == _WRITTEN:
            unwritten.clear()
            continue
        if line.outcome != FAILED:
            done.add((line.url, line.label))
        if line.row is not None:
            unwritten.append(line.row)
    for row in unwritten:
        if not intake.has(row.path) and (folder / row.path).is_file():
            intake.add(row)
    return done

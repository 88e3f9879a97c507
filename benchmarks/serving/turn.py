"""One server in one round: started, checked, warmed up, measured cell by cell, ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypedDict

import httpx

from benchmarks.process import FAILED
from benchmarks.serving import batches, wrk
from benchmarks.serving.photos import Sent, media_type
from benchmarks.serving.plan import BUSY, CELLS, FIRST, WARM_UP, WARM_UP_SECONDS, Cell
from benchmarks.serving.servers import Running, started
from benchmarks.serving.tree import peak_memory, wait_until_idle
from loadtest.plan import problem
from loadtest.processes import tree_seconds
from twinlens.errors import TwinlensError
from twinlens.store import ModelVersion

_ANSWER_SECONDS: Final = 60.0


class Figures(TypedDict):
    """What was measured in one cell; None where nothing was answered, or where a server has no batches to tell of."""

    requests_per_second: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    failed: int
    cpu_seconds_per_1000: float | None
    peak_memory_mib: float | None
    mean_batch: float | None


class Turn(TypedDict):
    """What came of a turn: figures by a cell's :attr:`Cell.key`, and why there are none, by the same key."""

    cells: dict[str, Figures]
    not_timed: dict[str, str]


def take(
    name: str, version: ModelVersion, sent: Mapping[str, Sequence[Sent]], seconds: int, cache: Path | None
) -> Turn:
    """Measure a server. One that does not start, or answers wrongly, is not timed.

    :param name: one of ours or of the peers.
    :param sent: the photos, by size.
    :param seconds: of a cell, of some :attr:`Cell.times` as many.
    :param cache: folder of the peers' environments.
    :raises TwinlensError: ``missing_requirement`` or ``internal`` as :func:`benchmarks.serving.wrk.run` does.
    """
    turn = Turn(cells={}, not_timed={})
    begun = False
    try:
        with started(name, version, cache) as server:
            begun = True
            _cells(server, sent, seconds, turn)
    except TwinlensError as error:
        if begun:
            raise
        turn["not_timed"] = {cell.key: f"does not start: {error.detail}" for cell in CELLS}
    return turn


def _cells(server: Running, sent: Mapping[str, Sequence[Sent]], seconds: int, turn: Turn) -> None:
    wrong: dict[str, str | None] = {}
    for cell in CELLS:
        photos = sent[cell.size]
        if cell.size not in wrong:
            wrong[cell.size] = wrong_answer(server.address, photos)
        why = wrong[cell.size]
        if why is not None:
            turn["not_timed"][cell.key] = why
            continue
        turn["cells"][cell.key] = timed(server, cell, photos, seconds * cell.times)
        if cell == FIRST:
            bodies = [photo.body for photo in photos]
            wrk.run(server.address, bodies, WARM_UP.connections, WARM_UP_SECONDS)
            wait_until_idle(server.pid)


def wrong_answer(address: str, photos: Sequence[Sent]) -> str | None:
    """Post each photo once; what is wrong with the first answer that is wrong, None if none is."""
    with httpx.Client(timeout=_ANSWER_SECONDS, headers={"Content-Type": media_type()}) as client:
        for photo in photos:
            try:
                answer = client.post(address, content=photo.body.read_bytes())
            except httpx.HTTPError as error:
                return f"does not answer: {error!r}"
            # Only the label has to be the golden one: other rules of resizing give another score.
            if found := problem(replace(photo.shot, score=None), answer.status_code, answer.text):
                return found
    return None


def timed(server: Running, cell: Cell, photos: Sequence[Sent], seconds: int) -> Figures:
    """Measure one cell, and wait until the server has ended what wrk no longer waits for.

    Processor time is read when wrk ends. What was done by then for photos whose answers wrk did not wait for, at most
    one a connection, counts for those that were answered: for every server, since only ours tells how much it was,
    and ours drops the rest, so that waiting for the rest of the others would flatter it.
    """
    batches_before = batches.ask(server.metrics) if server.metrics else None
    with peak_memory(server.pid) as peak:
        cpu_before = tree_seconds(server.pid)
        load = wrk.run(server.address, [photo.body for photo in photos], cell.connections, seconds)
        used = tree_seconds(server.pid) - cpu_before
    batch = None
    if server.metrics and batches_before:
        batch = batches.mean_between(batches_before, batches.ask(server.metrics))
    wait_until_idle(server.pid)
    return Figures(
        requests_per_second=load.answered / load.seconds,
        p50_ms=load.p50_ms,
        p95_ms=load.p95_ms,
        p99_ms=load.p99_ms,
        failed=load.failed,
        cpu_seconds_per_1000=1000 * used / load.answered if load.answered else None,
        peak_memory_mib=peak.mib,
        mean_batch=batch,
    )


def ceiling_turn(found: Mapping[str, Any]) -> Turn:
    """What :func:`benchmarks.serving.ceiling.best` gives, in the cell that it is compared with."""
    if FAILED in found:
        return Turn(cells={}, not_timed={BUSY.key: str(found[FAILED])})
    figures = Figures(
        requests_per_second=found["photos_per_second"],
        p50_ms=None,
        p95_ms=None,
        p99_ms=None,
        failed=0,
        cpu_seconds_per_1000=found["cpu_seconds_per_1000"],
        peak_memory_mib=None,
        mean_batch=None,
    )
    return Turn(cells={BUSY.key: figures}, not_timed={})

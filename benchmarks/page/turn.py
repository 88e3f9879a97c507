"""One page in one round: first visits with and without the line, warm photos on one thread and on several."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, TypedDict

from benchmarks.page import visits
from benchmarks.page.plan import LARGE_PHOTOS, LEAK_PHOTOS, LINE, OURS
from benchmarks.page.sites import Mounts, query, serve
from twinlens.errors import TwinlensError


class Photo(NamedTuple):
    """A JPEG and the label that every page has to answer."""

    path: Path
    label: str


class Turn(TypedDict, total=False):
    """Milliseconds and bytes of a turn; ``failed``: why there is nothing more.

    ``leaked`` is there where it was asked for, it and the large photos' times only for our page.
    """

    line_ms: float
    line_bytes: int
    direct_ms: float
    warm_ms: list[float]
    warm_threads_ms: list[float]
    large_ms: list[float]
    large_decode_ms: list[float]
    leaked: int
    failed: str


class Plan(NamedTuple):
    """What a turn needs: the photos, how many warm ones count, and how many threads there may be."""

    small: Photo
    large: Photo
    photos: int
    threads: int


_ONE: Final = 1


def rehearse(name: str, mounts: Mounts, plan: Plan) -> None:
    """Open a page both ways, untimed, so that its files are compressed when it is timed; its errors are told then."""
    photo, label = plan.small
    with suppress(TwinlensError):
        with serve(mounts) as host:
            visits.first(host.url, photo, label, None)
        with serve(mounts, isolated=True) as host:
            visits.warm(host.url + query(name, threads=plan.threads), photo, label, 1)


def take(name: str, mounts: Mounts, plan: Plan, *, leak: bool) -> Turn:
    """Measure a page. One that fails, or answers wrongly, has no further figures.

    :param leak: whether our page's tensors are counted too, which takes 200 photos.
    """
    turn = Turn()
    photo, label = plan.small
    try:
        with serve(mounts) as host:
            slow = visits.first(host.url, photo, label, LINE)
            turn["line_ms"], turn["line_bytes"] = slow["milliseconds"], slow["bytes"] or 0
            turn["direct_ms"] = visits.first(host.url, photo, label, None)["milliseconds"]
            alone = host.url + query(name, threads=_ONE)
            turn["warm_ms"] = visits.warm(alone, photo, label, plan.photos)
            if name == OURS:
                big = visits.large(alone, photo, plan.large.path, plan.large.label, LARGE_PHOTOS)
                turn["large_ms"], turn["large_decode_ms"] = big["answer_ms"], big["decode_ms"]
                if leak:
                    turn["leaked"] = visits.leaked(alone, photo, label, LEAK_PHOTOS)
        if plan.threads > 1:
            with serve(mounts, isolated=True) as host:
                address = host.url + query(name, threads=plan.threads)
                turn["warm_threads_ms"] = visits.warm(address, photo, label, plan.photos)
    except TwinlensError as error:
        turn["failed"] = error.detail
    return turn

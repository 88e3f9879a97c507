"""The mean size of a batch, from the histogram that our server gives at ``/metrics``."""

from __future__ import annotations

from typing import Final, NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families

_HISTOGRAM: Final = "twinlens_batch_size"


class Batches(NamedTuple):
    """Photos and runs of the network since the server started."""

    photos: float
    runs: float


def read(text: str) -> Batches:
    """Read the histogram.

    :param text: what ``/metrics`` answers, in Prometheus' text format.
    """
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        if family.name == _HISTOGRAM
        for sample in family.samples
    }
    return Batches(found.get(f"{_HISTOGRAM}_sum", 0.0), found.get(f"{_HISTOGRAM}_count", 0.0))


def ask(url: str) -> Batches:
    """The same from a server that runs.

    :param url: its address, without a trailing slash.
    """
    return read(httpx.get(f"{url}/metrics", timeout=30).raise_for_status().text)


def mean_between(before: Batches, after: Batches) -> float | None:
    """Mean images in a run of the network between two looks; None if there was no run."""
    runs = after.runs - before.runs
    return (after.photos - before.photos) / runs if runs else None

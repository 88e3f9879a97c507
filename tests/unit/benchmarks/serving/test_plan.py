"""Which cells, in which order, and how long that takes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmarks.serving.plan import (
    AFTER_BURST,
    CEILING,
    CELLS,
    CROWDED,
    FIRST,
    OURS,
    PEERS,
    ROUNDS,
    SECONDS,
    SERVERS,
    SIZES,
    SMALL,
    UNBATCHED,
    minutes,
    order,
    versions,
)
from loadtest.peers import catalogue


def test_the_peers_are_those_that_there_are() -> None:
    assert set(PEERS) == set(catalogue.PEERS)
    assert {OURS, UNBATCHED, CEILING} == set(SERVERS) - set(PEERS)


def test_a_fresh_process_comes_first_and_the_burst_just_before_what_follows_it() -> None:
    assert CELLS[0] == FIRST
    assert CELLS.index(AFTER_BURST) == CELLS.index(CROWDED) + 1
    assert {cell.connections for cell in CELLS if cell.size == SMALL} == {1, 8, 32, 128}
    assert {cell.size for cell in CELLS} == set(SIZES)
    assert len({cell.key for cell in CELLS}) == len(CELLS)


def test_every_round_has_everyone_and_another_order() -> None:
    rounds = [order(SERVERS, number) for number in range(ROUNDS)]
    assert all(sorted(each) == sorted(SERVERS) for each in rounds)
    assert len({tuple(each) for each in rounds}) == ROUNDS
    assert rounds[0] == list(SERVERS)
    assert rounds[1] == [SERVERS[0], *SERVERS[:0:-1]]
    # Nobody has the same neighbour before it in most of the rounds.
    before = Counter((each[at - 1], each[at]) for each in rounds for at in range(1, len(each)))
    assert max(before.values()) <= (ROUNDS + 1) // 2


def test_the_default_run_is_under_an_hour() -> None:
    assert 30 < minutes(SERVERS, ROUNDS, SECONDS) < 60
    assert minutes([OURS], 2, 1) < 1.2


def test_versions_are_the_pinned_ones(tmp_path: Path) -> None:
    pins = tmp_path / "peers.txt"
    pins.write_text("fastapi==0.1.2 \\\n    --hash=sha256:00\nflask==3 ; python_version > '3'\nother==9\n")
    assert versions(pins) == {"fastapi": "0.1.2", "flask": "3"}
    assert {"fastapi", "litserve", "flask", "gunicorn", "torch"} <= versions().keys()

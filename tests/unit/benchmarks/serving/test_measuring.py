"""The parts that look at a machine: photos, memory, batches, and a turn whose server is played."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from prometheus_client import CollectorRegistry, generate_latest

from benchmarks.serving import batches, ceiling, photos, tree, turn, wrk
from benchmarks.serving.plan import BUSY, CELLS, LARGE, OURS, SIZES, SMALL
from benchmarks.serving.servers import Running
from benchmarks.serving.tree import memory_mib, peak_memory
from loadtest.peers.ceiling import Setting, settings
from loadtest.photos import make_pictures
from parity.photos import find
from twinlens.classifier import Classifier
from twinlens.errors import TwinlensError
from twinlens.http.metrics import Metrics


def test_the_mean_batch_is_of_what_came_between() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.batch_size.observe(8)
    before = batches.read(generate_latest(registry).decode())
    assert before == (8, 1)
    assert batches.mean_between(before, before) is None
    for size in (1, 2, 6):
        metrics.batch_size.observe(size)
    assert batches.mean_between(before, batches.read(generate_latest(registry).decode())) == 3
    assert batches.read("# nothing\n") == (0, 0)


def test_crops_are_of_one_size_and_all_differ(classifier: Classifier, tmp_path: Path) -> None:
    for name in ("made", "crops"):
        (tmp_path / name).mkdir()
    make_pictures(tmp_path / "made", 2)
    found, _ = find(tmp_path / "made", classifier.contract)
    photos.crops(found, 6, tmp_path / "crops")
    files = sorted((tmp_path / "crops").iterdir())
    assert all(Image.open(io.BytesIO(file.read_bytes())).size == SIZES[SMALL] for file in files)
    assert len({file.read_bytes() for file in files}) == len(files) == 6


def test_the_surest_come_first(classifier: Classifier, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    make_pictures(folder, 8)
    found = photos.surest(folder, classifier, 3, tmp_path)
    assert len({shot.path for shot in found}) == 3
    scores = [shot.score for shot in found]
    assert scores == sorted(scores, reverse=True)
    everything = photos.surest(folder, classifier, 100, tmp_path)
    assert everything[:3] == found and len(everything) <= 8


def test_memory_is_that_of_the_whole_tree() -> None:
    code = "import subprocess, sys; a = bytearray(b'1') * 2**25; "
    child = [sys.executable, "-c", f"{code}print(1, flush=True); sys.stdin.read()"]
    parent = f"{code}p = subprocess.Popen({child!r}); p.wait()"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        assert memory_mib(process.pid) > 64
        with peak_memory(process.pid) as peak:
            assert peak.mib == 0
        assert peak.mib > 64
        process.stdin.close()
    assert memory_mib(process.pid) == 0


def test_a_tree_that_works_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processor time is played: a busy machine gives a process too little of it."""
    looks: list[int] = []

    def seconds(root: int) -> float:
        looks.append(root)
        return min(len(looks), 5) * 0.2

    monkeypatch.setattr(tree, "tree_seconds", seconds)
    monkeypatch.setattr(tree, "_STEP_SECONDS", 0.01)
    tree.wait_until_idle(7)
    assert looks == [7] * 6


class Played:
    """Servers, wrk and answers that are played. ``wrong`` holds the sizes that are answered wrongly."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: list[tuple[int, int]] = []
        self.wrong: set[str] = set()
        self.starts = True
        monkeypatch.setattr(turn, "started", self.started)
        monkeypatch.setattr(turn, "wrong_answer", self.wrong_answer)
        monkeypatch.setattr(turn, "tree_seconds", lambda pid: 2.0 * len(self.runs))
        monkeypatch.setattr(turn, "wait_until_idle", lambda pid: None)
        monkeypatch.setattr(turn.batches, "ask", lambda url: batches.Batches(30 * len(self.runs), 10 * len(self.runs)))
        monkeypatch.setattr(wrk, "run", self.run)

    @contextmanager
    def started(self, name: str, *_: object) -> Iterator[Running]:
        if not self.starts:
            raise TwinlensError("not_ready", "It ended.")
        yield Running("http://played", 1, "http://played" if name == OURS else None)

    def wrong_answer(self, address: str, sent: list[str]) -> str | None:
        return "wrong answer: red, not blue" if sent[0] in self.wrong else None

    def run(self, address: str, bodies: object, connections: int, seconds: int) -> wrk.Load:
        self.runs.append((connections, seconds))
        return wrk.Load(400, 1, 4.0, 10.0, 20.0, 30.0)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return Played(monkeypatch)


class Named(str):
    """A photo of which only the size is known."""

    body = Path("body")


SENT = {size: [Named(size)] for size in SIZES}


def test_a_turn_warms_up_after_its_first_cell(played: Played) -> None:
    found = turn.take(OURS, None, SENT, 5, None)  # type: ignore[arg-type]
    assert played.runs == [(1, 5), (32, 2), (8, 5), (32, 10), (128, 5), (1, 5), (8, 5), (4, 5)]
    assert found["not_timed"] == {}
    assert list(found["cells"]) == [cell.key for cell in CELLS]
    figures = found["cells"][BUSY.key]
    assert figures["requests_per_second"] == 100
    assert (figures["cpu_seconds_per_1000"], figures["mean_batch"], figures["failed"]) == (5.0, 3.0, 1)


def test_what_is_answered_wrongly_is_not_timed(played: Played) -> None:
    played.wrong = {LARGE}
    found = turn.take("litserve", None, SENT, 5, None)  # type: ignore[arg-type]
    assert found["not_timed"] == {"4000x3000, 4": "wrong answer: red, not blue"}
    assert len(found["cells"]) == len(CELLS) - 1
    assert found["cells"][BUSY.key]["mean_batch"] is None
    played.wrong, played.runs = set(SIZES), []
    assert turn.take(OURS, None, SENT, 5, None)["cells"] == {}  # type: ignore[arg-type]
    assert played.runs == []


def test_a_server_that_does_not_start_is_a_result_too(played: Played) -> None:
    played.starts = False
    found = turn.take("litserve", None, SENT, 5, None)  # type: ignore[arg-type]
    assert found["cells"] == {}
    assert set(found["not_timed"].values()) == {"does not start: It ended."}


def test_a_client_that_is_missing_is_none(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> wrk.Load:
        raise TwinlensError("missing_requirement", "There is no wrk.")

    monkeypatch.setattr(wrk, "run", missing)
    with pytest.raises(TwinlensError, match="no wrk"):
        turn.take(OURS, None, SENT, 5, None)  # type: ignore[arg-type]


def test_the_ceiling_stands_in_the_cell_that_it_is_compared_with() -> None:
    found = turn.ceiling_turn({"photos_per_second": 150.0, "cpu_seconds_per_1000": 12.5})
    assert list(found["cells"]) == [BUSY.key]
    assert found["cells"][BUSY.key]["cpu_seconds_per_1000"] == 12.5
    assert turn.ceiling_turn({"failed": "ended"}) == {"cells": {}, "not_timed": {BUSY.key: "ended"}}


def test_the_best_settings_of_the_ceiling_are_measured_again(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pictures(tmp_path, 4)
    files, tried = sorted(tmp_path.iterdir()), settings(1)[:4]
    monkeypatch.setattr(ceiling, "settings", lambda cores: tried)
    monkeypatch.setattr(ceiling, "_TRIED_SECONDS", 0.1)
    chosen = ceiling.candidates(classifier.version.path, files)["settings"]
    assert len(chosen) == 3 and all(Setting(**each) in tried for each in chosen)
    found = ceiling.best(classifier.version.path, files, chosen, 0.1)
    assert found["setting"] in chosen
    assert found["photos_per_second"] > 0 and found["cpu_seconds_per_1000"] > 0
    assert "model version" in ceiling.best(tmp_path, files, chosen, 0.1)["failed"]

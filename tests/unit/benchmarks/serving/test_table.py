"""Rows, README's table of them, and the picture."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks.readme import filled, goals_table
from benchmarks.results import result, write_result
from benchmarks.serving.goals import DEFINITIONS, goals, spread
from benchmarks.serving.picture import draw
from benchmarks.serving.plan import AFTER_BURST, BUSY, CEILING, CELLS, CROWDED, HEAVY, OURS, SERVERS
from benchmarks.serving.rows import row_of, rows
from benchmarks.serving.table import server_table
from tests.unit.benchmarks.serving.rounds import made, not_timed

GPU = "not measured: nvidia-smi finds no GPU on this machine"


def write(folder: Path, rounds: list[dict[str, Any]], gpu: Any = GPU) -> Path:
    path = folder / "server.json"
    facts = {"gpu": gpu, "spread": spread(rounds)}
    found = result(
        "make bench-server",
        rows(rounds, SERVERS),
        goals(rounds),
        commit=40 * "0",
        definitions=DEFINITIONS,
        facts=facts,
    )
    write_result(path, found)
    return path


def test_a_row_for_each_server_and_cell() -> None:
    found = rows(made(), SERVERS)
    assert len(found) == (len(SERVERS) - 1) * len(CELLS) + 1
    row = row_of(found, OURS, BUSY)
    assert row is not None
    assert row["requests_per_second"] == 160
    assert row["requests_per_second_p10"] == pytest.approx(137.6) and row["requests_per_second_p90"] == 182.4
    assert (row["p50_ms"], row["p99_ms"], row["mean_batch"], row["failed"]) == (200.0, 400.0, 4.0, 0)
    assert (row["rounds"], row["not_timed"]) == (7, None)
    assert row_of(found, OURS, AFTER_BURST) is not row_of(found, OURS, CELLS[0])
    ceiling = row_of(found, CEILING, BUSY)
    assert ceiling is not None and (ceiling["connections"], ceiling["cpu_seconds_per_1000"]) == (None, 10.0)
    assert row_of(found, CEILING, CROWDED) is None


def test_failures_add_up_and_memory_is_the_largest() -> None:
    rounds = made()
    for number in (1, 4):
        rounds[number][OURS]["cells"][CROWDED.key] |= {"failed": 3, "peak_memory_mib": 400.0 + number}
    row = row_of(rows(rounds, SERVERS), OURS, CROWDED)
    assert row is not None and (row["failed"], row["peak_memory_mib"]) == (6, 404.0)


def test_a_server_that_was_not_timed_has_rows_that_say_why() -> None:
    rounds = [turns | {"litserve": not_timed("wrong answer: hat, not shirt")} for turns in made()]
    row = row_of(rows(rounds, SERVERS), "litserve", HEAVY)
    assert row is not None
    assert row["not_timed"] == "wrong answer: hat, not shirt"
    assert {row[name] for name in ("requests_per_second", "p50_ms", "failed", "mean_batch")} == {None}


def test_the_table_has_a_line_for_each_server(tmp_path: Path) -> None:
    text = server_table(write(tmp_path, made()))
    assert "| twinlens | 160 (138 to 182) | 200, 300, 400 | 12.5 | 300 | 4 | 6.25 (6.25) | 800, 1,600 | 20 |" in text
    assert "| ceiling: no HTTP | 200 (172 to 228) | " in text
    assert "medians over 7 rounds" in text and "No request failed." in text and f"GPU: {GPU}." in text
    assert "Not timed" not in text and "`make bench-server` at `" in text


def test_the_table_says_what_failed_and_why(tmp_path: Path) -> None:
    rounds = [turns | {"litserve": not_timed("wrong | answer")} for turns in made()]
    rounds[0]["flask_eager"]["cells"][CROWDED.key]["failed"] = 5
    fast = [{"device": "NVIDIA L4", "batch": 1, "photos_per_second": 500.0, "vs_single": 1.0}]
    fast += [{"device": "NVIDIA L4", "batch": 64, "photos_per_second": 9000.0, "vs_single": 18.0}]
    text = server_table(write(tmp_path, rounds, fast))
    assert "Failed requests: Flask, gunicorn, PyTorch eager 5." in text
    assert "LitServe, batching at 500x375: wrong / answer" in text
    assert "| LitServe, batching | – | – | – | – | – | – | – | – |" in text
    assert "NVIDIA L4: 9,000 photos/s in batches of 64, 18 times as many as one by one." in text


def test_the_readme_has_blocks_for_both_tables(tmp_path: Path) -> None:
    path = write(tmp_path, made())
    text = "<!-- server:begin -->\n<!-- server:end -->\n<!-- results:server:begin -->\n<!-- results:server:end -->\n"
    assert server_table(path) in filled(text, tmp_path)
    assert goals_table(path) in filled(text, tmp_path)
    assert "| `vs_litserve` (ratio) | 4 (4 to 4) | ≥ 2 | yes |" in goals_table(path)


def test_a_result_can_be_written_without_anything_measured(tmp_path: Path) -> None:
    path = write(tmp_path, [{name: not_timed("no") for name in SERVERS if name != CEILING}])
    assert all(goal["value"] is None and not goal["met"] for goal in json.loads(path.read_bytes())["goals"])
    assert Image.open(io.BytesIO(draw(json.loads(path.read_bytes())["rows"]))).format == "PNG"


def test_the_picture_is_one(tmp_path: Path) -> None:
    image = Image.open(io.BytesIO(draw(rows(made(), SERVERS))))
    assert image.format == "PNG" and image.width > 1000

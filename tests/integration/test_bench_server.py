"""The server's benchmark from its command line to its files: real servers, wrk, two rounds of a second a cell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.serving.goals import ASKED
from benchmarks.serving.plan import BUSY, CELLS, OURS
from benchmarks.serving.rows import row_of
from tests.servers import ROOT

SERVERS = ("twinlens", "fastapi_tuned")


@pytest.mark.heavy
@pytest.mark.alone
@pytest.mark.timeout(3600)
def test_a_small_run_and_one_that_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.serving", "--only", ",".join(SERVERS), "--work", str(tmp_path)]
    command += ["--rounds", "2", "--seconds", "1"]
    before = list((ROOT / "docs" / "results").glob("server.*"))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 1, done.stdout + done.stderr  # since no peer but one was measured
    content = json.loads((tmp_path / "server.json").read_bytes())
    rows = content["rows"]
    assert len(rows) == len(SERVERS) * len(CELLS)
    assert [row["not_timed"] for row in rows] == [None] * len(rows)
    assert all(row["rounds"] == 2 and row["peak_memory_mib"] > 0 for row in rows)
    for name in SERVERS:
        row = row_of(rows, name, BUSY)
        assert row is not None
        assert row["requests_per_second"] > 0 and row["cpu_seconds_per_1000"] > 0 and row["failed"] == 0
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert (row["mean_batch"] is None) == (name == "fastapi_tuned")
    ours = row_of(rows, OURS, BUSY)
    assert ours is not None and ours["mean_batch"] > 1
    goals = {goal["name"]: goal["value"] for goal in content["goals"]}
    assert list(goals) == [asked.name for asked in ASKED]
    assert goals["vs_fastapi_tuned"] is not None and goals["vs_litserve"] is None
    assert len(content["spread"]["vs_fastapi_tuned"]["rounds"]) == 2
    assert content["machine"]["versions"]["wrk"] != "unknown" and content["machine"]["versions"]["fastapi"]
    assert content["photos"]["4000x3000"]["count"] > 0 and 3 < content["photos"]["4000x3000"]["megabytes"] < 5
    with Image.open(tmp_path / "server.png") as image:
        assert image.format == "PNG"
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert again.stdout.count("kept from an earlier run") == 2 * len(SERVERS), again.stdout + again.stderr
    assert json.loads((tmp_path / "server.json").read_bytes())["rows"] == rows
    assert list((ROOT / "docs" / "results").glob("server.*")) == before

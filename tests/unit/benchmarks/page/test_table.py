"""Rows, README's table of them, the result's shape, and the picture."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks.page.goals import DEFINITIONS, goals, spread
from benchmarks.page.picture import draw
from benchmarks.page.plan import OURS, PAGES
from benchmarks.page.rows import rows
from benchmarks.page.table import page_table
from benchmarks.readme import filled
from benchmarks.results import result, write_result
from tests.unit.benchmarks.page.rounds import WEIGHTS, made
from twinlens.errors import TwinlensError

REASON = "Python 3.12 or 3.11 is not on the PATH | nothing was made."


def write(folder: Path, rounds: list[dict[str, Any]], weights: dict[str, Any] | None = None) -> Path:
    path = folder / "page.json"
    facts = {
        "line": "10 Mbit/s, 40 ms",
        "threads": 2,
        "rounds": len(rounds),
        "photos": {"small": "500x375"},
        "spread": spread(rounds),
    }
    content = result(
        "make bench-page",
        rows(rounds, PAGES, weights or WEIGHTS),
        goals(rounds),
        commit=40 * "0",
        definitions=DEFINITIONS,
        facts=facts,
    )
    write_result(path, content)
    return path


def test_a_row_for_each_page() -> None:
    found = rows(made(), PAGES, WEIGHTS)
    assert [row["page"] for row in found] == list(PAGES)
    ours = found[0]
    assert (ours["line_ms"], ours["direct_ms"], ours["line_megabytes"]) == (2600.0, 520.0, 1.5)
    assert (ours["warm_ms"], ours["warm_threads_ms"]) == (pytest.approx(20.8), pytest.approx(10.4))
    assert (ours["line_ms_p10"], ours["line_ms_p90"]) == (pytest.approx(2120.0), pytest.approx(3080.0))
    assert (ours["rounds"], ours["weights_bytes"], ours["not_measured"]) == (7, 1_260_000, None)


def test_a_page_without_weights_has_a_row_that_says_why() -> None:
    rounds = made()
    for turns in rounds:
        del turns["litert_js"]
    row = rows(rounds, PAGES, {**WEIGHTS, "litert_js": {"not_measured": REASON}})[-1]
    assert (row["not_measured"], row["rounds"], row["line_ms"], row["line_megabytes"]) == (REASON, 0, None, None)


def test_a_page_that_failed_once_keeps_its_other_rounds() -> None:
    rounds = made()
    rounds[6]["litert_js"] = {"failed": "it does not answer"}
    row = rows(rounds, PAGES, WEIGHTS)[-1]
    assert (row["rounds"], row["not_measured"], row["line_ms"]) == (6, "it does not answer", 7500.0)


def test_the_table_names_every_page_and_its_spread(tmp_path: Path) -> None:
    text = page_table(write(tmp_path, made()))
    assert "Warm, 2 threads, ms" in text
    assert "| twinlens | as exported, 1.26 MB | 1.50 | 2.60 (2.12 to 3.08) | 0.52 (0.42 to 0.62) | 20.8 " in text
    assert text.count("\n| ") == 1 + len(PAGES)
    assert "10 Mbit/s, 40 ms" in text and "7 rounds" in text and "Not measured" not in text
    assert "`make bench-page` at `000000000000` on" in text


def test_the_table_says_what_was_not_measured(tmp_path: Path) -> None:
    rounds = made()
    for turns in rounds:
        del turns["litert_js"]
    text = page_table(write(tmp_path, rounds, {**WEIGHTS, "litert_js": {"not_measured": REASON}}))
    assert "| LiteRT.js | – | – | – | – | – | – |" in text
    assert "Not measured: LiteRT.js: Python 3.12 or 3.11 is not on the PATH / nothing was made." in text


def test_the_readme_has_blocks_for_it(tmp_path: Path) -> None:
    path = write(tmp_path, made())
    text = "<!-- page:begin -->\n<!-- page:end -->\n<!-- results:page:begin -->\n<!-- results:page:end -->\n"
    text = filled(text, tmp_path)
    assert page_table(path) in text
    assert "| `first_answer_vs_best_peer` (ratio) | 2.5 (2.5 to 2.5) | ≥ 2 | yes |" in text
    assert filled(text, tmp_path) == text
    with pytest.raises(TwinlensError, match="measure it"):
        filled(text, tmp_path / "elsewhere")


def test_the_result_is_whole(tmp_path: Path) -> None:
    content = json.loads(write(tmp_path, made()).read_bytes())
    assert {"command", "commit", "machine", "definitions", "goals", "rows", "line", "threads", "spread"} <= set(content)
    assert {goal["name"] for goal in content["goals"]} <= set(content["definitions"])
    assert content["rows"][0]["page"] == OURS


@pytest.mark.parametrize("missing", [False, True])
def test_the_picture(missing: bool) -> None:
    rounds = made()
    weights: dict[str, Any] = dict(WEIGHTS)
    if missing:
        for turns in rounds:
            del turns["litert_js"]
        weights["litert_js"] = {"not_measured": REASON}
    data = draw(rows(rounds, PAGES, weights), "10 Mbit/s, 40 ms", 2)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG" and image.width > 800

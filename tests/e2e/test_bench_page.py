"""The page's benchmark from its command line to its files, with one peer; and LiteRT's weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.page import graphs, lite, turn
from benchmarks.page.__main__ import main
from benchmarks.page.goals import ASKED
from benchmarks.results import ROOT
from twinlens.store import open_current

PAGES = ("twinlens", "onnxruntime_web")


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_a_small_run_and_one_that_goes_on(
    dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(turn, "LEAK_PHOTOS", 10)
    arguments = ["--only", ",".join(PAGES), "--work", str(tmp_path), "--rounds", "1", "--warm", "2"]
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "docs" / "results").glob("page.*")}
    assert main(arguments) in (0, 1)
    content = json.loads((tmp_path / "page.json").read_bytes())
    rows = content["rows"]
    assert [row["page"] for row in rows] == list(PAGES)
    assert [row["not_measured"] for row in rows] == [None, None], rows
    for row in rows:
        assert row["rounds"] == 1 and row["weights_bytes"] > 1_000_000
        assert row["line_ms"] > 0 and row["direct_ms"] > 0 and row["warm_ms"] > 0
        # Its weights have come down the line, and its code.
        assert row["line_megabytes"] > row["weights_bytes"] / 1e6
    assert rows[0]["line_megabytes"] < rows[1]["line_megabytes"]
    goals = {goal["name"]: goal["value"] for goal in content["goals"]}
    assert list(goals) == [asked.name for asked in ASKED]
    assert None not in goals.values()
    assert goals["tensors_leaked_after_200"] == 0 and goals["large_photo_ratio"] > 0
    assert content["weights"]["onnxruntime_web"]["chosen"] == rows[1]["weights"]
    assert content["machine"]["versions"]["chromium"] and content["machine"]["versions"]["onnxruntime-web"]
    with Image.open(tmp_path / "page.png") as image:
        assert image.format == "PNG"
    capsys.readouterr()
    assert main(arguments) in (0, 1)
    assert capsys.readouterr().out.count("kept from an earlier run") == len(PAGES)
    assert json.loads((tmp_path / "page.json").read_bytes())["rows"] == rows
    assert {path: path.stat().st_mtime_ns for path in (ROOT / "docs" / "results").glob("page.*")} == before


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_litert_answers_as_onnx_runtime_does() -> None:
    version = open_current(ROOT / "bentos" / "clothing")
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB").resize((224, 224))) for path in golden(version.path)])
    images = graphs.images_of(pixels, version.contract)
    onnx_files = graphs.Files(version)
    files = lite.Files(onnx_files.float32, None)
    found = files.candidates(images)
    assert set(found) == {"float32", "float16", "dynamic_range_quant", "integer_quant"}
    assert len(found["dynamic_range_quant"]) < len(found["float16"]) < len(found["float32"])
    expected = onnx_files.answers(onnx_files.float32.SerializeToString(), images)
    assert files.answers(found["float32"], images).tolist() == expected.tolist()
    assert set(files.candidates(None, "dynamic_range_quant")) == {"dynamic_range_quant"}


def golden(version: Path) -> list[Path]:
    return sorted(path for path in (version / "golden").iterdir() if path.suffix in (".png", ".jpg", ".webp", ".bmp"))

from pathlib import Path

import pytest

from benchmarks.results import read_result
from benchmarks.similar import __main__ as bench
from tests.unit.similar import made
from twinlens.errors import TwinlensError
from twinlens.settings import Settings
from twinlens.store import open_current

INDEX = {
    "what": "index",
    "recall_at_10": 0.985,
    "ours_ms": [1.0, 2.0, 1.0],
    "exact_ms": [30.0, 30.0, 31.0],
    "build_seconds": 600.0,
    "peak_bytes": 1.9e9,
}
GALLERY = {"what": "gallery", "search_ms": [3.0, 4.0], "inference_ms": [60.0, 40.0], "bytes": 12_500_000}
NEAR = {"what": "neighbours", "precision_at_5": 0.9}


def test_goals_are_what_was_asked_for() -> None:
    found = {goal.name: (goal.value, goal.met) for goal in bench.goals([NEAR, INDEX, GALLERY])}
    assert found == {
        "recall_at_10": (0.985, True),
        "speedup_vs_exact_1m": (30, True),
        "build_minutes": (10, True),
        "build_gigabytes": (1.9, True),
        "page_search_over_inference": (pytest.approx(0.075), True),
        "gallery_megabytes": (12.5, True),
        "precision_at_5": (0.9, True),
    }
    slow = INDEX | {"exact_ms": [10.0, 10.0, 10.0], "recall_at_10": 0.97}
    missed = [goal.name for goal in bench.goals([NEAR, slow, GALLERY]) if not goal.met]
    assert missed == ["recall_at_10", "speedup_vs_exact_1m"]


def test_neighbours_of_test_photos_among_themselves_and_among_the_others(tmp_path: Path, settings: Settings) -> None:
    photos = tmp_path / "photos"
    for split in ("test", "train"):
        made.photos(photos / split, 3, ("red", "green", "blue"))
    version = open_current(settings.model_folder)
    found = bench.indexed(photos, tmp_path, settings, version)
    assert found.vectors.shape == found.embeddings.shape == (18, 3)
    row = bench.quality(found, photos)
    assert (row["photos"], row["loss"], row["precision_at_5"]) == (9, 0, row["without_projection"])
    assert row["among_the_other_photos"] == pytest.approx(3 / 5)  # of a colour there are three
    with pytest.raises(TwinlensError, match="test/"):
        bench.quality(bench.indexed(photos / "train", tmp_path / "other", settings, version), photos / "train")


@pytest.mark.parametrize(
    ("given", "whole"),
    [([], True), (["--vectors", "2000"], False), (["--rounds", "1"], False), (["--kind", "hnsw"], False)],
)
def test_a_partial_run_stays_in_its_folder(
    given: list[str], whole: bool, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("MODELS", str(settings.models)), ("MODEL", settings.model)):
        monkeypatch.setenv(f"TWINLENS_{name}", value)
    found = bench.indexed(made.photos(tmp_path / "photos"), tmp_path, settings, open_current(settings.model_folder))
    monkeypatch.setattr(bench, "indexed", lambda *_: found)
    monkeypatch.setattr(bench, "quality", lambda *_: NEAR)
    monkeypatch.setattr(bench, "searched", lambda *_: INDEX)
    monkeypatch.setattr(bench, "jittered", lambda *_: None)
    monkeypatch.setattr(bench.gallery, "measure", lambda *_: {**GALLERY, "browser": "made up"})
    results, work = tmp_path / "results", tmp_path / "work"
    results.mkdir()
    assert bench.main(["photos", *given, "--work", str(work)], results) == 0
    there, other = (results, work) if whole else (work, results)
    content = read_result(there / "similar.json")
    assert [row["what"] for row in content["rows"]] == ["neighbours", "index", "gallery"]
    assert content["command"].startswith("make bench-similar PHOTOS=photos")
    assert not (other / "similar.json").exists()


def test_fewer_vectors_than_can_be_searched_are_none() -> None:
    with pytest.raises(SystemExit):
        bench.parser().parse_args(["photos", "--vectors", "1"])

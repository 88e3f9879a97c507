from pathlib import Path

import pytest

from benchmarks.bulk import __main__ as bench
from tests import images, models
from twinlens.bulk.command import classify_to, parts_of
from twinlens.errors import TwinlensError
from twinlens.settings import Settings


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, colour in enumerate(models.LABELS):
        (folder / f"{index}.png").write_bytes(images.encoded(models.picture(colour), "PNG"))
    return folder


def test_goals_are_what_was_asked_for() -> None:
    rows = [
        {"ceiling": 40.0, "processes": 38.0, "rows_differing": 0},
        {"ceiling": 40.0, "processes": 30.0, "rows_differing": 0},
        {"ceiling": 50.0, "processes": 46.0, "rows_differing": 0},
    ]
    found = {goal.name: (goal.value, goal.met) for goal in bench.goals(rows, 0)}
    assert found == {"rows_differing": (0, True), "photos_per_second_vs_ceiling": (0.92, True)}
    assert not any(goal.met for goal in bench.goals(rows[1:2], 1))
    assert bench.goals([*rows, rows[0] | {"rows_differing": 2}], 1)[0].value == 3


def test_rows_that_differ_are_counted(photos: Path, tmp_path: Path, settings: Settings) -> None:
    outs = [tmp_path / f"{name}.parquet" for name in "abc"]
    for out in outs[:2]:
        classify_to([photos], out, settings, top_k=2, workers=1)
    assert bench.differing(*outs[:2]) == 0
    (photos / "2.png").write_bytes(images.encoded(models.picture("white"), "PNG"))
    (photos / "9.png").write_text("hello")
    classify_to([photos], outs[2], settings, top_k=2, workers=1)
    assert bench.differing(outs[0], outs[2]) == bench.differing(outs[2], outs[0]) == 2


def test_the_command_is_timed_as_a_user_runs_it(
    photos: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("MODELS", str(settings.models)), ("MODEL", settings.model)):
        monkeypatch.setenv(f"TWINLENS_{name}", value)
    out = tmp_path / "out.parquet"
    classify_to([photos], out, settings, top_k=5, workers=1)
    parts = parts_of(out)
    parts.mkdir()
    (parts / "of a run that was stopped").touch()
    assert bench.timed(photos, "processes", out) > 0
    assert out.exists() and not parts.exists()
    with pytest.raises(TwinlensError) as caught:
        bench.timed(tmp_path / "nowhere", "processes", tmp_path / "other.parquet")
    assert caught.value.code == "engine_failed" and "nowhere" in caught.value.detail

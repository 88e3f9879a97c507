import json
from pathlib import Path

from tests.unit.training.measured import write_model, write_photos
from training.measure import measure
from training.report.write import METRICS, REPORT, write


def test_both_files_are_written_and_earlier_ones_replaced(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos")
    measured = measure(write_model(tmp_path / "models", photos), "validation", photos)
    write(measured, tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / REPORT).write_text("old")
    write(measured, tmp_path / "a" / "b")
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == [METRICS, REPORT]
    assert json.loads((tmp_path / "a" / "b" / METRICS).read_text(encoding="utf-8"))["split"] == "validation"
    assert (tmp_path / "a" / "b" / REPORT).read_text(encoding="utf-8").startswith("<!doctype html>")

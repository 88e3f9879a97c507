"""The image, really built, run, called and stopped, where there is a builder and a base image can be had."""

import json
from pathlib import Path

import pytest

from benchmarks.container.__main__ import main
from benchmarks.container.choice import choose

TAG = "twinlens-test"


@pytest.mark.heavy
@pytest.mark.timeout(3000)
def test_the_image_and_its_server_are_as_they_must_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = tmp_path / "container.json"
    status = main(["--tag", TAG, "--rounds", "1", "--out", str(result)])
    said = capsys.readouterr().err
    if status == 2 and "[missing_requirement]" in said:
        pytest.skip(f"no container was built: {said.strip().splitlines()[-1]}")
    assert status in (0, 1), said
    try:
        found = json.loads(result.read_bytes())
        failed = [row for row in found["rows"] if row["kind"] == "check" and not row["passed"]]
        assert failed == []
        assert sum(row["kind"] == "check" for row in found["rows"]) == 18
        met = {goal["name"]: goal["met"] for goal in found["goals"]}
        # ready_ratio is a time, which other work of this machine can spoil.
        assert met["app_layers_mb"] and met["checks_failed"], found["goals"]
        assert any(row["kind"] == "start" for row in found["rows"])
    finally:
        choose().remove(TAG)

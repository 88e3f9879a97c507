import json
from pathlib import Path

import pytest

from benchmarks.networks import main
from benchmarks.readme import networks_table
from tests.unit.training.pictures import split_folders

NETWORKS = "shufflenet_v2_x0_5,squeezenet1_1"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return split_folders(tmp_path_factory.mktemp("photos"), train=12, validation=4, test=4)


def test_two_networks_are_trained_exported_and_measured(photos: Path, tmp_path: Path) -> None:
    out, work = tmp_path / "networks.json", tmp_path / "work"
    options = [str(photos), "--networks", NETWORKS, "--other-init", "none", "--epochs", "1", "--train-size", "48"]
    assert main([*options, "--work", str(work), "--out", str(out)]) == 0
    content = json.loads(out.read_bytes())
    assert [row["network"] for row in content["rows"]] == NETWORKS.split(",")
    for row in content["rows"]:
        evaluation = json.loads(next((work / "models" / row["network"]).glob("*/evaluation.json")).read_bytes())
        assert row["right"] == [evaluation["test"]["correct"], 12]
        assert row["initial"] == "none"
        assert row["server_ms"] > 0 and row["page_ms"] > 0
    assert content["rows"][1]["megabytes"][0] == pytest.approx(1.45, abs=0.15)  # 0.72 million weights of 2 bytes
    (goal,) = content["goals"]
    assert (goal["name"], goal["value"], goal["met"]) == ("networks_compared", 2, False)
    assert f"--networks {NETWORKS} --other-init none --epochs 1 --train-size 48" in content["command"]
    table = networks_table(out)
    assert table.count("\n| `") == 2 and content["command"] in table

    trained = (work / "runs" / "squeezenet1_1" / "best.pt").stat().st_mtime_ns
    assert main([*options, "--work", str(work), "--out", str(out)]) == 0  # goes on with what is there
    assert (work / "runs" / "squeezenet1_1" / "best.pt").stat().st_mtime_ns == trained


def test_initial_weights_of_a_network_that_is_not_compared(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(photos), "--networks", NETWORKS, "--init", "resnet18=none"]) == 2
    assert "resnet18" in capsys.readouterr().err

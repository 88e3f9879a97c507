"""The command with measurements played: which networks, what is kept, where the result goes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.convert import __main__ as command
from benchmarks.convert.environments import direct_packages, versions
from benchmarks.convert.goals import NAMED
from benchmarks.convert.selection import pixels_of, selection
from tests.unit.benchmarks.convert import rows

HEAD = "0123456789012345678901234567890123456789"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Plays everything that takes time; the list of networks that were compared."""
    names: list[str] = []

    def compare(name: str, millions: float, pixels: int, folder: Path, *_: Any) -> dict[str, Any]:
        names.append(name)
        folder.mkdir(parents=True, exist_ok=True)
        return {**rows.row(name), "timed": False}

    def measure(row: dict[str, Any], folder: Path, *_: Any) -> dict[str, Any]:
        assert folder.is_dir(), "there is nothing to time"
        return {**row, "timed": True}

    @contextmanager
    def chromium(**_: Any) -> Iterator[Any]:
        yield SimpleNamespace(version="156")

    monkeypatch.setattr(command, "available_threads", lambda: 1)  # so that the order is always the same
    monkeypatch.setattr(command, "compare", compare)
    monkeypatch.setattr(command, "measure", measure)
    monkeypatch.setattr(command, "chromium", chromium)
    monkeypatch.setattr(command, "prepare", lambda cache: None)
    monkeypatch.setattr(command, "megabytes", lambda environment: {"direct": 94.4, "official": 2956.1})
    monkeypatch.setattr(command, "versions", lambda: {"tfjs": "4.22.0"})
    monkeypatch.setattr(command, "commit", lambda: HEAD)
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results")
    return names


def run(tmp_path: Path, *arguments: str) -> int:
    return command.main(["--work", str(tmp_path / "work"), "--cache", str(tmp_path), *arguments])


def test_some_networks_stay_in_the_work_folder(measured: list[str], tmp_path: Path, capsys) -> None:
    status = run(tmp_path, "--only", "resnet18, mobilenet_v2")
    assert measured == ["mobilenet_v2", "resnet18"]  # the smaller one first
    content = json.loads((tmp_path / "work" / "convert.json").read_bytes())
    assert content["command"] == 'make bench-convert ARGS="--only resnet18, mobilenet_v2"'
    assert content["environment_megabytes"]["official"] == 2956.1
    assert [row["network"] for row in content["rows"]] == measured
    assert all(row["timed"] for row in content["rows"])
    assert list((tmp_path / "work" / "graphs").iterdir()) == []
    assert (tmp_path / "work" / "convert.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "results").exists()
    assert status == 1 and "MISSED networks_passed: 2" in capsys.readouterr().out


def test_all_of_them_are_the_result(measured: list[str], tmp_path: Path) -> None:
    assert run(tmp_path) == 0
    assert measured == list(selection())
    assert json.loads((tmp_path / "results" / "convert.json").read_bytes())["command"] == "make bench-convert"
    assert (tmp_path / "results" / "convert.png").is_file()


def test_a_stopped_run_goes_on(measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, "--only", "resnet18")
    run(tmp_path, "--only", "resnet18,mobilenet_v2", "--resume")
    assert measured == ["resnet18", "mobilenet_v2"]
    run(tmp_path, "--only", "resnet18,mobilenet_v2")
    assert measured[2:] == ["mobilenet_v2", "resnet18"]


@pytest.mark.parametrize("other", ["f" * 40, f"{HEAD}+changes"])
def test_rows_of_another_commit_are_measured_again(
    measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    monkeypatch.setattr(command, "commit", lambda: other)
    run(tmp_path, "--only", "resnet18")
    monkeypatch.setattr(command, "commit", lambda: HEAD)
    run(tmp_path, "--only", "resnet18", "--resume")
    run(tmp_path, "--only", "resnet18", "--resume", "--limit", "60")
    assert measured == ["resnet18"] * 3


def test_what_another_commit_compared_is_kept_if_asked_for(
    measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared_at(*arguments: str) -> list[str | None]:
        run(tmp_path, "--only", "resnet18", *arguments)
        found = json.loads((tmp_path / "work" / "convert.json").read_bytes())["rows"]
        assert [row["timed"] for row in found] == [True]
        return [row.get("compared_at") for row in found]

    monkeypatch.setattr(command, "commit", lambda: "f" * 40)
    assert compared_at() == [None]
    (tmp_path / "work" / "graphs" / "resnet18").mkdir()  # as a run that was stopped before it was timed leaves it
    (tmp_path / "work" / "timed" / "resnet18.json").unlink()
    monkeypatch.setattr(command, "commit", lambda: HEAD)
    assert compared_at("--resume", "--compared") == ["f" * 40]
    assert compared_at("--resume", "--compared") == ["f" * 40], "what was timed since is kept"
    assert measured == ["resnet18"]
    monkeypatch.setattr(command, "commit", lambda: "e" * 40)
    assert compared_at("--resume", "--compared") == [None], "its graphs are gone: it is compared again"
    assert measured == ["resnet18"] * 2


def test_what_changes_compared_is_not_kept(
    measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "commit", lambda: f"{HEAD}+changes")
    run(tmp_path, "--only", "resnet18")
    (tmp_path / "work" / "graphs" / "resnet18").mkdir()
    monkeypatch.setattr(command, "commit", lambda: HEAD)
    run(tmp_path, "--only", "resnet18", "--resume", "--compared")
    assert measured == ["resnet18"] * 2


def test_rows_with_changes_are_never_kept(measured: list[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(command, "commit", lambda: f"{HEAD}+changes")
    run(tmp_path, "--only", "resnet18")
    run(tmp_path, "--only", "resnet18", "--resume")
    assert measured == ["resnet18"] * 2


def test_a_run_that_was_stopped_while_timing_compares_nothing_again(
    measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[str] = []
    play = command.measure

    def stopped(row: dict[str, Any], *rest: Any) -> dict[str, Any]:
        if len(timed) == 1:
            raise KeyboardInterrupt
        timed.append(row["network"])
        return play(row, *rest)

    monkeypatch.setattr(command, "measure", stopped)
    assert run(tmp_path, "--only", "resnet18,mobilenet_v2") == 130
    monkeypatch.setattr(command, "measure", play)
    run(tmp_path, "--only", "resnet18,mobilenet_v2", "--resume")
    assert measured == ["mobilenet_v2", "resnet18"]
    rows_found = json.loads((tmp_path / "work" / "convert.json").read_bytes())["rows"]
    assert [row["timed"] for row in rows_found] == [True, True]


def test_without_its_graphs_a_network_is_compared_again(measured: list[str], tmp_path: Path) -> None:
    run(tmp_path, "--only", "resnet18")
    (tmp_path / "work" / "timed" / "resnet18.json").unlink()
    run(tmp_path, "--only", "resnet18", "--resume")
    assert measured == ["resnet18"] * 2


def test_an_unknown_network_is_refused(measured: list[str], tmp_path: Path, capsys) -> None:
    assert run(tmp_path, "--only", "resnet18,lenet") == 2
    assert "'lenet' is not measured" in capsys.readouterr().err
    assert run(tmp_path, "--only", " ,") == 2
    assert "no network is named" in capsys.readouterr().err
    assert measured == []


def test_the_selection_is_what_was_asked_for() -> None:
    chosen = selection()
    assert set(NAMED) <= set(chosen)
    assert [name for name, millions in chosen.items() if millions >= 100] == ["vgg16"]
    assert list(chosen.values()) == sorted(chosen.values())
    assert len(chosen) >= 60
    assert (pixels_of("inception_v3"), pixels_of("resnet18")) == (299, 224)


def test_the_direct_writer_needs_neither_torch_nor_tensorflow() -> None:
    packages = set(direct_packages())
    assert {"numpy", "onnx", "protobuf"} <= packages
    assert not {"torch", "torchvision", "tensorflow", "onnxruntime", "onnxscript"} & packages


def test_versions_name_both_routes() -> None:
    found = versions()
    assert found["tensorflowjs"] == found["tfjs"] == "4.22.0"
    assert {"torch", "onnx", "onnx2tf", "tensorflow"} <= found.keys()

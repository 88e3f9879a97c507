"""The GPU is a stand-in for nvidia-smi, its environment a folder whose Python is ours, with the provider for CPUs."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from benchmarks.results import ROOT
from benchmarks.serving import gpu
from twinlens import isolated
from twinlens.classifier import Classifier
from twinlens.errors import TwinlensError
from twinlens.isolated import Environment, Recipe


def tool(folder: Path, script: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "nvidia-smi").chmod(0o755)


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs that answer."""
    tool(tmp_path / "tools", "echo NVIDIA L4; echo NVIDIA T4")
    monkeypatch.setenv("PATH", str(tmp_path / "tools"), prepend=os.pathsep)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """The caches that an environment was asked for from."""
    python = tmp_path / "made" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    asked: list[Path | None] = []

    def prepare(recipe: Recipe, cache: Path | None = None) -> Environment:
        assert recipe is gpu.RECIPE
        asked.append(cache)
        return Environment(tmp_path / "made", 1.0, "3.11")

    monkeypatch.setattr(isolated, "prepare", prepare)
    return asked


@pytest.mark.parametrize("script", [None, "exit 9", "echo", "echo NVIDIA L4; exit 1", "exec sleep 60"])
def test_without_a_gpu_it_says_so_and_makes_nothing(
    script: str | None,
    classifier: Classifier,
    made: list[Path | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if script is not None:
        tool(tmp_path / "tools", script)
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}{os.pathsep}/bin" if script else str(tmp_path))
    monkeypatch.setattr(gpu, "_ASK_SECONDS", 1)
    assert gpu.measure(classifier.version) == "not measured: nvidia-smi finds no GPU on this machine"
    assert made == []


@pytest.mark.usefixtures("card")
def test_batches_are_timed_in_the_environment(classifier: Classifier, made: list[Path | None], tmp_path: Path) -> None:
    found = gpu.measure(classifier.version, tmp_path, provider="CPUExecutionProvider", rounds=2)
    assert not isinstance(found, str), found
    assert made == [tmp_path]
    assert [row["batch"] for row in found] == [1, 2, 4, 8, 16, 32, 64]
    assert {row["device"] for row in found} == {"NVIDIA L4"}
    assert found[0]["vs_single"] == 1 and all(row["ms"] > 0 for row in found)


@pytest.mark.usefixtures("card", "made")
def test_a_provider_that_does_not_work_is_said_so(classifier: Classifier) -> None:
    found = gpu.measure(classifier.version, provider="NoneExecutionProvider")
    assert str(found).startswith("not measured: no None provider that works in ONNX Runtime ")


@pytest.mark.usefixtures("card")
def test_an_environment_that_cannot_be_made_does_not_end_the_benchmark(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def prepare(*_: object) -> Environment:
        raise TwinlensError("download_failed", "There is no network.")

    monkeypatch.setattr(isolated, "prepare", prepare)
    found = gpu.measure(classifier.version)
    assert found == "not measured: the environment for GPUs could not be made (download_failed)"
    assert "There is no network." in capsys.readouterr().err


def test_its_onnx_runtime_is_no_newer_than_ours() -> None:
    def pinned(file: str, package: str) -> list[tuple[int, ...]]:
        text = (ROOT / "requirements" / file).read_text(encoding="utf-8")
        found = re.findall(rf"^{package}==(\S+)", text, re.MULTILINE)
        return [tuple(map(int, version.split("."))) for version in found]

    ((gpu,), (ours,)) = pinned("gpu.txt", "onnxruntime-gpu"), pinned("serve.txt", "onnxruntime")
    assert gpu[0] == ours[0] and gpu <= ours  # the one for GPUs comes out later
    assert pinned("gpu.txt", "onnxruntime") == []

"""What is TensorFlow's own about the official route's environment; tests of making one are those of ``isolated``."""

import shutil
from pathlib import Path

import pytest

from training.official import environment
from training.official.environment import find_python, prepare
from twinlens import isolated
from twinlens.errors import TwinlensError
from twinlens.isolated import Environment, Python, Recipe


def runs(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "running_python", lambda: Python(f"python{version}", version))


def test_it_is_made_of_the_pins_by_a_python_that_tensorflow_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Environment(tmp_path, 1.0, "3.11")

    def make(recipe: Recipe, cache: Path | None, **more: object) -> Environment:
        assert (recipe.name, recipe.requirements, cache) == ("convert", environment.REQUIREMENTS, tmp_path / "cache")
        assert more["find_python"] is find_python
        return made

    monkeypatch.setattr(isolated, "prepare", make)
    assert prepare(tmp_path / "cache") is made


def test_the_python_that_runs_serves_if_tensorflow_has_packages_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    runs("3.12", monkeypatch)
    assert find_python() == ("python3.12", "3.12")


def test_a_python_too_new_for_tensorflow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    runs("3.14", monkeypatch)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(TwinlensError, match=r"This is Python 3\.14, but TensorFlow 2\.19.*3\.9 to 3\.12") as caught:
        find_python()
    assert caught.value.code == "missing_requirement"


def test_an_older_python_beside_it_is_used_if_it_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A stand-in of a version manager that has no 3.12, and a 3.11 that works.
    for name, body in (("python3.12", "exit 127"), ("python3.11", "echo 3.11")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    runs("3.13", monkeypatch)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert find_python() == (str(tmp_path / "python3.11"), "3.11")


def test_the_pins_are_the_ones_that_were_tried() -> None:
    pinned = dict(
        line.split(" ")[0].split("==") for line in environment.REQUIREMENTS.read_text().splitlines() if "==" in line
    )
    wanted = {"tensorflow": "2.19.0", "tensorflowjs": "4.22.0", "onnx2tf": "1.28.8", "protobuf": "5.29.6"}
    assert {name: pinned[name] for name in wanted} == wanted
    assert int(pinned["setuptools"].split(".")[0]) < 81
    assert {"onnx-graphsurgeon", "sng4onnx", "psutil", "ai-edge-litert", "onnxruntime", "onnxsim"} <= pinned.keys()

"""What the image runs, with a stand-in for Python that says what it was called with."""

import os
import subprocess
from pathlib import Path

import pytest

ENTRYPOINT = Path(__file__).parents[2] / "bentos" / "container" / "entrypoint"


@pytest.fixture
def path(tmp_path: Path) -> str:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$TWINLENS_PORT|$*"\n')
    python.chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("environment", "port"),
    [
        ({}, "3000"),
        ({"PORT": "8080"}, "8080"),
        ({"TWINLENS_PORT": "4000"}, "4000"),
        ({"PORT": "8080", "TWINLENS_PORT": "4000"}, "4000"),
        ({"PORT": ""}, "3000"),
    ],
)
def test_the_port(environment: dict[str, str], port: str, path: str) -> None:
    def said(*arguments: str) -> str:
        done = subprocess.run(
            [ENTRYPOINT, *arguments], env={"PATH": path, **environment}, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert said("serve") == f"{port}|-m twinlens serve\n"
    assert said("healthy").startswith(f"{port}|-c ")
    assert said("healthy").endswith(f" http://127.0.0.1:{port}/readyz\n")


def test_other_commands_keep_their_arguments(path: str) -> None:
    command = [ENTRYPOINT, "classify", "two words", "--json"]
    done = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout == "3000|-m twinlens classify two words --json\n"

from pathlib import Path

import pytest

from benchmarks.arguments import make_command
from benchmarks.container.__main__ import _parser, main
from benchmarks.container.choice import choose
from twinlens.errors import TwinlensError

WITHOUT_DAEMON = 'echo "Cannot connect to the daemon." >&2; exit 1'


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(path: Path, name: str, script: str) -> None:
    (path / name).write_text(f"#!/bin/sh\n{script}\n")
    (path / name).chmod(0o755)


def test_docker_that_has_a_daemon_comes_first(path: Path) -> None:
    program(path, "docker", 'echo "28.1"')
    program(path, "buildah", 'echo "buildah version 1.28.2 (image-spec 1)"')
    engine = choose()
    assert (engine.name, engine.version) == ("docker", "28.1")
    assert choose("buildah").name == "buildah"


def test_a_client_without_its_daemon_is_passed_over(path: Path) -> None:
    program(path, "docker", WITHOUT_DAEMON)
    program(path, "podman", 'echo "4.3.1"')
    engine = choose()
    assert (engine.name, engine.version) == ("podman", "4.3.1")


def test_buildah_needs_none(path: Path) -> None:
    program(path, "docker", WITHOUT_DAEMON)
    program(path, "buildah", 'echo "buildah version 1.28.2 (image-spec 1)"')
    engine = choose()
    assert (engine.name, engine.version) == ("buildah", "1.28.2")


def test_each_says_why_it_does_not_do(path: Path) -> None:
    program(path, "docker", WITHOUT_DAEMON)
    with pytest.raises(TwinlensError) as caught:
        choose()
    assert caught.value.code == "missing_requirement"
    assert "docker does not work" in caught.value.detail and "Cannot connect to the daemon." in caught.value.detail
    assert "podman is not installed; buildah is not installed" in caught.value.detail


def test_the_command_says_so_and_ends_with_2(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "missing_requirement" in capsys.readouterr().err
    assert main(["--engine", "podman"]) == 2
    assert "podman is not installed" in capsys.readouterr().err


def test_the_result_names_the_command_that_was_given() -> None:
    given = _parser().parse_args(["--base", "mine", "--rounds", "3", "--engine", "buildah", "--tag", "x", "--out", "y"])
    assert make_command("container", _parser(), given, ("tag", "out"), "base") == (
        'make container BASE=mine ARGS="--engine buildah --rounds 3"'
    )
    assert make_command("container", _parser(), _parser().parse_args([]), ("tag", "out"), "base") == "make container"

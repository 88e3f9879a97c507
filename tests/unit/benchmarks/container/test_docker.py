"""What Docker is told, by a stand-in that writes its arguments down."""

from pathlib import Path

import pytest

from benchmarks.container.docker import Docker
from twinlens.errors import TwinlensError

SCRIPT = """#!/bin/sh
echo "$*" >>"{folder}/told"
case "$*" in
"image inspect absent") exit 1 ;;
"pull absent") echo "no such host" >&2; exit 1 ;;
"wait "*) echo 143 ;;
"container inspect "*) echo true ;;
"exec "*" false") echo "it went wrong" >&2; exit 1 ;;
"exec "*) echo said ;;
"logs "*) echo out; echo err >&2 ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    path = tmp_path / "docker"
    path.write_text(SCRIPT.format(folder=tmp_path))
    path.chmod(0o755)
    return Docker("docker", str(path), "28.1")


@pytest.fixture
def podman(docker: Docker, tmp_path: Path) -> Docker:
    return Docker("podman", str(tmp_path / "docker"), "4.3")


def told(folder: Path) -> list[str]:
    return (folder / "told").read_text().splitlines()


def test_a_base_that_is_there_is_not_pulled(docker: Docker, tmp_path: Path) -> None:
    docker.fetch("there")
    assert told(tmp_path) == ["image inspect there"]


def test_a_base_that_cannot_be_had(docker: Docker) -> None:
    with pytest.raises(TwinlensError, match="BASE=image") as caught:
        docker.fetch("absent")
    assert caught.value.code == "missing_requirement"


def test_a_build(docker: Docker, podman: Docker, tmp_path: Path) -> None:
    for engine in (docker, podman):
        engine.build(Path("File"), Path("context"), "name", {"BASE": "a", "VERSION": "1"})
    given = "--file File --tag name --build-arg BASE=a --build-arg VERSION=1 context"
    assert told(tmp_path) == [f"build {given}", f"build --format docker {given}"]


def test_both_save_in_one_form(docker: Docker, podman: Docker, tmp_path: Path) -> None:
    for engine in (docker, podman):
        engine.save("name", Path("file"))
    assert told(tmp_path) == ["save --output file name", "save --format docker-archive --output file name"]


def test_a_container_as_the_image_says(docker: Docker, tmp_path: Path) -> None:
    docker.create("image", {"PORT": "4321"}, 4321)
    (line,) = told(tmp_path)
    assert "--publish 127.0.0.1:4321:4321 --cap-drop ALL --security-opt no-new-privileges" in line
    assert line.endswith("--env PORT=4321 image")
    assert "--read-only" not in line and "--user" not in line


def test_a_container_with_another_user_and_command(docker: Docker, tmp_path: Path) -> None:
    docker.create("image", {}, 4321, command=("/bin/sh", "-c", "true"), user="5:6", unwritable=True)
    (line,) = told(tmp_path)
    assert line.endswith("--user 5:6 --read-only --tmpfs /tmp --entrypoint /bin/sh image -c true")


def test_a_container_lives_and_ends(docker: Docker, tmp_path: Path) -> None:
    container = docker.create("image", {}, 4321)
    container.start()
    assert container.execute(["echo"]) == "said\n"
    assert container.is_running()
    container.terminate()
    assert container.wait(60) == 143
    assert container.log() == "out\nerr\n"
    container.remove()
    name = told(tmp_path)[1].removeprefix("start ")
    assert f"kill --signal TERM {name}" in told(tmp_path)
    assert told(tmp_path)[-1] == f"rm --force {name}"


def test_a_command_that_fails_in_it_is_an_error(docker: Docker) -> None:
    with pytest.raises(TwinlensError, match="it went wrong") as caught:
        docker.create("image", {}, 4321).execute(["false"])
    assert caught.value.code == "container_failed"

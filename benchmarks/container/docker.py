"""Docker, and podman, which takes the same commands."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.container.engine import run
from twinlens.errors import TwinlensError

_ARCHIVE: Final = {"podman": ["--format", "docker-archive"]}
_BUILD: Final = {"podman": ["--format", "docker"]}  # the OCI format has no health check


class Docker:
    """One of the two.

    :param name: ``docker`` or ``podman``.
    :param path: its program.
    """

    def __init__(self, name: str, path: str, version: str) -> None:
        self.name, self.version = name, version
        self.tree = "its file system is mounted read-only, /tmp apart (--read-only)"
        self._path = path

    def fetch(self, image: str) -> None:
        """See that an image is there; see :class:`benchmarks.container.engine.Engine`."""
        try:
            run([self._path, "image", "inspect", image])
        except TwinlensError:
            try:
                run([self._path, "pull", image], shown=True)
            except TwinlensError:
                raise TwinlensError(
                    "missing_requirement",
                    f"The base image {image} is not here, and {self.name} could not fetch it. Load one "
                    f"(`{self.name} load`), or name another with Python 3.11 or later: make container BASE=image",
                ) from None

    def build(self, file: Path, context: Path, image: str, arguments: Mapping[str, str]) -> None:
        """Build an image."""
        given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        options = [*_BUILD.get(self.name, []), "--file", str(file), "--tag", image, *given]
        run([self._path, "build", *options, str(context)], shown=True)

    def save(self, image: str, path: Path) -> None:
        """Write an image to a file."""
        run([self._path, "save", *_ARCHIVE.get(self.name, []), "--output", str(path), image])

    def create(
        self,
        image: str,
        environment: Mapping[str, str],
        port: int,
        *,
        command: Sequence[str] = (),
        user: str = "",
        unwritable: bool = False,
    ) -> DockerContainer:
        """Make a container, with none of the kernel's capabilities."""
        name = f"twinlens-{uuid.uuid4().hex[:12]}"
        options = ["--name", name, "--publish", f"127.0.0.1:{port}:{port}"]
        options += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        options += [part for key, value in environment.items() for part in ("--env", f"{key}={value}")]
        options += ["--user", user] if user else []
        options += ["--read-only", "--tmpfs", "/tmp"] if unwritable else []
        options += ["--entrypoint", command[0]] if command else []
        run([self._path, "create", *options, image, *command[1:]])
        return DockerContainer(self._path, name)

    def remove(self, image: str) -> None:
        """Remove an image."""
        run([self._path, "image", "rm", image])


class DockerContainer:
    """A container of Docker or podman."""

    def __init__(self, path: str, name: str) -> None:
        self._path, self._name = path, name

    def start(self) -> None:
        """Start its command."""
        run([self._path, "start", self._name])

    def execute(self, command: Sequence[str]) -> str:
        """Run another command in it."""
        return run([self._path, "exec", self._name, *command])

    def terminate(self) -> None:
        """Send SIGTERM to its command."""
        run([self._path, "kill", "--signal", "TERM", self._name])

    def wait(self, seconds: float) -> int | None:
        """The exit status of its command; None if that does not end in time."""
        try:
            done = subprocess.run(
                [self._path, "wait", self._name], capture_output=True, text=True, timeout=seconds, check=True
            )
        except subprocess.TimeoutExpired:
            return None
        return int(done.stdout)

    def is_running(self) -> bool:
        """Whether its command has not ended."""
        template = "{{.State.Running}}"
        return run([self._path, "container", "inspect", "--format", template, self._name]).strip() == "true"

    def log(self) -> str:
        """What its command has written."""
        done = subprocess.run([self._path, "logs", self._name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def remove(self) -> None:
        """End what runs and remove it."""
        run([self._path, "rm", "--force", self._name])

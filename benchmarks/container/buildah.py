"""Buildah with chroot isolation: builds and runs where no daemon can be started, within another container for example.

The vfs storage driver and chroot need no mounts of the kernel that a container forbids. There are no port mappings, the
network and the processes are the machine's, so that the command is told to listen on the loopback interface.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psutil  # type: ignore[import-untyped]

from benchmarks.container import engine
from twinlens.errors import TwinlensError

_DRIVER: Final = ("--storage-driver", "vfs")
_ISOLATION: Final = ("--isolation", "chroot")
# As root, which owns every file: nobody may write to what lies on the container's own file system.
_TAKE_WRITING: Final = (
    "find / -xdev ( -path /tmp -o -path /proc -o -path /sys -o -path /dev ) -prune -o ! -type l -exec chmod a-w {} +"
)
# Each of buildah's commands first copies its program into sealed memory (containers/storage: unshare.c), and the kernel
# may refuse to seal it (EBUSY), while it still holds a page for itself: a matter of the moment, on a busy machine.
_BUSY: Final = "sealing memfd copy"
_BUSY_TRIES: Final = 5
_BUSY_SECONDS: Final = 1.0


def run(command: Sequence[str], *, shown: bool = False) -> str:
    """As :func:`benchmarks.container.engine.run`, again where buildah could not begin."""
    for _ in range(_BUSY_TRIES - 1):
        try:
            return engine.run(command, shown=shown)
        except TwinlensError as error:
            if _BUSY not in error.detail:
                raise
        time.sleep(_BUSY_SECONDS)
    return engine.run(command, shown=shown)


class Buildah:
    """Buildah.

    :param path: its program.
    """

    def __init__(self, path: str, version: str) -> None:
        self.name, self.version = "buildah", version
        self.tree = "the right to write is taken from every file and folder, /tmp apart (chmod a-w)"
        self._command = [path, *_DRIVER]

    def fetch(self, image: str) -> None:
        """See that an image is there; see :class:`benchmarks.container.engine.Engine`."""
        try:
            run([*self._command, "inspect", "--type", "image", image])
        except TwinlensError:
            try:
                run([*self._command, "pull", image], shown=True)
            except TwinlensError:
                raise TwinlensError(
                    "missing_requirement",
                    f"The base image {image} is not here (buildah --storage-driver vfs images), and buildah could not "
                    "fetch it. Name another with Python 3.11 or later: make container BASE=image",
                ) from None

    def build(self, file: Path, context: Path, image: str, arguments: Mapping[str, str]) -> None:
        """Build an image; its format is docker's, since OCI's has no health check."""
        given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        # Without --layers: with vfs each line of the file would copy the whole tree.
        options = [*_ISOLATION, "--pull-never", "--format", "docker", "--file", str(file), "--tag", image]
        run([*self._command, "bud", *options, *given, str(context)], shown=True)

    def save(self, image: str, path: Path) -> None:
        """Write an image to a file."""
        run([*self._command, "push", "--quiet", image, f"docker-archive:{path}"])

    def create(
        self,
        image: str,
        environment: Mapping[str, str],
        port: int,  # noqa: ARG002 -- the network is the machine's
        *,
        command: Sequence[str] = (),
        user: str = "",
        unwritable: bool = False,
    ) -> BuildahContainer:
        """Make a container."""
        config = json.loads(run([*self._command, "inspect", "--type", "image", image]))["Docker"]["config"]
        started = list(command) or [*(config["Entrypoint"] or ()), *(config["Cmd"] or ())]
        name = run([*self._command, "from", "--pull-never", image]).strip()
        if unwritable:
            as_root = ["run", *_ISOLATION, "--user", "0:0", name, "--"]
            run([*self._command, *as_root, *_TAKE_WRITING.split()])
        given = {"TWINLENS_HOST": "127.0.0.1", **environment}
        options = [part for key, value in given.items() for part in ("--env", f"{key}={value}")]
        options += ["--cap-drop", "ALL", *(["--user", user] if user else [])]
        return BuildahContainer(self._command, name, options, started)

    def remove(self, image: str) -> None:
        """Remove an image."""
        run([*self._command, "rmi", "--force", image])


class BuildahContainer:
    """A working container of Buildah's, whose command is a child of this process."""

    def __init__(self, buildah: Sequence[str], name: str, options: Sequence[str], command: Sequence[str]) -> None:
        self._buildah, self._name = list(buildah), name
        self._run = [*buildah, "run", *_ISOLATION, *options, name, "--"]
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- open as long as the container is there

    def start(self) -> None:
        """Start its command, again where buildah could not begin."""
        for _ in range(_BUSY_TRIES):
            self._log.seek(0)
            self._log.truncate()
            self._process = subprocess.Popen(
                [*self._run, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            if self.wait(_BUSY_SECONDS) is None or _BUSY not in self.log():
                return

    def execute(self, command: Sequence[str]) -> str:
        """Run another command in it."""
        return run([*self._run, *command])

    def terminate(self) -> None:
        """Send SIGTERM to its command, past buildah's own processes around it."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                if not process.cmdline()[0].rpartition("/")[2].startswith("buildah"):
                    process.terminate()
                    return

    def wait(self, seconds: float) -> int | None:
        """The exit status of its command; None if that does not end in time."""
        assert self._process is not None, "it was not started"
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def is_running(self) -> bool:
        """Whether its command has not ended."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """What its command has written."""
        # Its own place in the file is also where the command goes on writing, so it must not be moved.
        descriptor = self._log.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def remove(self) -> None:
        """End what runs and remove it."""
        for process in reversed(self._processes()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._process is not None:
            self._process.wait()
        self._log.close()
        run([*self._buildah, "rm", self._name])

    def _processes(self) -> list[Any]:
        """The processes of its command, outermost first."""
        if self._process is None:
            return []
        try:
            return list(psutil.Process(self._process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

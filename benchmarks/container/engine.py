"""What a container engine has to do for the measurement."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from twinlens.errors import TwinlensError

_SHOWN: Final = 3000
_STDERR: Final = 2  # the descriptor: what stands in for `sys.stderr` need not have one


class Container(Protocol):
    """A container of an image, which can be started and ended again and again."""

    def start(self) -> None:
        """Start its command, and do not wait for it."""

    def execute(self, command: Sequence[str]) -> str:
        """Run another command in it, as the same user and with the same environment.

        :return: what it wrote to standard output.
        :raises TwinlensError: ``container_failed`` if it ends with another status than 0.
        """

    def terminate(self) -> None:
        """Send SIGTERM to its command, as an engine's ``stop`` does first."""

    def wait(self, seconds: float) -> int | None:
        """The exit status of its command; None if that does not end in time."""

    def is_running(self) -> bool:
        """Whether its command has not ended."""

    def log(self) -> str:
        """What its command has written."""

    def remove(self) -> None:
        """End what runs and remove it."""


class Engine(Protocol):
    """Builds images and makes containers of them.

    ``tree`` says how it keeps a container's files from being written.
    """

    name: str
    version: str
    tree: str

    def fetch(self, image: str) -> None:
        """See that an image is there, from a registry if need be.

        :raises TwinlensError: ``missing_requirement`` if it cannot be had.
        """

    def build(self, file: Path, context: Path, image: str, arguments: Mapping[str, str]) -> None:
        """Build an image from a Containerfile.

        :param arguments: values of its ``ARG`` lines.
        :raises TwinlensError: ``container_failed``.
        """

    def save(self, image: str, path: Path) -> None:
        """Write an image to a file, in the form of ``docker save``."""

    def create(
        self,
        image: str,
        environment: Mapping[str, str],
        port: int,
        *,
        command: Sequence[str] = (),
        user: str = "",
        unwritable: bool = False,
    ) -> Container:
        """Make a container that is not started yet.

        :param environment: variables beside those of the image.
        :param port: the port that its command will listen on, to be reached at the same one of the loopback interface.
        :param command: what to run instead of the image's entry point and command.
        :param user: ``UID:GID`` to run as instead of the image's user.
        :param unwritable: let nothing but ``/tmp`` be written to.
        """

    def remove(self, image: str) -> None:
        """Remove an image, if it is there."""


def run(command: Sequence[str], *, shown: bool = False, timeout: float | None = None) -> str:
    """Run an engine's command.

    :param shown: let its output go to this process's standard error, for work that takes minutes.
    :return: its standard output; empty if that was shown.
    :raises TwinlensError: ``container_failed`` with the end of what it said, if it ends with another status than 0.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=_STDERR if shown else subprocess.PIPE,
            stderr=None if shown else subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TwinlensError("container_failed", f"`{' '.join(command[:4])} ...` did not run: {error}") from None
    if done.returncode != 0:
        said = "see above" if shown else f"{done.stdout}{done.stderr}".strip()[-_SHOWN:]
        raise TwinlensError(
            "container_failed", f"`{' '.join(command[:4])} ...` ended with status {done.returncode}: {said}"
        )
    return "" if shown else done.stdout

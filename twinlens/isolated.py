"""Environments apart from ours: pinned, made on demand, kept in a cache.

Some programs need other versions of our packages than we do (TensorFlow's converter), or change the Python that they
run in (locust), or are only there to be compared with (the load test's peers). Each gets a virtual environment of its
own. Its folder is named by what was asked for, and a marker written last says that it is whole: one that was cut off
is made anew, one for other pins is another folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from twinlens.errors import TwinlensError
from twinlens.store import write_atomically

_MARKER: Final = "twinlens.json"
_SHOWN_LINES: Final = 6
_ELSEWHERE: Final = "name another folder with --cache, or with XDG_CACHE_HOME where there is no such option"


@dataclass(frozen=True)
class Recipe:
    """What an environment is made of, and how people are told of it.

    ``name`` begins its folder's name. ``title`` is what it is called within a sentence, ``size`` what is fetched, as in
    ``about 40 MB``. ``requirements`` is a file of pins with hashes. ``free_gigabytes`` (10^9 bytes) must be free where
    it is made.
    """

    name: str
    title: str
    requirements: Path
    size: str
    free_gigabytes: float


class Python(NamedTuple):
    """An interpreter to make environments with, and its version as in ``3.11``."""

    path: str
    version: str


@dataclass(frozen=True)
class Environment:
    """A finished environment: its folder, the size of its files in megabytes (10^6), and its Python's version."""

    folder: Path
    megabytes: float
    python_version: str

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def variables(self) -> dict[str, str]:
        """What a program in it is started with: nothing of another Python's, and its own programs before others."""
        path = os.pathsep.join([str(self.folder / "bin"), os.environ.get("PATH", os.defpath)])
        return variables() | {"PATH": path}


def variables() -> dict[str, str]:
    """This process's environment variables without those that are meant for the Python that runs it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


def default_cache() -> Path:
    """Where environments are kept unless someone says otherwise: ``$XDG_CACHE_HOME/twinlens`` or ``~/.cache/twinlens``.

    Specification: XDG Base Directory, ``XDG_CACHE_HOME`` (a relative path there is to be ignored).

    :raises TwinlensError: ``cannot_write`` if there is neither.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (base if base.is_absolute() else Path.home() / ".cache") / "twinlens"
    except RuntimeError:  # a user without a home, as in some containers
        raise TwinlensError(
            "cannot_write", f"This user has no home folder to keep environments in: {_ELSEWHERE}."
        ) from None


def running_python() -> Python:
    """The Python that runs this."""
    return Python(sys.executable, ".".join(map(str, sys.version_info[:2])))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def prepare(
    recipe: Recipe,
    cache: Path | None = None,
    *,
    find_python: Callable[[], Python] = running_python,
    say: Callable[[str], None] = _say,
) -> Environment:
    """An environment, made first if it is not there.

    :param cache: folder that keeps environments; :func:`default_cache` by default.
    :param find_python: finds the Python to make it with; only asked if it has to be made.
    :param say: told what is done, a line each; what the installer says goes to stderr.
    :raises TwinlensError: ``cannot_write`` without room on the disk, ``download_failed`` if packages cannot be fetched
        or installed, and what ``find_python`` raises.
    """
    cache = (cache or default_cache()).expanduser().absolute()
    digest = hashlib.sha256(recipe.requirements.read_bytes()).hexdigest()
    folder = cache / f"{recipe.name}-{digest[:12]}"
    if (ready := _finished(folder)) is not None:
        return ready
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TwinlensError(
            "cannot_write", f"{cache} cannot be made ({error.strerror}). Mend that, or {_ELSEWHERE}."
        ) from None
    with _alone(folder, say):
        ready = _finished(folder)  # another process may have made it while this one waited
        return ready if ready is not None else _make(recipe, folder, find_python(), say)


def size_of(folder: Path) -> float:
    """Megabytes (10^6 bytes) of the files in a folder; what Python compiled on the way does not count."""
    total = 0
    for path, _, names in os.walk(folder):
        if Path(path).name != "__pycache__":
            total += sum((Path(path) / name).lstat().st_size for name in names)
    return total / 1e6


def _finished(folder: Path) -> Environment | None:
    try:
        found = json.loads((folder / _MARKER).read_bytes())
        environment = Environment(folder, float(found["megabytes"]), str(found["python"]))
    except (OSError, ValueError, KeyError):
        return None
    # The interpreter is a link to the Python that it was made with, which may be gone.
    return environment if environment.python.exists() else None


@contextmanager
def _alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of an environment: two programs at once must not both make it."""
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another process is making {folder}: waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(recipe: Recipe, folder: Path, python: Python, say: Callable[[str], None]) -> Environment:
    free = shutil.disk_usage(folder.parent).free / 1e9
    if free < recipe.free_gigabytes:
        raise TwinlensError(
            "cannot_write",
            f"{_begun(recipe.title)} needs {recipe.free_gigabytes:g} GB, and {folder.parent} has only {free:.1f} GB "
            f"free. Make room, or {_ELSEWHERE}.",
        )
    say(f"Making {recipe.title} in {folder} (once; {recipe.size})")
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for command in _commands(recipe.requirements, python.path, folder):
            _install(command, recipe, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    megabytes = round(size_of(folder), 1)
    made = {"python": python.version, "megabytes": megabytes, "requirements": recipe.requirements.name}
    write_atomically(folder / _MARKER, (json.dumps(made, indent=2) + "\n").encode())
    say(f"Made in {time.monotonic() - began:.0f} s: {megabytes:.0f} MB")
    return Environment(folder, megabytes, python.version)


def _commands(requirements: Path, python: str, folder: Path) -> list[list[str]]:
    """What makes the environment: with uv where it is, since it is many times faster, else with venv and pip."""
    inside = str(folder / "bin" / "python")
    what = ["--require-hashes", "-r", str(requirements)]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv:
        return [
            [uv, "venv", "--quiet", "--python", python, str(folder)],
            [uv, "pip", "install", "--python", inside, *what],
        ]
    pip = [inside, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    return [[python, "-m", "venv", str(folder)], [*pip, *what]]


def _install(command: list[str], recipe: Recipe, folder: Path) -> None:
    """Run a command, let what it says be seen as it comes, and keep the end of it for the error."""
    said: list[str] = []
    with subprocess.Popen(
        command,
        env=variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                sys.stderr.write(line)
                sys.stderr.flush()
                said.append(line.strip())
        except BaseException:
            process.kill()
            raise
    if process.returncode == 0:
        return
    end = " ".join(line for line in said[-_SHOWN_LINES:] if line)
    if "No space left" in end or "os error 28" in end:
        raise TwinlensError("cannot_write", f"{folder.parent} is full. Make room, or {_ELSEWHERE}.")
    raise TwinlensError(
        "download_failed",
        f"{_begun(recipe.title)} could not be made, and nothing of it was kept. Making it needs the network, once, for "
        f"{recipe.size} of packages. `{Path(command[0]).name} {command[1]}` said: {end}",
    )


def _begun(title: str) -> str:
    """A title at the beginning of a sentence."""
    return title[0].upper() + title[1:]

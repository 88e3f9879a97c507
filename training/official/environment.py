"""The environment of the official route: pinned, apart from ours, made on demand and kept in a cache.

TensorFlow needs other versions of packages that PyTorch's exporter needs too, so its route has a virtual environment of
its own (gigabytes, minutes). Its folder is named by what was asked for, and a marker written last says that it is
whole: one that was cut off is made anew, one for other pins is another folder.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from training.progress import say
from twinlens.errors import TwinlensError
from twinlens.store import write_atomically

REQUIREMENTS: Final = Path(__file__).parents[2] / "requirements" / "convert.txt"
# TensorFlow 2.19 has packages for Python 3.9 to 3.12; the pins are resolved from 3.11 on, as all of Twinlens is.
PYTHONS: Final = ((3, 12), (3, 11))
FREE_GIGABYTES: Final = 4.0
_MARKER: Final = "twinlens.json"
_SHOWN_LINES: Final = 6


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
        """What a program in it is started with: nothing of another Python's, few messages, no GPU."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        # onnx2tf starts onnxsim by its name.
        path = os.pathsep.join([str(self.folder / "bin"), os.environ.get("PATH", os.defpath)])
        return kept | {"PATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


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
            "cannot_write", "This user has no home folder to keep TensorFlow's converter in. Name one with --cache."
        ) from None


def prepare(cache: Path | None = None) -> Environment:
    """The environment, made first if it is not there.

    :param cache: folder that keeps environments; :func:`default_cache` by default.
    :raises TwinlensError: ``missing_requirement`` without a Python that TensorFlow has packages for,
        ``cannot_write`` without room on the disk, ``download_failed`` if packages cannot be fetched or installed.
    """
    cache = (cache or default_cache()).expanduser().absolute()
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    folder = cache / f"convert-{digest[:12]}"
    if (ready := _finished(folder)) is not None:
        return ready
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        ready = _finished(folder)  # another process may have made it while this one waited
        if ready is None:
            ready = _make(folder)
    return ready


def _finished(folder: Path) -> Environment | None:
    try:
        found = json.loads((folder / _MARKER).read_bytes())
        environment = Environment(folder, float(found["megabytes"]), str(found["python"]))
    except (OSError, ValueError, KeyError):
        return None
    # The interpreter is a link to the Python that it was made with, which may be gone.
    return environment if environment.python.exists() else None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of an environment: two exports at once must not both make it."""
    with folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another process is making {folder}: waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(folder: Path) -> Environment:
    python, version = find_python()
    free = shutil.disk_usage(folder.parent).free / 1e9
    if free < FREE_GIGABYTES:
        raise TwinlensError(
            "cannot_write",
            f"The environment of TensorFlow's converter needs {FREE_GIGABYTES:g} GB, and {folder.parent} has only "
            f"{free:.1f} GB free. Make room, or name another folder with --cache.",
        )
    say(f"Making the environment of TensorFlow's converter in {folder} (once; about 3 GB, some minutes)")
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for command in _commands(python, folder):
            _install(command, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    megabytes = round(size_of(folder), 1)
    made = {"python": version, "megabytes": megabytes, "requirements": REQUIREMENTS.name}
    write_atomically(folder / _MARKER, (json.dumps(made, indent=2) + "\n").encode())
    say(f"Made in {time.monotonic() - began:.0f} s: {megabytes:.0f} MB")
    return Environment(folder, megabytes, version)


def find_python() -> tuple[str, str]:
    """A Python that TensorFlow has packages for, and its version: the one that runs, else the newest on the PATH.

    :raises TwinlensError: ``missing_requirement`` if there is none.
    """
    running = sys.version_info[:2]
    if running in PYTHONS:
        return sys.executable, ".".join(map(str, running))
    for wanted in PYTHONS:
        version = ".".join(map(str, wanted))
        path = shutil.which(f"python{version}")
        # One that is found need not be one: version managers put stand-ins on the PATH.
        if path and _reply([path, "-c", "import sys; print(*sys.version_info[:2], sep='.')"]) == version:
            return path, version
    raise TwinlensError(
        "missing_requirement",
        f"This is Python {'.'.join(map(str, running))}, but TensorFlow 2.19, which --via tensorflowjs needs, has "
        "packages for Python 3.9 to 3.12 only, and Twinlens pins them for 3.11 and 3.12. Install one of these beside "
        "it (for example `uv python install 3.12`) so that python3.12 or python3.11 is on the PATH.",
    )


def _reply(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _commands(python: str, folder: Path) -> list[list[str]]:
    """What makes the environment: with uv where it is, since it is many times faster, else with venv and pip."""
    inside = str(folder / "bin" / "python")
    what = ["--require-hashes", "-r", str(REQUIREMENTS)]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv:
        return [
            [uv, "venv", "--quiet", "--python", python, str(folder)],
            [uv, "pip", "install", "--python", inside, *what],
        ]
    pip = [inside, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    return [[python, "-m", "venv", str(folder)], [*pip, *what]]


def _install(command: list[str], folder: Path) -> None:
    """Run a command, let what it says be seen as it comes, and keep the end of it for the error."""
    said: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
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
        raise TwinlensError("cannot_write", f"{folder.parent} is full. Make room, or name another folder with --cache.")
    raise TwinlensError(
        "download_failed",
        "The environment of TensorFlow's converter could not be made, and nothing of it was kept. Making it needs the "
        f"network, once, for about 3 GB of packages. `{Path(command[0]).name} {command[1]}` said: {end}",
    )


def size_of(folder: Path) -> float:
    """Megabytes (10^6 bytes) of the files in a folder; what Python compiled on the way does not count."""
    total = 0
    for path, _, names in os.walk(folder):
        if Path(path).name != "__pycache__":
            total += sum((Path(path) / name).lstat().st_size for name in names)
    return total / 1e6

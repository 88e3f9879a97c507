"""Locust's environment: pinned, apart from ours since gevent patches the standard library, made on demand and cached.

``python -m loadtest.environment`` prints its interpreter, for runs of locust by hand.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.results import ROOT
from twinlens.errors import TwinlensError

REQUIREMENTS: Final = ROOT / "requirements" / "loadtest.txt"
_MARKER: Final = "finished"
_SHOWN: Final = 600


def prepare(cache: Path | None = None) -> Path:
    """The environment's interpreter; the environment is made first if it is not there.

    :param cache: folder that keeps environments; ``$XDG_CACHE_HOME/twinlens`` or ``~/.cache/twinlens`` by default.
    :raises TwinlensError: ``download_failed`` if packages cannot be fetched or installed.
    """
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = (cache or _default_cache()).absolute() / f"loadtest-{version}-{digest[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    python = folder / "bin" / "python"
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two load tests at once must not both make it
        if not ((folder / _MARKER).is_file() and python.exists()):
            sys.stderr.write(f"Making locust's environment in {folder} (once; about 40 MB)\n")
            _make(folder, python)
    return python


def locust_version() -> str:
    """The version of locust that is pinned."""
    found = re.search(r"^locust==(\S+)", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, f"{REQUIREMENTS} pins no locust"
    return found[1]


def variables() -> dict[str, str]:
    """The environment variables of a program in it: nothing of the Python that runs this."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


def _default_cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path("~/.cache").expanduser()) / "twinlens"


def _make(folder: Path, python: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    what = ["--require-hashes", "-r", str(REQUIREMENTS)]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv:
        commands = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--quiet", "--python", str(python), *what],
        ]
    else:
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *what]
        commands = [[sys.executable, "-m", "venv", str(folder)], pip]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables())
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            raise TwinlensError(
                "download_failed",
                "Locust's environment could not be made, and nothing of it was kept. It needs the network, once. "
                f"`{Path(command[0]).name} {command[1]}` said: {done.stderr.strip()[-_SHOWN:]}",
            )
    (folder / _MARKER).touch()


def main() -> int:
    """Print the interpreter; status 2 if the environment cannot be made."""
    try:
        sys.stdout.write(f"{prepare()}\n")
    except TwinlensError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

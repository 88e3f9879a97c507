"""The peers' packages, apart from ours: pinned by a lock file, installed on demand, kept in the cache."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.page.sites import PEERS_PAGES
from training.progress import say
from twinlens.errors import TwinlensError
from twinlens.isolated import default_cache

_FILES: Final = ("package.json", "package-lock.json", ".npmrc")
# No scripts and nothing optional: those fetch what only Node.js needs, and no page.
_COMMAND: Final = ("ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund")
_FREE_GIGABYTES: Final = 1.5
_SHOWN_LINES: Final = 4


def prepare(cache: Path | None = None) -> Path:
    """The peers' ``node_modules``, installed first if they are not there.

    :param cache: folder that keeps them; :func:`twinlens.isolated.default_cache` by default.
    :raises TwinlensError: ``missing_requirement`` without npm, ``cannot_write`` without room on the disk,
        ``download_failed`` with what npm said if the packages cannot be fetched.
    """
    cache = (cache or default_cache()).expanduser().absolute()
    digest = hashlib.sha256(b"\0".join((PEERS_PAGES / name).read_bytes() for name in _FILES)).hexdigest()
    folder = cache / f"page-peers-{digest[:12]}"
    if folder.is_dir():
        return folder / "node_modules"
    npm = shutil.which("npm")
    if npm is None:
        raise TwinlensError("missing_requirement", "There is no npm on the PATH. Run `make setup`, then this again.")
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TwinlensError(
            "cannot_write", f"{cache} cannot be made ({error.strerror}). Name another --cache."
        ) from None
    if (free := shutil.disk_usage(cache).free / 1e9) < _FREE_GIGABYTES:
        raise TwinlensError(
            "cannot_write",
            f"The peers' packages need {_FREE_GIGABYTES} GB, and {cache} has {free:.1f} GB free. Make room, or name "
            "another --cache.",
        )
    say(f"Installing the peers' packages in {folder} (once; 650 MB on the disk)")
    with tempfile.TemporaryDirectory(dir=cache, prefix=f"{folder.name}-") as name:
        whole = Path(name, "whole")
        whole.mkdir()
        for file in _FILES:
            shutil.copy(PEERS_PAGES / file, whole)
        _install([npm, *_COMMAND], whole)
        if not folder.is_dir():  # another process may have been faster
            whole.rename(folder)
    return folder / "node_modules"


def versions(lock: Path = PEERS_PAGES / "package-lock.json") -> dict[str, str]:
    """Versions of what the peers' pages load, as the lock file has them."""
    packages: dict[str, Any] = json.loads(lock.read_bytes())["packages"]
    wanted = packages[""]["dependencies"]
    found = {name: packages[f"node_modules/{name}"]["version"] for name in sorted(wanted)}
    inner = packages.get("node_modules/@huggingface/transformers/node_modules/onnxruntime-web")
    return found | ({"onnxruntime-web of @huggingface/transformers": inner["version"]} if inner else {})


def _install(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        said = " ".join(line.strip() for line in done.stdout.strip().splitlines()[-_SHOWN_LINES:])
        raise TwinlensError(
            "download_failed",
            "npm could not install the peers' packages, and nothing of them was kept. It needs the network, once. It "
            f"said: {said}",
        )

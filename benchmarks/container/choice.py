"""Which container engine of this machine builds and runs the image."""

from __future__ import annotations

import shutil
from typing import Final

from benchmarks.container.buildah import Buildah
from benchmarks.container.docker import Docker
from benchmarks.container.engine import Engine, run
from twinlens.errors import TwinlensError

ENGINES: Final = ("docker", "podman", "buildah")
_PROBE_SECONDS: Final = 60.0


def choose(wanted: str | None = None) -> Engine:
    """The first of :data:`ENGINES` that works here; a client without its daemon does not.

    :param wanted: the only one to look for.
    :raises TwinlensError: ``missing_requirement`` if none works, with what each of them said.
    """
    found = []
    for name in (wanted,) if wanted else ENGINES:
        path = shutil.which(name)
        if path is None:
            found.append(f"{name} is not installed")
            continue
        try:
            return _opened(name, path)
        except TwinlensError as error:
            found.append(f"{name} does not work: {error.detail.splitlines()[-1]}")
    raise TwinlensError(
        "missing_requirement",
        f"Nothing here builds images: {'; '.join(found)}. Start Docker, or install podman or buildah "
        "(apt-get install buildah).",
    )


def _opened(name: str, path: str) -> Engine:
    if name == "buildah":
        return Buildah(path, run([path, "--version"], timeout=_PROBE_SECONDS).split()[2])
    # Asks the daemon, where there is one.
    version = "{{.ServerVersion}}" if name == "docker" else "{{.Version.Version}}"
    return Docker(name, path, run([path, "info", "--format", version], timeout=_PROBE_SECONDS).strip())

"""What is asked from within the container, by its own Python: the source of this module runs there, with ``python -c``.

It needs the standard library and psutil, which the image has, and nothing of ours.
"""

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import psutil  # type: ignore[import-untyped]

_ELSEWHERE = ("/proc", "/sys", "/dev", "/tmp")
"""What is the kernel's, and the one folder that may be written to."""


def facts(modules: list[str], tools: list[str], root: str, since: float) -> dict[str, Any]:
    """What can be seen there.

    :param modules: Python packages to look for.
    :param tools: commands to look for in PATH.
    :param root: the folder whose files are looked at.
    :param since: seconds since the epoch; a process's own start, as the kernel tells it, can be seconds off.
    :return: ``modules`` and ``tools`` that were found; ``processes`` of the server with their user's id; paths that are
        ``writable`` for it, and those ``changed`` since then, /tmp apart.
    """
    writable, changed = [], []
    for path in _paths(root):
        if os.access(path, os.W_OK):
            writable.append(path)
        if os.lstat(path).st_ctime > since:
            changed.append(path)
    return {
        "modules": [name for name in modules if importlib.util.find_spec(name)],
        "tools": [found for found in map(shutil.which, tools) if found],
        "processes": [
            {"role": role, "pid": process.pid, "uid": process.uids().effective} for process, role in _server()
        ],
        "writable": writable,
        "changed": changed,
    }


def kill_worker() -> dict[str, Any]:
    """Kill the process that answers requests.

    :return: its ``pid``.
    """
    worker = next(process for process, role in _server() if role == "worker")
    worker.kill()
    return {"pid": worker.pid}


def _server() -> Iterator[tuple[Any, str]]:
    """The server's processes, by the port that this process was told as well: others of the machine may be in sight."""
    port = os.environ.get("TWINLENS_PORT") or os.environ["PORT"]
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if process.environ().get("TWINLENS_PORT") != port:
                continue
        except (psutil.Error, OSError):
            continue
        if "_bentoml_impl.worker.service" in command:
            yield process, "worker"
        elif command[1:4] == ["-m", "twinlens", "serve"]:
            yield process, "supervisor"


def _paths(folder: str) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.path in _ELSEWHERE or entry.is_symlink():
            continue
        yield entry.path
        if entry.is_dir(follow_symlinks=False):
            try:
                yield from _paths(entry.path)
            except PermissionError:  # what cannot be listed cannot be written to either
                continue


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    found = facts(**given) if given.pop("do") == "facts" else kill_worker()
    sys.stdout.write(json.dumps(found))

"""`make demo` from a fresh clone, as a newcomer runs it on a machine that has Python and make, and no Node.js."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks.results import ROOT
from benchmarks.server import free_port
from twinlens.settings import PREFIX

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]

HIDDEN = {"node", "npm", "npx", "uv", "uvx"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """This process's environment, but that the PATH has no Node.js, no uv and no virtual environment."""
    tools = tmp_path_factory.mktemp("path")
    for folder in os.environ["PATH"].split(os.pathsep):
        if not Path(folder).is_dir() or Path(folder).is_relative_to(ROOT):
            continue
        for program in Path(folder).iterdir():
            if program.name not in HIDDEN and not (tools / program.name).is_symlink():
                (tools / program.name).symlink_to(program)
    kept = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "VIRTUAL_ENV", "MAKE"))}
    return {**kept, "PATH": str(tools), "PYTHON": str(getattr(sys, "_base_executable", sys.executable))}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "name with space"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


@contextmanager
def demo(clone: Path, environment: dict[str, str], seconds: float) -> Iterator[tuple[str, Path]]:
    """Run `make demo` until it answers; gives its address and the file of its output."""
    port = free_port()
    log = clone.parent / f"demo-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "demo", f"PORT={port}"],
            cwd=clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + seconds
        while not answers(f"{url}/readyz"):
            assert process.poll() is None, log.read_text(errors="replace")[-4000:]
            assert time.monotonic() < deadline, log.read_text(errors="replace")[-4000:]
            time.sleep(0.5)
        yield url, log
    finally:
        # make itself ends at once; the server that it started takes its leave.
        end(process, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while answers(f"{url}/livez") and time.monotonic() < deadline:
            time.sleep(0.2)
        end(process, signal.SIGKILL)
    assert not answers(f"{url}/livez")


def end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    process.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_a_newcomers_first_and_second_demo(clone: Path, environment: dict[str, str]) -> None:
    with demo(clone, environment, 900) as (url, log):
        assert b"<!doctype html>" in urllib.request.urlopen(f"{url}/", timeout=10).read().lower()
        assert urllib.request.urlopen(f"{url}/model/current", timeout=10).read().strip()
        assert "installing one inside .venv" in log.read_text()
        assert (clone / ".venv" / "bin" / "node").exists()
        assert not list((clone / ".venv").glob("lib/*/site-packages/torch")), "serving needs no torch"
    with demo(clone, environment, 120) as (url, log):
        assert answers(f"{url}/")
        text = log.read_text()
        assert "nstalling" not in text and "npm" not in text and "vite" not in text, text
    assert (
        subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True).stdout
        == ""
    ), "set-up leaves the checkout as it was"

"""What is asked from within a container, asked here, of processes that look like the server's."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.container import inside

PORT = "port of this test"
SLEEP = "import time\ntime.sleep(600)\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, psutil.Popen]]:
    """A supervisor and a worker, and a worker of another server."""
    packages = tmp_path / "packages"
    (packages / "_bentoml_impl" / "worker").mkdir(parents=True)
    (packages / "twinlens").mkdir()
    # Without these the installed packages of the same names would be run.
    for package in ("twinlens", "_bentoml_impl", "_bentoml_impl/worker"):
        (packages / package / "__init__.py").write_text("")
    for module in ("twinlens/__main__.py", "_bentoml_impl/worker/service.py"):
        (packages / module).write_text(SLEEP)

    def start(port: str, *arguments: str) -> psutil.Popen:
        # The working folder comes first: there, as in the image, lies what is run.
        environment = {**os.environ, "TWINLENS_PORT": port}
        return psutil.Popen([sys.executable, "-m", *arguments], env=environment, cwd=packages)

    started = {
        "supervisor": start(PORT, "twinlens", "serve"),
        "worker": start(PORT, "_bentoml_impl.worker.service"),
        "other": start("another", "_bentoml_impl.worker.service"),
    }
    try:
        yield started
    finally:
        for process in started.values():
            with contextlib.suppress(psutil.NoSuchProcess):  # the test has killed it
                process.kill()
            process.wait()


def ask(**question: object) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", Path(inside.__file__).read_text(), json.dumps(question)],
        env={**os.environ, "PORT": PORT},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_facts(server: dict[str, psutil.Popen], tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "new").write_text("")
    (root / "link").symlink_to("nowhere")
    found = ask(do="facts", modules=["json", "no_such_module"], tools=["sh", "no-such-tool"], root=str(root), since=0)
    assert found["modules"] == ["json"]
    assert [Path(each).name for each in found["tools"]] == ["sh"]
    pids = {each["role"]: (each["pid"], each["uid"]) for each in found["processes"]}
    assert pids == {role: (server[role].pid, os.getuid()) for role in ("supervisor", "worker")}
    assert set(found["changed"]) == set(found["writable"]) == {str(root / "folder"), str(root / "folder" / "new")}


def test_what_is_older_has_not_changed(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("")
    time.sleep(0.1)  # files are dated by ticks of the kernel's clock
    since = time.time()
    time.sleep(0.1)
    new.write_text("")
    found = ask(do="facts", modules=[], tools=[], root=str(tmp_path), since=since)
    assert found["changed"] == [str(new)] and set(found["writable"]) == {str(old), str(new)}


def test_the_worker_of_this_server_is_killed(server: dict[str, psutil.Popen]) -> None:
    assert ask(do="kill_worker") == {"pid": server["worker"].pid}
    server["worker"].wait(60)
    assert server["supervisor"].is_running() and server["other"].is_running()

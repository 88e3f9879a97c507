"""Servers are started, waited for and ended; here by small programs in their place."""

import os
import socket
import sys
import textwrap
import urllib.request
from pathlib import Path

import psutil
import pytest

from benchmarks.server import free_port, is_free, running
from twinlens.errors import TwinlensError

pytestmark = pytest.mark.alone

SERVER = """
import http.server, os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open("child", "w").write(str(child.pid))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def command(program: str, port: int) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(program), str(port)]


def test_a_free_port_is_another_one_at_every_call_and_in_every_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = []
    for worker in ("gw0", "gw1"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        given += [free_port() for _ in range(300)]
    assert len(set(given)) == len(given)


def test_a_port_that_is_listened_on_is_not_given() -> None:
    first = free_port()
    rest = []
    while (port := free_port()) != first:
        rest.append(port)
    with socket.create_server(("127.0.0.1", first)):
        assert first not in [free_port() for _ in range(2 * len(rest))]


def test_every_process_is_ended_even_one_that_left_the_session(tmp_path: Path) -> None:
    port = free_port()
    with running("The server", command(SERVER, port), port, "/", os.environ, tmp_path) as pid:
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/").status == 200
        processes = [psutil.Process(pid), psutil.Process(int((tmp_path / "child").read_text()))]
    assert [process for process in processes if process.is_running()] == []
    assert is_free(port)


def test_an_orphan_is_found_by_its_mark(tmp_path: Path) -> None:
    orphan = SERVER.replace("child =", "if os.fork(): os._exit(0)\nos.setsid()\nchild =")
    wrapper = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {orphan!r}, sys.argv[1]])\n"
    port = free_port()
    with running(
        "The server", command(wrapper + "import time; time.sleep(600)", port), port, "/", os.environ, tmp_path
    ):
        child = psutil.Process(int((tmp_path / "child").read_text()))
    assert not child.is_running()
    assert is_free(port)


def test_one_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    program = "import sys; sys.exit('There is no model.')"
    server = running("The server", command(program, 1), free_port(), "/", os.environ, tmp_path)
    with pytest.raises(TwinlensError, match=r"(?s)ended with status 1\..*There is no model\.") as caught, server:
        pass
    assert caught.value.code == "not_ready"

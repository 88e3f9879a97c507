"""``twinlens serve`` and ``bentoml serve`` as commands: where they look, what they say, how they end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests import images, models
from tests.servers import ROOT, SERVE, running

PHOTO = images.encoded(models.picture("green"), "JPEG")


def top_label(server):
    answer = httpx.post(f"{server.url}/v1/classify", content=PHOTO)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"][0]["label"]


def test_from_another_folder_without_a_page_without_batching_ended_by_sigterm(tmp_path):
    models.write(tmp_path / "here" / "models")
    (tmp_path / "empty").mkdir()
    command = (*SERVE, "--models", "models", "--model", models.NAME, "--page", "../empty")
    environment = {"TWINLENS_BATCHING": "false", "TWINLENS_MODEL": "overridden", "PYTHONPATH": str(ROOT)}
    with running(environment, command, cwd=tmp_path / "here", stop=signal.SIGTERM) as server:
        assert top_label(server) == "green"
        answer = httpx.get(server.url)
        assert (answer.status_code, answer.json()["code"]) == (404, "missing_page")
        assert "make page" in answer.json()["detail"]
        assert httpx.get(f"{server.url}/model/current").text == "v1\n"
        log = server.log.read_text()
    assert "There is no page at" in log and "make page" in log
    assert "Twinlens is ready: model colours v1" in log


def test_the_installed_command_and_a_port_that_is_taken(made):
    script = Path(sys.executable).with_name("twinlens")
    with running(made, (str(script), "serve")) as server:
        assert top_label(server) == "green"
        done = subprocess.run(
            [script, "serve", "--port", str(server.port)],
            env={**os.environ, **made},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.startswith(f"twinlens: port_in_use: Port {server.port} of 127.0.0.1 is taken")
        assert top_label(server) == "green"


def test_two_servers_under_one_home_keep_their_own_metrics(made, server):
    """BentoML keeps every server's metrics in one folder under its home, and empties it at a start."""
    count = 'twinlens_http_requests_total{method="POST",route="/v1/classify",status="200"}'
    top_label(server)
    home = {"BENTOML_HOME": str(server.log.parent / "home")}
    with running({**made, **home}) as other:
        assert count not in httpx.get(f"{other.url}/metrics").text
    assert count in httpx.get(f"{server.url}/metrics").text


def test_bentomls_own_command(made):
    command = (sys.executable, "-m", "bentoml", "serve", "service:Twinlens", "--host", "127.0.0.1")
    with running(made, command) as server:
        assert top_label(server) == "green"


def test_a_host_may_be_a_name(made):
    with running({**made, "TWINLENS_HOST": "localhost"}) as server:
        assert top_label(server) == "green"


def test_it_listens_on_the_loopback_interface_alone_unless_told_to(server):
    listening = [each for each in server.worker.net_connections("tcp") if each.status == "LISTEN"]
    assert {(each.laddr.ip, each.laddr.port) for each in listening} == {("127.0.0.1", server.port)}


def test_a_worker_ends_with_a_supervisor_that_was_killed(made):
    with running(made) as server:
        worker = server.worker
        server.process.kill()
        worker.wait(timeout=60)


def test_a_range_that_a_file_does_not_have_is_answered_with_the_whole_file(server):
    whole = httpx.get(f"{server.url}/v1/model").content
    path = f"{server.url}/model/{models.VERSION}/contract.json"
    for asked in ("bytes=0-1", "bytes=5-1", "nonsense", "bytes=999999999-"):
        answer = httpx.get(path, headers={"Range": asked})
        expected = (206, whole[:2]) if asked == "bytes=0-1" else (200, whole)
        assert (answer.status_code, answer.content) == expected

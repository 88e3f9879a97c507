"""How a real server ends: told to, under load; and killed, to be replaced."""

import contextlib
import json
import os
import signal
import socket
import sys
import time

import httpx
import psutil
import pytest

from tests.integration.answers import metrics
from tests.integration.crowd import PHOTOS, SLOW_PHOTO, Clients
from tests.integration.test_overload import answer, connection, label, nothing_in_hand, request, until
from tests.servers import running

pytestmark = pytest.mark.alone


def draining(server):
    return "Draining" in server.log.read_text()


def shut(server):
    return "The door is shut" in server.log.read_text()


def begin_to_end(server):
    """Tell the supervisor alone, as a container's runtime does."""
    server.process.send_signal(signal.SIGTERM)


def ended(server):
    return server.process.poll() is not None


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "one-request-a-connection"])
def test_told_to_end_under_load(keep_alive, made):
    """/readyz fails at once, photos are answered all the same, then clients are refused; nobody is reset."""
    with running({**made, "TWINLENS_DRAIN_S": "1.5"}) as server:
        with Clients(server, 6, pause=0.02, keep_alive=keep_alive) as crowd:
            until(lambda: crowd.outcomes["200"] > 20, "no load")
            begin_to_end(server)
            until(lambda: draining(server), "it does not drain")
            assert httpx.get(f"{server.url}/readyz").status_code == 503
            assert httpx.get(f"{server.url}/livez").status_code == 200
            answered = crowd.outcomes["200"]
            until(lambda: shut(server), "the door stays open")
            assert crowd.outcomes["200"] > answered, "nothing was answered while it drained"
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{server.url}/livez", timeout=20)
            until(lambda: ended(server), "it does not end")
            until(lambda: crowd.outcomes["refused"] > 0, "nobody was refused")
        assert crowd.wrong == []
        assert set(crowd.outcomes) == {"200", "refused"}, crowd.outcomes
        assert server.process.returncode == 0
        assert "Traceback" not in server.log.read_text()


def test_what_is_open_or_in_hand_is_answered_after_the_door_is_shut(made):
    """A slow photo in hand; a connection that asked for nothing yet; and one whose body is still arriving."""
    with running({**made, "TWINLENS_DRAIN_S": "0.2", "TWINLENS_DECODE_THREADS": "1"}) as server:
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(connection(server)) for _ in range(6)]
            silent, uploading = (stack.enter_context(connection(server)) for _ in range(2))
            uploading.sendall(request(PHOTOS["green"])[:-50])
            for each in slow:
                each.sendall(request(SLOW_PHOTO))
            with httpx.Client(base_url=server.url) as client:
                until(lambda: metrics(client)["twinlens_photos_in_hand"] == len(slow), "they are not in hand")
            begin_to_end(server)
            until(lambda: shut(server), "the door stays open")
            silent.sendall(request(PHOTOS["red"]))
            uploading.sendall(request(PHOTOS["green"])[-50:])
            assert label(answer(silent)) == "red"
            assert label(answer(uploading)) == "green"
            assert [label(answer(each)) for each in slow] == ["black"] * len(slow)
            assert silent.recv(1) == b"", "the connection stays open"
        until(lambda: ended(server), "it does not end")
        assert server.process.returncode == 0


def test_a_connection_that_is_kept_does_not_keep_the_server(made):
    """A proxy keeps connections that have been answered, for longer than a drain."""
    with running({**made, "TWINLENS_DRAIN_S": "0.2"}) as server, connection(server) as opened:
        opened.sendall(request(PHOTOS["green"]))
        assert label(answer(opened)) == "green"
        begin_to_end(server)
        assert opened.recv(1) == b"", "the connection is not closed"
        until(lambda: ended(server), "it does not end")
        assert server.process.returncode == 0


def test_a_connection_is_kept_for_as_long_as_is_set(made):
    with running({**made, "TWINLENS_KEEP_ALIVE_S": "1"}) as server, connection(server) as opened:
        for colour in ("green", "red"):
            opened.sendall(request(PHOTOS[colour]))
            assert label(answer(opened)) == colour
        assert opened.recv(1) == b"", "the connection is not closed"


def test_an_upload_that_never_ends_does_not_keep_it(made):
    with running({**made, "TWINLENS_DRAIN_S": "0", "TWINLENS_GRACE_S": "1"}) as server:
        with connection(server) as opened:
            opened.sendall(request(PHOTOS["green"])[:-50])
            time.sleep(0.2)
            begin_to_end(server)
            response = answer(opened)
            assert (response.status_code, response.json()["code"]) == (503, "not_ready")
        until(lambda: ended(server), "it does not end")


def test_a_worker_that_is_killed_is_replaced_in_a_container_too(made):
    """What it had in hand is lost, and nothing else; what it counted as in hand is forgotten."""
    clients = 6
    with running({**made, "BENTOML_CONTAINERIZED": "true"}) as server:
        first = server.worker
        with Clients(server, clients, pause=0.02) as crowd:
            until(lambda: crowd.outcomes["200"] > 20, "no load")
            first.kill()
            first.wait(60)
            answered = crowd.outcomes["200"]
            until(lambda: crowd.outcomes["200"] > answered + 20, "nobody took its place")
        assert server.worker.pid != first.pid
        lost = sum(crowd.outcomes.values()) - crowd.outcomes["200"]
        assert crowd.wrong == [] and lost <= clients, crowd.outcomes
        assert not {"refused", "not_ready"} & set(crowd.outcomes), crowd.outcomes
        with httpx.Client(base_url=server.url) as client:
            until(lambda: nothing_in_hand(client), "the killed worker's photos are still counted")
            assert metrics(client)["twinlens_http_requests_in_progress"] == 1
            assert client.get("/readyz").status_code == 200


def test_a_worker_that_is_replaced_leaves_the_door_open(made):
    """SIGHUP: the supervisor starts a new worker on the same socket, then ends the old one."""
    with running({**made, "TWINLENS_DRAIN_S": "0.5"}) as server:
        first = server.worker
        with Clients(server, 3, pause=0.05, keep_alive=False) as crowd:
            server.process.send_signal(signal.SIGHUP)
            until(lambda: not psutil.pid_exists(first.pid), "the old worker does not end")
            answered = crowd.outcomes["200"]
            until(lambda: crowd.outcomes["200"] > answered + 10, "the new worker does not answer")
        assert crowd.wrong == [] and set(crowd.outcomes) == {"200"}, crowd.outcomes


def test_ctrl_c_does_not_drain(made):
    with running({**made, "TWINLENS_DRAIN_S": "3600"}) as server:
        os.killpg(server.process.pid, signal.SIGINT)
        until(lambda: ended(server), "it drains at a terminal")


def test_a_second_ctrl_c_waits_for_nothing(made):
    with running(made) as server, connection(server) as opened:
        opened.sendall(request(PHOTOS["green"])[:-50])
        os.killpg(server.process.pid, signal.SIGINT)
        until(lambda: shut(server), "the door stays open")
        assert not ended(server)
        os.killpg(server.process.pid, signal.SIGINT)
        until(lambda: ended(server), "it waits for the upload")


def test_bentomls_own_command_drains_too(made):
    command = (sys.executable, "-m", "bentoml", "serve", "service:Twinlens", "--host", "127.0.0.1")
    with running({**made, "TWINLENS_DRAIN_S": "0.5"}, command) as server:
        begin_to_end(server)
        until(lambda: draining(server), "it does not drain")
        assert httpx.get(f"{server.url}/readyz").status_code == 503
        until(lambda: ended(server), "it does not end")


def test_every_line_of_the_log_is_an_object_that_names_its_request(made):
    settings = {"TWINLENS_LOG_FORMAT": "json", "TWINLENS_ACCESS_LOG": "true", "TWINLENS_DRAIN_S": "0"}
    with running({**made, **settings}) as server:
        httpx.post(f"{server.url}/v1/classify", content=b"x", headers={"X-Request-Id": "seven"})
        httpx.get(f"{server.url}/nope%0A%7B", headers={"X-Request-Id": "eight"})
        with socket.create_connection(("127.0.0.1", server.port)) as opened:
            opened.sendall(b"nonsense\r\n\r\n")
            opened.recv(1024)
        begin_to_end(server)
        until(lambda: ended(server), "it does not end")
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    (seven,) = [line for line in lines if line.get("request_id") == "seven"]
    assert (seven["route"], seven["status"], seven["code"]) == ("/v1/classify", 422, "not_an_image")
    (eight,) = [line for line in lines if line.get("request_id") == "eight"]
    assert (eight["route"], eight["status"]) == ("other", 404)
    assert not any(line.get("route") in ("/readyz", "/livez", "/metrics") for line in lines)
    warned = [line for line in lines if line["logger"] == "uvicorn.error"]
    assert len(warned) == 1, "a line is written twice"

"""A real server against clients that mean harm, or know no better: sizes, odd requests, damaged files, bombs."""

import json
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import psutil
import pytest

from tests import images, models
from tests.integration.answers import metrics, problem
from tests.integration.crowd import peak_memory

FILES = images.files()
PHOTO = images.encoded(models.picture("blue"), "JPEG")
LIMIT = 32 * 2**20


def large(count):
    block = bytes(2**20)
    for _ in range(count):
        yield block


@pytest.mark.parametrize(
    "options",
    [
        {"content": bytes(LIMIT + 1)},
        {"content": large(33)},
        {"files": {"image": ("a.jpg", bytes(LIMIT + 1))}},
        {"files": {"other": ("a.jpg", bytes(LIMIT + 1))}},
    ],
    ids=["declared", "undeclared", "form", "another-field"],
)
def test_a_body_that_is_too_large(options, client):
    document = problem(client.post("/v1/classify", **options), "body_too_large")
    assert str(LIMIT) in document["detail"]


def test_a_body_of_just_the_limit_is_read(client):
    problem(client.post("/v1/classify", content=bytes(LIMIT)), "not_an_image")


def raw(server, data, *, until=b"}", timeout=20.0):
    """Send bytes as they are, and read the answer as far as a mark."""
    with socket.create_connection(("127.0.0.1", server.port), timeout) as connection:
        connection.sendall(data)
        return answered(connection, until)


def answered(connection, until=b"}"):
    found = b""
    while until not in found and (chunk := connection.recv(65_536)):
        found += chunk
    return found


def test_an_endless_body_is_refused_while_it_arrives(server):
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        for _ in range(33):
            connection.sendall(block)
        assert b"body_too_large" in answered(connection)


def test_the_answer_to_a_body_that_is_too_large_can_be_read_after_it_was_sent(server):
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (LIMIT + 1))
        assert select.select([connection], [], [], 20)[0], "it is not answered early"
        connection.sendall(bytes(LIMIT + 1))
        found = answered(connection)
        assert found.startswith(b"HTTP/1.1 413 ") and b"connection: close\r\n" in found
        assert connection.recv(1) == b"", "the connection stays open"


def test_what_follows_an_early_answer_is_not_read_for_ever(server):
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        assert b"body_too_large" in answered(connection)
        with pytest.raises(OSError):  # it is reset
            for _ in range(1000):
                connection.sendall(bytes(1 << 20))


def test_endless_headers_are_refused_while_they_arrive(server, client):
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection, pytest.raises(OSError):  # it is reset
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        for _ in range(1000):
            connection.sendall(b"a" * (1 << 20))
    assert client.get("/livez").status_code == 200


def test_a_client_that_asks_before_it_sends_is_refused_before_it_sends(server):
    head = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {LIMIT + 1}\r\n\r\n"
    found = raw(server, head.encode())
    assert found.startswith(b"HTTP/1.1 413 ") and b"100 Continue" not in found
    head = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(PHOTO)}\r\n\r\n"
    assert raw(server, head.encode(), until=b"\r\n\r\n").startswith(b"HTTP/1.1 100 Continue")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /model/v1/%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://other/nope HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /nope HTTP/1.0\r\n\r\n",
        b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: \xff\xfe\r\nContent-Length: 1\r\n\r\nx",
        b"POST /v1/classify?top_k=%ff HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
        b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=\xe9\r\n"
        b"Content-Length: 1\r\n\r\nx",
    ],
)
def test_odd_requests_are_problems(data, server):
    found = raw(server, data)
    assert 400 <= int(found.split(b" ")[1]) < 500
    # What is not even HTTP never reaches us: uvicorn's parser answers it.
    assert b"application/problem+json" in found or found.endswith(b"Invalid HTTP request received."), found
    assert b"root:" not in found


def test_a_websocket_is_refused(server):
    head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    assert raw(server, head + key, until=b"\r\n\r\n").startswith(b"HTTP/1.1 403 ")


def test_what_is_not_http_closes_that_connection_alone(server, client):
    assert raw(server, bytes(range(256)) * 10, until=b"\0nothing").startswith((b"HTTP/1.1 400", b""))
    assert client.get("/livez").status_code == 200


def test_fuzz_no_bytes_are_answered_with_a_fault_of_the_server(client, server):
    rng = np.random.default_rng(20_261_122)
    good = list(FILES.values())
    statuses = set()
    for number in range(600):
        data = bytearray(good[rng.integers(len(good))])
        for at in rng.integers(0, min(len(data), 300), rng.integers(0, 10)):
            data[at] = rng.integers(256)
        if rng.random() < 0.3:
            del data[rng.integers(len(data)) :]
        if number % 3 == 0:
            response = client.post("/v1/classify", files={"image": ("a", bytes(data))})
        elif number % 3 == 1:
            response = client.post("/v1/classify", content=bytes(data))
        else:
            headers = {"content-type": rng.choice(["multipart/form-data; boundary=x", "application/json", "a/b;c=d"])}
            response = client.post("/v1/classify", content=bytes(data), headers=headers)
        statuses.add(response.status_code)
        if response.status_code != 200:
            problem(response)
    assert statuses >= {200, 400, 422}
    assert statuses <= {200, 400, 413, 415, 422}


@pytest.mark.skipif(not psutil.LINUX, reason="reads a process's peak memory from /proc")
def test_bombs_take_no_memory(client, server):
    client.post("/v1/classify", content=bytes(8 * 2**20))
    before = peak_memory(server)
    for name, data in {**images.bombs(), **images.traps()}.items():
        response = client.post("/v1/classify", content=data)
        assert response.status_code in (200, 413, 422), name
        if name in images.bombs():
            problem(response, "too_many_pixels")
    with ThreadPoolExecutor(8) as pool:
        bomb = images.bombs()["png-30000x30000"]
        list(pool.map(lambda _: httpx.post(server.url + "/v1/classify", content=bomb, timeout=60), range(16)))
    # Bodies, not pixels: 16 of 2.7 MB at once, and what reading them takes.
    assert peak_memory(server) - before < 100 * 2**20


def test_clients_that_hang_up_harm_nobody(server, client):
    head = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: {len(PHOTO)}\r\n\r\n".encode()
    for cut in (0, 1, len(PHOTO) // 2, len(PHOTO)):
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(head + PHOTO[:cut])
    deadline = time.monotonic() + 20
    while metrics(client)["twinlens_http_requests_in_progress"] != 1:
        assert time.monotonic() < deadline, "requests of clients that went away are still in progress"
        time.sleep(0.1)
    assert client.post("/v1/classify", content=PHOTO).status_code == 200


def test_after_all_that_the_log_is_quiet(server, client):
    """Runs last: whatever the tests of this module sent, no fault of the server was logged."""
    assert client.get("/readyz").status_code == 200
    log = server.log.read_text(errors="replace")
    assert "Traceback" not in log and "[ERROR]" not in log, log
    assert json.loads(client.get("/docs.json").content)["openapi"]

"""A real server past its limit: who is answered, who is refused, and what is left behind."""

import contextlib
import select
import socket
import time

import httpx
import psutil
import pytest

from tests import images, models
from tests.integration.answers import metrics, problem
from tests.integration.crowd import PHOTOS, SLOW_PHOTO, Clients, memory, peak_memory
from tests.servers import running

pytestmark = pytest.mark.alone

MOST = 8
MEBIBYTE = 2**20
# Some twenty milliseconds of decoding each, in a few kilobytes.
LARGE = {colour: images.encoded(models.picture(colour, 1600, 1200, noise=0), "PNG") for colour in models.LABELS}


@pytest.fixture(scope="module")
def small(made):
    """A server that takes few photos at once, and decodes one at a time."""
    settings = {"TWINLENS_MAX_WAITING": str(MOST), "TWINLENS_DECODE_THREADS": "1", "TWINLENS_THREADS": "1"}
    with running({**made, **settings}) as server:
        yield server


@pytest.fixture
def client(small):
    with httpx.Client(base_url=small.url, timeout=60) as client:
        yield client


def request(photo):
    return b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(photo) + photo


def connection(server):
    return socket.create_connection(("127.0.0.1", server.port), 60)


def answer(opened):
    """Read one answer off a connection."""
    data = b""
    while b"\r\n\r\n" not in data or not data.endswith(b"}"):
        chunk = opened.recv(65_536)
        assert chunk, f"closed after {data!r}"
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    return httpx.Response(int(head.split(b" ")[1]), content=body)


def label(response):
    assert response.status_code == 200, response.text
    return response.json()["predictions"][0]["label"]


def until(holds, what):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def nothing_in_hand(client):
    found = metrics(client)
    lanes = [found[f'twinlens_queue_depth{{lane="{lane}"}}'] for lane in ("decode", "decode_large", "inference")]
    return found["twinlens_photos_in_hand"] == 0 and lanes == [0, 0, 0]


@pytest.mark.parametrize("seconds", [4, pytest.param(20, marks=pytest.mark.heavy)])
def test_ten_times_what_it_can_hold(seconds, small, client):
    """Answers stay right, the rest is refused in words, nothing is left in hand, and memory stays where it was."""
    with Clients(small, 10 * MOST, LARGE):
        time.sleep(seconds / 4)
    until(lambda: nothing_in_hand(client), "photos are still in hand")
    before, counted = memory(small), metrics(client)
    with Clients(small, 10 * MOST, LARGE) as crowd:
        time.sleep(seconds)
    assert crowd.wrong == []
    assert set(crowd.outcomes) == {"200", "overloaded"}, crowd.outcomes
    until(lambda: nothing_in_hand(client), "photos are still in hand")
    after = metrics(client)
    full = 'twinlens_shed_total{reason="full"}'
    assert after[full] - counted[full] == crowd.outcomes["overloaded"]
    assert after["twinlens_batch_size_sum"] - counted["twinlens_batch_size_sum"] == crowd.outcomes["200"]
    for colour, photo in PHOTOS.items():
        assert label(client.post("/v1/classify", content=photo)) == colour
    grown = memory(small) - before
    assert grown < 32 * MEBIBYTE, f"{grown / MEBIBYTE:.0f} MiB more"


def test_what_clients_that_hung_up_had_asked_is_not_done(small, client):
    """Three photos hold the decoder; behind them wait others whose clients go."""
    before = metrics(client)
    decoded, gone = "twinlens_decode_seconds_count", 'twinlens_shed_total{reason="disconnected"}'
    with contextlib.ExitStack() as stack:
        patient = [stack.enter_context(connection(small)) for _ in range(3)]
        impatient = [stack.enter_context(connection(small)) for _ in range(MOST - 3)]
        for each in patient + impatient:
            each.sendall(request(SLOW_PHOTO))
        for each in impatient:
            each.close()
        assert [label(answer(each)) for each in patient] == ["black"] * 3
    until(lambda: nothing_in_hand(client), "photos are still in hand")
    after = metrics(client)
    assert after[gone] > before[gone]
    assert after[decoded] - before[decoded] <= 3 + 2, "photos were decoded for nobody"


def test_slow_uploads_hold_no_place(small, client):
    uploads = []
    for number in range(5 * MOST):
        colour = models.LABELS[number % len(models.LABELS)]
        opened = connection(small)
        whole = request(PHOTOS[colour])
        opened.sendall(whole[:-50])
        uploads.append((colour, opened, whole[-50:]))
    try:
        for colour, photo in PHOTOS.items():
            assert label(client.post("/v1/classify", content=photo)) == colour
        for colour, opened, rest in uploads:
            opened.sendall(rest)
            assert label(answer(opened)) == colour
    finally:
        for _, opened, _ in uploads:
            opened.close()


@pytest.mark.skipif(not psutil.LINUX, reason="reads a process's peak memory from /proc")
def test_a_hundred_uploads_that_stall_are_bounded_together(made):
    """Four MiB come of each, 400 in all; the server holds 16 of them, and says so to the others."""
    settings = {"TWINLENS_MAX_ARRIVING_MIB": "16", "TWINLENS_TIMEOUT_S": "300"}
    with running({**made, **settings}) as server, contextlib.ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=server.url, timeout=60))
        head = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (8 * MEBIBYTE)
        assert client.post("/v1/classify", content=bytes(4 * MEBIBYTE)).status_code == 422
        before = peak_memory(server)
        opened = [stack.enter_context(connection(server)) for _ in range(100)]
        for each in opened:
            each.sendall(head + bytes(4 * MEBIBYTE))
        refused = 'twinlens_shed_total{reason="arriving"}'
        until(lambda: metrics(client)[refused] >= 96, "they are not refused")
        assert metrics(client)[refused] == 96, "there is room for four"
        answered, _, _ = select.select(opened, [], [], 20)
        response = answer(answered[0])
        assert (response.status_code, response.json()["code"]) == (429, "overloaded")
        grown = peak_memory(server) - before
        assert grown < 64 * MEBIBYTE, f"{grown / MEBIBYTE:.0f} MiB more"
        for each in opened:
            each.close()
        until(lambda: metrics(client)["twinlens_http_requests_in_progress"] == 1, "they are still in progress")
        for colour, photo in PHOTOS.items():
            assert label(client.post("/v1/classify", content=photo)) == colour


def test_files_and_probes_are_answered_at_the_limit(small, client):
    with Clients(small, 5 * MOST, LARGE) as crowd:
        for _ in range(10):
            for path in ("/", "/livez", "/readyz", "/metrics", "/v1/model", "/model/current"):
                assert client.get(path).status_code == 200
    assert crowd.wrong == [] and set(crowd.outcomes) <= {"200", "overloaded"}, crowd.outcomes


def test_past_the_deadline_what_waits_is_dropped(made):
    """Four slow photos, one decoder: those behind the first have not begun when their time is over."""
    settings = {"TWINLENS_TIMEOUT_S": "0.3", "TWINLENS_DECODE_THREADS": "1"}
    with running({**made, **settings}) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        opened = [connection(server) for _ in range(8)]
        for each in opened:
            each.sendall(request(SLOW_PHOTO))
        responses = [answer(each) for each in opened]
        late = [each for each in responses if each.status_code == 504]
        assert late and all(each.json()["code"] == "timeout" for each in late)
        until(lambda: nothing_in_hand(client), "photos are still in hand")
        found = metrics(client)
        assert found['twinlens_shed_total{reason="deadline"}'] == len(late)
        time.sleep(0.5)
        assert metrics(client)["twinlens_decode_seconds_count"] < len(opened), "what was late was decoded all the same"
        for each in opened:
            each.close()


def test_a_request_keeps_its_id(small, client):
    photo = PHOTOS["red"]
    given = client.post("/v1/classify", content=photo, headers={"X-Request-Id": "order-7.a:b"})
    assert given.headers["x-request-id"] == "order-7.a:b"
    refused = client.post("/v1/classify", content=b"x", headers={"X-Request-Id": "order-8"})
    assert problem(refused, "not_an_image")["request_id"] == "order-8"
    made = {client.post("/v1/classify", content=photo).headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3 and all(len(each) == 32 for each in made)
    for bad in ("", "a b", "x" * 129, '"}{', "é"):
        headers = {"X-Request-Id": bad.encode()}
        assert client.get("/livez", headers=headers).headers["x-request-id"].encode("latin-1") != bad.encode()

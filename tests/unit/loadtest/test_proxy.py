"""The slow line: what arrives is what was sent, no sooner than the line allows, in both directions."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from loadtest.profiles import Network
from loadtest.proxy import Proxy, Traffic

pytestmark = pytest.mark.alone

FAST = Network("fast", 1_000_000, 1_000_000, 0)
# Far more than a busy machine needs; a line that has lost its way takes for ever.
PATIENCE = 20.0


@contextmanager
def upstream(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that hands every connection to a function, each in a thread."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=run, args=(connection,), daemon=True).start()

    def run(connection: socket.socket) -> None:
        with connection:
            handle(connection)

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def echo(connection: socket.socket) -> None:
    connection.sendall(read_all(connection))


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=PATIENCE)


def ask(proxy: Proxy, data: bytes) -> bytes:
    with connect(proxy) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


def seconds(network: Network, data: bytes, handle: Callable[[socket.socket], None]) -> float:
    with upstream(handle) as server, Proxy(network, server, shared=True) as proxy:
        start = time.monotonic()
        ask(proxy, data)
        return time.monotonic() - start


def test_bytes_arrive_whole_and_are_counted() -> None:
    data = bytes(range(256)) * 2000
    with (
        upstream(lambda each: each.sendall(read_all(each)[:1000])) as server,
        Proxy(FAST, server, shared=True) as proxy,
    ):
        assert ask(proxy, data) == data[:1000]
        before = proxy.traffic
        assert before == Traffic(len(data), 1000)
        ask(proxy, b"more")
        assert proxy.traffic.since(before) == Traffic(4, 4)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_the_rate_holds_each_way(direction: str) -> None:
    count, kbps = 50_000, 800  # half a second
    slow = Network("slow", *((kbps, 1_000_000) if direction == "down" else (1_000_000, kbps)), 0)
    sent, answered = (bytes(count), 1) if direction == "up" else (b"?", count)

    def answer(connection: socket.socket) -> None:
        read_all(connection)
        connection.sendall(bytes(answered))

    taken = seconds(slow, sent, answer)
    assert 0.45 < taken < 0.5 + PATIENCE / 4


def test_the_delay_is_a_round_trip_for_the_handshake_and_half_of_one_each_way() -> None:
    taken = seconds(Network("far", 1_000_000, 1_000_000, 200), b"?", echo)
    assert 0.4 <= taken < 0.4 + PATIENCE / 4


def test_connections_of_one_browser_share_a_line_and_those_of_users_do_not() -> None:
    slow = Network("slow", 1_000_000, 800, 0)

    def both(shared: bool) -> float:
        with (
            upstream(lambda each: each.sendall(read_all(each)[:1])) as server,
            Proxy(slow, server, shared=shared) as proxy,
        ):
            start = time.monotonic()
            threads = [threading.Thread(target=ask, args=(proxy, bytes(40_000))) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return time.monotonic() - start

    assert both(shared=True) >= 1.15  # three times 0.4 s, one after the other
    assert both(shared=False) >= 0.35


def test_one_connection_does_not_keep_another_waiting_for_all_of_its_bytes() -> None:
    slow = Network("slow", 1_000_000, 1_600, 0)
    with upstream(lambda each: each.sendall(read_all(each)[:1])) as server, Proxy(slow, server, shared=True) as proxy:
        long = threading.Thread(target=ask, args=(proxy, bytes(400_000)))  # two seconds
        long.start()
        time.sleep(0.2)
        assert ask(proxy, bytes(2000)) == b"\0"
        assert long.is_alive()
        long.join()


def test_a_client_that_hangs_up_and_a_server_that_is_not_there_end_the_connection() -> None:
    ended = threading.Event()

    def wait(connection: socket.socket) -> None:
        read_all(connection)
        ended.set()

    with upstream(wait) as server, Proxy(FAST, server, shared=True) as proxy:
        connect(proxy).close()
        assert ended.wait(PATIENCE)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Proxy(FAST, nowhere, shared=True) as proxy, connect(proxy) as client:
            assert client.recv(1) == b""

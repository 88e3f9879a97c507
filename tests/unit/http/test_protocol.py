import asyncio
import logging

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from twinlens.http import protocol
from twinlens.http.protocol import MOST_BYTES, BoundedProtocol


async def app(scope, receive, send):
    """Answer how long the body is, half a second later at /slow; a client that goes away is answered nothing."""
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    count, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        count, more = count + len(message["body"]), message["more_body"]
    body = b"%d bytes" % count
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def run(test):
    """Run a test with a client's side of a connection."""

    async def body():
        config, state = Config(app, log_config=None, lifespan="off"), ServerState()
        config.load()

        def connected():
            return BoundedProtocol(config=config, server_state=state, app_state={})

        server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            await test(reader, writer)
        finally:
            writer.close()
            server.close()

    asyncio.run(asyncio.wait_for(body(), 60))


async def answer(reader):
    """The status and the body of one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: "))
    return head.split(b" ")[1], await reader.readexactly(int(length.split(b" ")[1]))


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * MOST_BYTES,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * (MOST_BYTES // 6),
        b"GET /" + b"a" * MOST_BYTES,
    ],
    ids=["a-header", "many-headers", "the-line"],
)
def test_a_head_that_does_not_end_is_refused_and_the_connection_closed(head, caplog):
    caplog.set_level(logging.WARNING, "uvicorn.error")

    async def test(reader, writer):
        writer.write(head)
        assert await answer(reader) == (b"400", b"The headers of the request are too large.")
        assert await reader.read() == b""

    run(test)
    assert "bytes of headers" in caplog.text


def test_bodies_of_any_size_pass_whole_and_in_chunks():
    async def test(reader, writer):
        for _ in range(2):  # on one connection
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000))
            assert await answer(reader) == (b"200", b"1000000 bytes")
        chunk = b"1000\r\n" + bytes(4096) + b"\r\n"
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + 100 * chunk + b"0\r\n\r\n")
        assert await answer(reader) == (b"200", b"409600 bytes")

    run(test)


@pytest.mark.parametrize("more", [b"0\r\n" + b"A: b\r\n" * (MOST_BYTES // 6 + 1), b"1;" + b"a" * MOST_BYTES])
def test_trailers_and_extensions_that_do_not_end_close_the_connection(more):
    async def test(reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)  # so that what follows is not read together with the body
        writer.write(more)
        assert await reader.read() == b""

    run(test)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost"])
def test_a_client_that_does_not_ask_in_time_is_let_go(sent, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)

    async def test(reader, writer):
        writer.write(sent)
        assert await reader.read() == b""

    run(test)


def test_the_time_is_for_the_headers_alone(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)

    async def test(reader, writer):
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
            await asyncio.sleep(0.5)
            writer.write(b"b")
            assert await answer(reader) == (b"200", b"2 bytes")

    run(test)


def test_an_empty_line_after_an_answer_does_not_hold_the_connection(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)

    async def test(reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await answer(reader) == (b"200", b"0 bytes")
        writer.write(b"\r\n")
        assert await reader.read() == b""

    run(test)


def test_headers_behind_a_request_that_is_not_answered_are_late_only_after_its_answer(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)

    async def test(reader, writer):
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost")
        assert await answer(reader) == (b"200", b"0 bytes")
        assert await reader.read() == b""

    run(test)


def test_pipelined_requests_are_answered_in_their_order():
    async def test(reader, writer):
        some = [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % n + bytes(n) for n in range(1, 100)]
        writer.write(b"".join(some))
        for length in range(1, 100):
            assert await answer(reader) == (b"200", b"%d bytes" % length)

    run(test)

"""A TCP proxy that is as slow as a visitor's line: a rate each way, and a delay.

All bytes of one direction queue for the line's rate, in pieces, whichever connection they belong to; each piece then
arrives half a round trip later. A connection's first byte waits for one round trip, as TCP's handshake makes it. Loss,
slow start and TLS are not modelled.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from loadtest.profiles import Network

_PIECE_SECONDS: Final = 0.02
_PIECE_BYTES: Final = (1460, 65536)
"""Bounds of a piece: the payload of one segment, and what a socket is read in."""
_CREDIT_SECONDS: Final = 0.02
"""What a timer may be late by without the line losing rate."""
_PIECES_ON_THE_WAY: Final = 64
_OnTheWay: TypeAlias = "asyncio.Queue[tuple[float, bytes]]"
"""Pieces, and when they arrive."""


class Traffic(NamedTuple):
    """Bytes that went through, headers among them, as seen from the visitor."""

    up: int
    down: int

    def since(self, earlier: Traffic) -> Traffic:
        """What went through after an earlier look."""
        return Traffic(self.up - earlier.up, self.down - earlier.down)


class Proxy:
    """Pass connections on to a server while the ``with`` block lasts, in a thread of its own.

    :param network: the line.
    :param server: the server's address, ``http://HOST:PORT``.
    :param shared: whether all connections share one line, as those of one browser do; else each has its own, as
        the users of a load test do.

    ``url`` is the address to use instead of the server's.
    """

    def __init__(self, network: Network, server: str, *, shared: bool) -> None:
        address = urlsplit(server)
        self._upstream = (address.hostname or "", address.port or 80)
        self._network = network
        self._shared = _Line(network) if shared else None
        self._up = self._down = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self.url = ""

    @property
    def traffic(self) -> Traffic:
        """What went through so far."""
        return Traffic(self._up, self._down)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)

    async def _close(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._pass_on(reader, writer)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._connections.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = self._shared or _Line(self._network)
        await asyncio.sleep(line.delay * 2)
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
        sent: _OnTheWay = asyncio.Queue(_PIECES_ON_THE_WAY)
        answered: _OnTheWay = asyncio.Queue(_PIECES_ON_THE_WAY)
        jobs = [
            asyncio.ensure_future(job)
            for job in (
                self._send(reader, line.up, line.delay, sent, up=True),
                _arrive(sent, upstream_writer),
                self._send(upstream_reader, line.down, line.delay, answered, up=False),
                _arrive(answered, writer),
            )
        ]
        try:
            await asyncio.gather(*jobs)  # the first one that fails ends the connection
        finally:
            for job in jobs:
                job.cancel()
            upstream_writer.transport.abort()
            writer.close()
            await asyncio.gather(*jobs, return_exceptions=True)

    async def _send(
        self, reader: asyncio.StreamReader, direction: _Direction, delay: float, on_the_way: _OnTheWay, *, up: bool
    ) -> None:
        """Put what comes in onto the line, until it ends."""
        data = b"?"
        while data:
            data = await reader.read(direction.piece)
            await direction.take(len(data))
            if up:
                self._up += len(data)
            else:
                self._down += len(data)
            await on_the_way.put((self._loop.time() + delay, data))


async def _arrive(on_the_way: _OnTheWay, writer: asyncio.StreamWriter) -> None:
    """Hand pieces over when they are due; the end of the stream is a piece of no bytes."""
    loop = asyncio.get_running_loop()
    while True:
        due, data = await on_the_way.get()
        await asyncio.sleep(max(due - loop.time(), 0))
        if not data:
            if writer.can_write_eof():
                writer.write_eof()
            return
        writer.write(data)
        await writer.drain()


class _Direction:
    """One direction of a line: who wants to send waits until the line has sent what came before."""

    def __init__(self, kbps: int) -> None:
        self._rate = kbps * 125.0
        self._free_at = 0.0
        self.piece = int(min(max(self._rate * _PIECE_SECONDS, _PIECE_BYTES[0]), _PIECE_BYTES[1]))

    async def take(self, count: int) -> None:
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now - _CREDIT_SECONDS) + count / self._rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)


class _Line:
    def __init__(self, network: Network) -> None:
        self.up, self.down = _Direction(network.up_kbps), _Direction(network.down_kbps)
        self.delay = network.rtt_ms / 2000

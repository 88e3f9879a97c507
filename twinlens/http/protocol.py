"""uvicorn's HTTP protocol, with bounds on what a client sends outside a body, in bytes and in seconds.

httptools holds the line and the headers of a request, however long they are, before the application hears of it, and
joins a header anew with each packet that continues it: one client that never ends its headers would take all of the
memory, and all of the event loop. Neither uvicorn nor httptools bounds that, nor how long a client may take to ask;
uvicorn's other protocol, h11, has the first bound, at the same 64 KiB.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_BYTES: Final = 65_536
"""What may come between two pieces of bodies: a request's line and headers, a chunk's size and extensions, trailers."""
HEAD_SECONDS: Final = 30.0
"""How long a client may take from its connection, or from a request's first byte, to the end of the headers. What still
is to be answered on the connection is answered first."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _outside: int = 0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came, and end the connection if too much of it belongs to no body."""
        self._outside += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._outside > MOST_BYTES:
            self.logger.warning("A client sent more than %d bytes of headers.", MOST_BYTES)
            if self._is_answered():
                self.send_400_response("The headers of the request are too large.")
            else:  # trailers, or a request behind one that is not answered yet: nothing can be said now
                self.transport.close()
        elif self._is_answered() and self in self.connections:  # and not handed on to a WebSocket's protocol
            # What came ended uvicorn's own wait for the next request, be it an empty line, which begins none.
            self._wait_for_head()

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        """The end of its headers."""
        self._outside = 0
        self._head_is_here()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._outside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Its end, trailers included."""
        self._outside = 0
        super().on_message_complete()

    def _is_answered(self) -> bool:
        """Whether nothing that was asked on this connection still waits for its answer."""
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _head_is_here(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _head_is_late(self) -> None:
        self._late = None
        if self._is_answered():
            self.transport.close()
        else:  # uvicorn does not read on while a request waits behind another: the delay may be ours
            self._wait_for_head()

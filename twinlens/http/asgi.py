"""The outermost layer of the server: an id, a deadline, a count and a last word on every request.

It stands outside BentoML's application, so that whatever happens in there, a client gets an answer of one kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import MutableMapping
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinlens.errors import TwinlensError
from twinlens.http import drain, logs, tracing
from twinlens.http.metrics import PROBES, Metrics, route
from twinlens.http.problems import CODE, problem
from twinlens.http.request import READING

access = logging.getLogger("twinlens.access")

_CLOSE: Final = (b"connection", b"close")
_ALWAYS: Final = [(b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"same-origin")]
_LINGER_SECONDS: Final = 10.0
_SILENT_SECONDS: Final = 2.0
_LINGER_BYTES: Final = 64 * 2**20
"""How long, and how much, of the rest of a body is read after an answer that did not wait for it, and for how long the
client may send nothing meanwhile. A connection that is closed with bytes unread is reset, and the client may lose the
answer; most clients send all of a photo before they look for one."""


class Gate:
    """Wraps an ASGI application.

    :param app: the application.
    :param metrics: every answered request is counted there.
    :param timeout: seconds until an answer must have begun; a long download may then take its time.
    :param log_access: whether each answered request is logged.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, timeout: float, *, log_access: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._timeout = timeout
        self._log_access = log_access
        self._drain = drain.of_process()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; WebSockets are refused, the lifespan's messages passed on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status, ended = 0, False
        asked, arrived, lingers = False, False, False
        request_id = logs.request_id(scope["headers"])
        logs.REQUEST_ID.set(request_id)
        always = [*_ALWAYS, (logs.HEADER, request_id.encode())]
        deadline = asyncio.timeout(self._timeout)

        async def receive_watched() -> Message:
            nonlocal asked, arrived
            asked = True
            message = await receive()
            arrived = not message.get("more_body", False)  # a client that went away sends no more either
            return message

        async def send_watched(message: Message) -> None:
            nonlocal status, ended, lingers
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *always]
                early = not arrived and _has_body(scope)
                lingers = early and (asked or not _waits_for_100(scope))
                # During the drain the client's next request belongs to another server.
                if early or self._drain.begun:
                    message["headers"].append(_CLOSE)
            else:
                ended = not message.get("more_body", False)
                if lingers:
                    message["more_body"] = True  # uvicorn closes the connection at the end of the answer
            await send(message)

        async def send_in_time(message: Message) -> None:
            if message["type"] == "http.response.start":
                deadline.reschedule(None)
            await send_watched(message)

        self._metrics.in_progress.inc()
        with tracing.request(scope, route(scope["path"], 0), request_id) as span:
            try:
                async with deadline:
                    await self._app(scope, receive_watched, send_in_time)
            except (Exception, asyncio.CancelledError) as error:
                if not status:
                    await problem(self._last_word(scope, error, deadline))(scope, receive_watched, send_watched)
                elif not ended:
                    raise  # it is too late for another answer, and the connection must be closed
            finally:
                self._metrics.in_progress.dec()
                tracing.answered(span, status, scope.get(CODE))
                if status:
                    self._answered(scope, status, time.perf_counter() - started)
        if lingers and ended:
            if not arrived:
                await _read_the_rest(receive)
            await send({"type": "http.response.body", "body": b""})

    def _answered(self, scope: Scope, status: int, seconds: float) -> None:
        code = scope.get(CODE)
        self._metrics.answered(scope["path"], scope["method"], status, seconds)
        if code is not None:
            self._metrics.problems.labels(code).inc()
        name = route(scope["path"], status)
        if self._log_access and name not in PROBES:
            fields = {"method": scope["method"], "route": name, "status": status, "seconds": round(seconds, 6)}
            fields |= {"code": code} if code else {}
            access.info("%s %s %d", scope["method"], name, status, extra={logs.FIELDS: fields})

    def _last_word(self, scope: Scope, error: BaseException, deadline: asyncio.Timeout) -> Exception:
        """What to answer where the application did not."""
        arrived = scope.get(READING) is False
        if deadline.expired():
            if arrived:
                self._metrics.shed("deadline")
            return self._too_late(scope)
        if isinstance(error, asyncio.CancelledError):
            # The server ends, and the time that it gives to what is in hand has run out.
            if arrived:
                self._metrics.shed("shutdown")
            return TwinlensError("not_ready", "The server is shutting down. Try again: another one may answer.")
        assert isinstance(error, Exception)
        return error

    def _too_late(self, scope: MutableMapping[str, Any]) -> TwinlensError:
        if scope.get(READING):
            return TwinlensError(
                "upload_timeout", f"The body did not arrive within {self._timeout:g} seconds. Send a smaller image."
            )
        return TwinlensError(
            "timeout", f"The answer was not ready within {self._timeout:g} seconds. Try again, or send a smaller image."
        )


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def _waits_for_100(scope: Scope) -> bool:
    """Whether the client sends its body only once it is asked for."""
    return (b"expect", b"100-continue") in ((name, value.lower()) for name, value in scope["headers"])


async def _read_the_rest(receive: Receive) -> None:
    """Read what is left of a body and drop it, within the bounds."""
    read, more = 0, True
    # The answer is out: whatever ends this, the time, the client or the server, there is nothing more to say.
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while more and read < _LINGER_BYTES:
                async with asyncio.timeout(_SILENT_SECONDS):
                    message = await receive()
                read += len(message.get("body", b""))
                more = message.get("more_body", False)

"""The outermost layer of the server: a deadline, a count and a last word on every request.

It stands outside BentoML's application, so that whatever happens in there, a client gets an answer of one kind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinlens.errors import TwinlensError
from twinlens.http.metrics import Metrics
from twinlens.http.problems import CODE, problem
from twinlens.http.request import READING

_ALWAYS: Final = [(b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"same-origin")]


class Gate:
    """Wraps an ASGI application.

    :param app: the application.
    :param metrics: every answered request is counted there.
    :param timeout: seconds until an answer must have begun; a long download may then take its time.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, timeout: float) -> None:
        self._app = app
        self._metrics = metrics
        self._timeout = timeout

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
        deadline = asyncio.timeout(self._timeout)

        async def send_watched(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_ALWAYS]
            else:
                ended = not message.get("more_body", False)
            await send(message)

        async def send_in_time(message: Message) -> None:
            if message["type"] == "http.response.start":
                deadline.reschedule(None)
            await send_watched(message)

        self._metrics.in_progress.inc()
        try:
            async with deadline:
                await self._app(scope, receive, send_in_time)
        except Exception as error:
            if not status:
                await problem(self._too_late(scope) if deadline.expired() else error)(scope, receive, send_watched)
            elif not ended:
                raise  # it is too late for another answer, and the connection must be closed
        finally:
            self._metrics.in_progress.dec()
            if status:
                self._metrics.answered(scope["path"], scope["method"], status, time.perf_counter() - started)
            if CODE in scope:
                self._metrics.problems.labels(scope[CODE]).inc()

    def _too_late(self, scope: MutableMapping[str, Any]) -> TwinlensError:
        if scope.get(READING):
            return TwinlensError(
                "upload_timeout", f"The body did not arrive within {self._timeout:g} seconds. Send a smaller image."
            )
        return TwinlensError(
            "timeout", f"The answer was not ready within {self._timeout:g} seconds. Try again, or send a smaller image."
        )

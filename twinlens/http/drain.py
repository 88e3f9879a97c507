"""How a worker ends: it says so, keeps answering for a while, shuts the door behind the last client, and finishes.

After SIGTERM a load balancer needs seconds to notice that /readyz fails and to send its clients elsewhere, so
connections are taken and answered for a drain delay. Then the door is shut in an order that leaves nobody in it: the
kernel is told to drop the first packet of new connections, those that are half open complete and are accepted, and
only then does the socket stop listening, for the supervisor that holds it too. From there on clients are refused;
without it they would hang, connected to a queue that nobody reads. uvicorn then ends what is left within the grace
period. SIGINT, Ctrl-C at a terminal, means the same without the delay.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import logging
import os
import select
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from typing import Final

import psutil  # type: ignore[import-untyped]
from uvicorn import Server

from twinlens.http.metrics import Metrics
from twinlens.settings import Settings

logger = logging.getLogger("twinlens")

_HALF_OPEN_SECONDS: Final = 0.5
"""What a half-open connection is given to complete: more than a round trip, less than a SYN's first repetition."""
_LINGER_SECONDS: Final = 2.0
"""How long a connection that is open may take to send its request."""
_TICK_SECONDS: Final = 0.02
_LATEST_SECONDS: Final = 5.0
"""After drain and grace, when the process ends at the latest: what docs/operations.md lets a container's limit add, so
that it ends by its own hand and not by SIGKILL. Half-open connections, silent ones and the last spans share it."""
_SO_ATTACH_FILTER: Final = 26  # Linux: asm-generic/socket.h
_SO_DETACH_FILTER: Final = 27
# Classic BPF (linux/filter.h), as (code, jump if true, jump if false, operand): load the byte of a TCP header that
# holds its flags, drop the packet if SYN is set, else keep all of it.
_DROP_SYN: Final = ((0x30, 0, 0, 13), (0x45, 1, 0, 0x02), (0x06, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 0))
_WORKER: Final = "_bentoml_impl.worker.service"


class Drain:
    """The end of this process: told by a signal, carried out in the event loop."""

    def __init__(self) -> None:
        self.begun = False
        self._hurry = False
        self._task: asyncio.Task[None] | None = None
        self._parent = os.getppid()

    def listen(self, settings: Settings, metrics: Metrics) -> None:
        """Take SIGTERM and SIGINT over from the server that runs in this event loop, and hand them on when drained.

        Does nothing where no server of uvicorn's handles them, as in tests of the application alone.
        """
        loop = asyncio.get_running_loop()
        handler = signal.getsignal(signal.SIGTERM)
        server = getattr(handler, "__self__", None)
        if not isinstance(server, Server) or not callable(handler):
            return
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, functools.partial(self._signalled, each, server, settings, metrics))

    def _signalled(self, number: signal.Signals, server: Server, settings: Settings, metrics: Metrics) -> None:
        if number == signal.SIGINT:
            if self._hurry:
                server.handle_exit(number, None)  # a second Ctrl-C: uvicorn waits for nothing any more
            self._hurry = True
        if self._task is None:
            self.begun = True
            metrics.draining.set(1)
            # BentoML's supervisor would wait for a day, and only this process's own end ends the container.
            server.config.timeout_graceful_shutdown = settings.grace_s
            _end_by(settings.drain_s + settings.grace_s + _LATEST_SECONDS)
            self._task = asyncio.get_running_loop().create_task(self._drain(server, settings.drain_s))

    async def _drain(self, server: Server, delay: float) -> None:
        try:
            if not self._hurry:
                logger.info("Draining: /readyz fails; connections are still taken for %g seconds.", delay)
                await self._wait(delay)
            await self._shut_door(server)
            await self._wait(_LINGER_SECONDS, lambda: not server.server_state.connections)
        finally:
            server.handle_exit(signal.SIGTERM, None)

    async def _shut_door(self, server: Server) -> None:
        """Refuse new connections, resetting none that a client believes to be open."""
        doors = [listener.dup() for each in server.servers for listener in each.sockets]
        others = self._has_other_workers()
        if not others:
            filtered = [door for door in doors if _drop_new(door)]
            if filtered:
                await self._wait(_HALF_OPEN_SECONDS)
            # Accepting is the event loop's: give it turns until nobody is left in the queue.
            await self._wait(_LINGER_SECONDS, lambda: not _are_waiting(doors))
        for each in server.servers:
            each.close()
        for door in doors:
            if not others:
                with contextlib.suppress(OSError):  # not every system can; its clients are refused a little later
                    door.shutdown(socket.SHUT_RDWR)
                with contextlib.suppress(OSError):
                    door.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
            door.close()
        logger.info("The door is shut: new connections are refused.")

    def _has_other_workers(self) -> bool:
        """Whether the same supervisor runs other workers, which listen on the same socket (one is replacing this)."""
        if os.getppid() != self._parent:
            return False
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._parent).children():
                with contextlib.suppress(psutil.Error):
                    if child.pid != os.getpid() and _WORKER in child.cmdline():
                        return True
        return False

    async def _wait(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Wait, but not when someone at a terminal does, nor for longer than is enough."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not enough() and not self._hurry and loop.time() < until:
            await asyncio.sleep(_TICK_SECONDS)


@functools.cache
def of_process() -> Drain:
    """The end of this process, of which there is one."""
    return Drain()


def _drop_new(door: socket.socket) -> bool:
    """Let the kernel drop the first packets of new connections; whether it can."""
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in _DROP_SYN))
    described = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(program))
    try:
        door.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
    except OSError:
        return False
    return True


def _are_waiting(doors: Iterable[socket.socket]) -> bool:
    """Whether connections are complete that nobody has accepted yet."""
    poll = select.poll()
    for door in doors:
        poll.register(door, select.POLLIN)
    return bool(poll.poll(0))


def _end_by(seconds: float) -> None:
    """End the process by force at the latest: a thread that hangs must not keep it."""

    def end() -> None:
        logger.error("The process did not end by itself within %g seconds.", seconds)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()

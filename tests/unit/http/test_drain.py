import asyncio
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from twinlens.http import drain
from twinlens.http.drain import Drain
from twinlens.http.metrics import Metrics

linux = pytest.mark.skipif(sys.platform != "linux", reason="shuts a shared socket by Linux' own means")


@pytest.fixture
def door():
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        yield door


@linux
def test_the_filter_lets_nobody_new_in_and_disturbs_nobody_inside(door):
    with socket.create_connection(door.getsockname(), 10) as inside, door.accept()[0] as accepted:
        assert drain._drop_new(door)
        with pytest.raises(TimeoutError):
            socket.create_connection(door.getsockname(), 0.2)
        inside.sendall(b"still here")
        assert accepted.recv(10) == b"still here"
    assert not drain._are_waiting([door])


@linux
def test_a_socket_that_takes_no_filter_is_said_to(door):
    with socket.socket() as closed:
        closed.detach()
        assert not drain._drop_new(closed)


def test_who_is_connected_and_not_accepted_is_seen(door):
    assert not drain._are_waiting([door])
    with socket.create_connection(door.getsockname(), 10):
        assert drain._are_waiting([door])
        door.accept()[0].close()
    assert not drain._are_waiting([door])


class Server:
    """What of uvicorn's server the drain uses, listening, with a client's connection."""

    def __init__(self):
        self.config = SimpleNamespace(timeout_graceful_shutdown=None)
        self.server_state = SimpleNamespace(connections=set())
        self.servers = []
        self.exits = []
        self.exited = asyncio.Event()

    async def listen(self):
        async def greet(reader, writer):
            writer.write(await reader.readexactly(2))
            await writer.drain()
            writer.close()

        self.servers.append(await asyncio.start_server(greet, "127.0.0.1", 0))
        return self.servers[0].sockets[0].getsockname()

    def handle_exit(self, number, frame):
        self.exits.append(number)
        self.exited.set()


@pytest.fixture
def no_force(monkeypatch):
    """The process of the tests must not end itself."""
    asked = []
    monkeypatch.setattr(drain, "_end_by", asked.append)
    return asked


def run(test, settings, **changes):
    async def body():
        metrics, server, ending = Metrics(CollectorRegistry()), Server(), Drain()
        address = await server.listen()

        def signalled(number):
            ending._signalled(number, server, replace(settings, **changes), metrics)

        await test(server, ending, signalled, address)

    asyncio.run(asyncio.wait_for(body(), 60))


async def answered(address):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"hi")
    found = await reader.read()
    writer.close()
    return found


def test_it_goes_on_for_the_delay_then_refuses_then_hands_on(settings, no_force):
    async def test(server, ending, signalled, address):
        holder = server.servers[0].sockets[0].dup()  # as the supervisor has it
        signalled(signal.SIGTERM)
        signalled(signal.SIGTERM)  # a group's, and then the supervisor's
        assert ending.begun and not server.exits
        assert await answered(address) == b"hi"
        await server.exited.wait()
        assert server.exits == [signal.SIGTERM]
        with pytest.raises(ConnectionRefusedError):
            await answered(address)
        holder.close()
        assert server.config.timeout_graceful_shutdown == 7
        # 5 seconds are what docs/operations.md promises, and the recipes of bentos/ count with.
        assert no_force == [pytest.approx(0.3 + 7 + 5)]

    run(test, settings, drain_s=0.3, grace_s=7)


def test_it_waits_for_connections_but_not_for_ever(settings, no_force, monkeypatch):
    monkeypatch.setattr(drain, "_LINGER_SECONDS", 0.3)

    async def test(server, ending, signalled, address):
        server.server_state.connections.add("a silent one")
        signalled(signal.SIGTERM)
        await server.exited.wait()
        assert server.server_state.connections

    run(test, settings, drain_s=0)


def test_ctrl_c_cuts_the_delay_short_and_a_second_one_everything(settings, no_force):
    async def test(server, ending, signalled, address):
        server.server_state.connections.add("a silent one")
        signalled(signal.SIGTERM)
        await asyncio.sleep(0.05)
        signalled(signal.SIGINT)
        await server.exited.wait()
        signalled(signal.SIGINT)
        assert server.exits == [signal.SIGTERM, signal.SIGINT]

    run(test, settings, drain_s=3600)


def test_with_another_worker_on_the_same_socket_the_door_stays_open(settings, no_force, monkeypatch):
    monkeypatch.setattr(Drain, "_has_other_workers", lambda self: True)

    async def test(server, ending, signalled, address):
        other = server.servers[0].sockets[0].dup()
        signalled(signal.SIGTERM)
        await server.exited.wait()
        with socket.create_connection(address, 10), other.accept()[0] as accepted:
            assert accepted.getsockname() == address
        other.close()

    run(test, settings, drain_s=0)


def test_a_worker_is_told_from_other_children_of_the_supervisor(monkeypatch):
    """This process stands for the supervisor, as if it were its own parent."""
    ending = Drain()
    ending._parent = os.getpid()
    script = "import os; print(flush=True); os.read(0, 1)"
    for name, expected in (("another", False), ("_bentoml_impl.worker.service", True)):
        with subprocess.Popen(
            [sys.executable, "-c", script, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            child.stdout.readline()
            assert not ending._has_other_workers(), "the supervisor has gone, and its children with it"
            with monkeypatch.context() as patched:
                patched.setattr(drain.os, "getppid", os.getpid)
                assert ending._has_other_workers() == expected
            child.communicate(b"x")


def test_where_no_server_handles_signals_nothing_is_taken_over(settings):
    async def body():
        before = signal.getsignal(signal.SIGTERM)
        Drain().listen(settings, Metrics(CollectorRegistry()))
        assert signal.getsignal(signal.SIGTERM) is before

    asyncio.run(body())


def test_a_process_that_hangs_is_ended():
    script = "import time; from twinlens.http.drain import _end_by; _end_by(0.1); time.sleep(300)"
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False, capture_output=True, text=True)
    assert done.returncode == 1 and "did not end by itself" in done.stderr

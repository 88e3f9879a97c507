import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from twinlens.http.application import _while_connected


class Client:
    """One that has sent its body, and hangs up when it is told to."""

    def __init__(self):
        self.gone = asyncio.Event()
        self.asked = 0

    async def receive(self):
        self.asked += 1
        if self.asked == 1:
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}


def run(test):
    asyncio.run(asyncio.wait_for(test(Client()), 30))


async def answer(seconds=0.0):
    await asyncio.sleep(seconds)
    return Response()


def test_an_answer_is_passed_on_and_nothing_is_left_running():
    async def test():
        others = asyncio.all_tasks()
        response = await _while_connected(Client().receive, answer())
        assert response.status_code == 200
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == others

    asyncio.run(test())


def test_when_the_client_goes_the_work_is_cancelled():
    async def test(client):
        working = asyncio.Event()
        cancelled = False

        async def work():
            nonlocal cancelled
            working.set()
            try:
                await asyncio.sleep(300)
            except asyncio.CancelledError:
                cancelled = True
                raise

        async def hang_up():
            await working.wait()
            client.gone.set()

        hanging_up = asyncio.create_task(hang_up())
        with pytest.raises(ClientDisconnect):
            await _while_connected(client.receive, work())
        await hanging_up
        assert cancelled and not asyncio.current_task().cancelling()

    run(test)


def test_a_deadline_stays_a_deadline():
    async def test(client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await _while_connected(client.receive, answer(300))

    run(test)


def test_a_cancellation_from_outside_stays_one():
    async def test(client):
        task = asyncio.create_task(_while_connected(client.receive, answer(300)))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(test)


def test_an_error_is_passed_on():
    async def fail():
        await asyncio.sleep(0)
        raise ValueError("broken")

    async def test(client):
        with pytest.raises(ValueError, match="broken"):
            await _while_connected(client.receive, fail())

    run(test)

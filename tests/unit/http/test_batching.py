import asyncio

import numpy as np
import pytest

from twinlens.errors import TwinlensError
from twinlens.http.batching import Batcher


class Recorder:
    """A network that answers each image with its first number, and keeps what it was given.

    It is held while ``gate`` is clear, so that a test decides what waits meanwhile.
    """

    def __init__(self):
        self.batches = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.started = asyncio.Event()
        self.error = None

    async def __call__(self, batch):
        self.batches.append([int(image[0, 0, 0]) for image in batch])
        self.started.set()
        await self.gate.wait()
        if self.error:
            raise self.error
        return np.asarray([[float(image[0, 0, 0])] for image in batch])


def image(number):
    return np.full((2, 2, 3), number, np.uint8)


async def settled():
    """Let everything that can run do so, the dispatcher's tick of a millisecond too."""
    await asyncio.sleep(0.05)


async def trained(network, **options):
    """A batcher that is past what its dispatcher does differently at its start."""
    batcher = Batcher(network, **{"max_batch_size": 4, "max_latency_ms": 10_000, **options})
    for _ in range(15):
        await batcher(image(0))
    network.batches.clear()
    network.started.clear()
    return batcher


def run(test):
    asyncio.run(asyncio.wait_for(test(), 30))


def test_each_gets_its_own_answer():
    async def test():
        batcher = Batcher(Recorder(), 4, 10_000)
        answers = await asyncio.gather(*(batcher(image(number)) for number in range(50)))
        assert [answer.tolist() for answer in answers] == [[float(number)] for number in range(50)]
        batcher.close()

    run(test)


def test_what_waits_while_the_network_runs_goes_together_up_to_the_largest_batch():
    async def test():
        network = Recorder()
        batcher = await trained(network)
        network.gate.clear()
        first = asyncio.create_task(batcher(image(1)))
        await network.started.wait()
        others = [asyncio.create_task(batcher(image(number))) for number in range(2, 9)]
        await settled()
        assert network.batches == [[1]]
        network.gate.set()
        await asyncio.gather(first, *others)
        assert network.batches == [[1], [2, 3, 4, 5], [6, 7, 8]]
        batcher.close()

    run(test)


def test_a_lone_request_waits_for_nobody_even_after_a_burst():
    async def test():
        network = Recorder()
        batcher = await trained(network)
        network.gate.clear()
        burst = [asyncio.create_task(batcher(image(number))) for number in range(60)]
        await asyncio.sleep(0.3)  # a wait that the dispatcher would remember
        network.gate.set()
        await asyncio.gather(*burst)
        batcher._dispatcher.optimizer.trigger_refresh()
        assert batcher._dispatcher.optimizer.wait == 0
        batcher.close()

    run(test)


def test_a_cancelled_request_is_not_run_and_its_neighbours_are():
    async def test():
        network = Recorder()
        batcher = await trained(network)
        network.gate.clear()
        first = asyncio.create_task(batcher(image(1)))
        await network.started.wait()
        others = [asyncio.create_task(batcher(image(number))) for number in (2, 3, 4)]
        await settled()
        others[1].cancel()
        await settled()
        assert others[1].cancelled()
        network.gate.set()
        assert [(await task).tolist() for task in (first, others[0], others[2])] == [[1.0], [2.0], [4.0]]
        assert network.batches == [[1], [2, 4]]
        batcher.close()

    run(test)


def test_a_batch_of_cancelled_requests_is_not_run_at_all():
    async def test():
        network = Recorder()
        batcher = await trained(network)
        network.gate.clear()
        first = asyncio.create_task(batcher(image(1)))
        await network.started.wait()
        second = asyncio.create_task(batcher(image(2)))
        await settled()
        second.cancel()
        network.gate.set()
        await first
        await settled()
        assert network.batches == [[1]]
        assert (await batcher(image(3))).tolist() == [3.0]
        batcher.close()

    run(test)


def test_a_deadline_is_a_deadline_not_an_overload():
    async def test():
        network = Recorder()
        batcher = await trained(network)
        network.gate.clear()
        first = asyncio.create_task(batcher(image(1)))
        await network.started.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await batcher(image(2))
        network.gate.set()
        await first
        batcher.close()

    run(test)


def test_a_wait_that_would_be_too_long_is_an_overload():
    async def test():
        network = Recorder()
        batcher = await trained(network, max_latency_ms=40)
        network.gate.clear()
        waiting = [asyncio.create_task(batcher(image(number))) for number in range(1, 30)]
        await asyncio.sleep(0.2)
        network.gate.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        shed = [result for result in results if isinstance(result, TwinlensError)]
        assert {error.code for error in shed} == {"overloaded"}
        assert len(shed) + sum(isinstance(result, np.ndarray) for result in results) == len(waiting)
        batcher.close()

    run(test)


def test_a_fault_of_the_network_reaches_every_request_of_the_batch():
    async def test():
        network = Recorder()
        batcher = await trained(network)
        network.error = RuntimeError("broken")
        results = await asyncio.gather(*(batcher(image(number)) for number in range(3)), return_exceptions=True)
        assert [str(result) for result in results] == ["broken"] * 3
        network.error = None
        assert (await batcher(image(7))).tolist() == [7.0]
        batcher.close()

    run(test)


def test_closing_drops_what_waits():
    async def test():
        network = Recorder()
        batcher = await trained(network)
        network.gate.clear()
        first = asyncio.create_task(batcher(image(1)))
        await network.started.wait()
        second = asyncio.create_task(batcher(image(2)))
        await settled()
        batcher.close()
        with pytest.raises(TwinlensError, match="waiting"):
            await second
        network.gate.set()
        await first

    run(test)

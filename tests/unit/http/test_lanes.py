import asyncio
import threading

import pytest
from prometheus_client import CollectorRegistry

from twinlens.http.lanes import Lane
from twinlens.http.metrics import Metrics


class Recorder:
    """Work that doubles numbers, and keeps what it was given together.

    It is held while ``gate`` is clear, so that a test decides what waits meanwhile.
    """

    def __init__(self):
        self.batches = []
        self.alone = []
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()
        self.error = None

    def __call__(self, numbers, alone):
        self.batches.append(list(numbers))
        self.alone.append(alone)
        self.started.set()
        assert self.gate.wait(20)
        if self.error:
            raise self.error
        return [2 * number for number in numbers]

    async def hold(self, lane):
        """Let one item begin, and hold it.

        :return: the task that waits for it.
        """
        self.gate.clear()
        self.started.clear()
        first = asyncio.create_task(lane(0))
        await asyncio.to_thread(self.started.wait, 20)
        return first


def run(test, *, most=4, threads=1):
    """Run a test on a lane, and hold the lane to counting nothing that is over."""

    async def body():
        registry, work = CollectorRegistry(), Recorder()
        lane = Lane("inference", work, threads, most, Metrics(registry))
        try:
            await test(lane, work, registry)
            assert depth(registry) == 0
        finally:
            work.gate.set()
            lane.close()

    asyncio.run(asyncio.wait_for(body(), 30))


def depth(registry):
    return registry.get_sample_value("twinlens_queue_depth", {"lane": "inference"})


def waits(registry):
    return registry.get_sample_value("twinlens_queue_seconds_count", {"lane": "inference"})


async def started(lane, numbers):
    """Tasks that wait in the lane, in this order."""
    tasks = [asyncio.create_task(lane(number)) for number in numbers]
    await asyncio.sleep(0)
    return tasks


def test_each_gets_its_own_answer():
    async def test(lane, work, registry):
        answers = await asyncio.gather(*(lane(number) for number in range(200)))
        assert answers == [2 * number for number in range(200)]
        assert waits(registry) == 200

    run(test)


def test_several_threads_answer_each_its_own():
    async def test(lane, work, registry):
        answers = await asyncio.gather(*(lane(number) for number in range(500)))
        assert answers == [2 * number for number in range(500)]
        assert sorted(number for batch in work.batches for number in batch) == list(range(500))

    run(test, threads=4, most=3)


def test_what_waits_while_a_thread_works_goes_together_up_to_the_most():
    async def test(lane, work, registry):
        first = await work.hold(lane)
        others = await started(lane, range(2, 9))
        assert depth(registry) == 7
        work.gate.set()
        await asyncio.gather(first, *others)
        assert work.batches == [[0], [2, 3, 4, 5], [6, 7, 8]]

    run(test)


def test_a_lone_item_waits_for_nobody_even_after_a_burst():
    async def test(lane, work, registry):
        first = await work.hold(lane)
        burst = await started(lane, range(60))
        work.gate.set()
        await asyncio.gather(first, *burst)
        for number in range(5):
            await lane(number)
        assert work.batches[-5:] == [[0], [1], [2], [3], [4]]

    run(test)


def test_a_cancelled_item_is_not_worked_on_and_its_neighbours_are():
    async def test(lane, work, registry):
        first = await work.hold(lane)
        others = await started(lane, (2, 3, 4))
        others[1].cancel()
        await asyncio.wait([others[1]])
        assert others[1].cancelled() and depth(registry) == 2
        work.gate.set()
        assert await asyncio.gather(first, others[0], others[2]) == [0, 4, 8]
        assert work.batches == [[0], [2, 4]]

    run(test)


def test_when_all_are_cancelled_nothing_is_worked_on():
    async def test(lane, work, registry):
        first = await work.hold(lane)
        others = await started(lane, range(1, 9))
        for task in others:
            task.cancel()
        await asyncio.wait(others)
        work.gate.set()
        await first
        assert await lane(9) == 18
        assert work.batches == [[0], [9]]

    run(test)


def test_what_is_cancelled_while_it_is_worked_on_spoils_nothing():
    async def test(lane, work, registry):
        first = await work.hold(lane)
        first.cancel()
        await asyncio.wait([first])
        work.gate.set()
        assert first.cancelled()
        assert await lane(1) == 2

    run(test)


def test_a_deadline_is_a_deadline():
    async def test(lane, work, registry):
        first = await work.hold(lane)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await lane(1)
        work.gate.set()
        await first
        assert work.batches == [[0]]

    run(test)


def test_a_fault_reaches_everything_that_was_taken_together_and_nothing_else():
    async def test(lane, work, registry):
        first = await work.hold(lane)
        work.error = RuntimeError("broken")
        others = await started(lane, (1, 2))
        work.gate.set()
        results = await asyncio.gather(first, *others, return_exceptions=True)
        assert [str(result) for result in results] == ["broken"] * 3
        work.error = None
        assert await lane(7) == 14

    run(test)


def test_closing_drops_what_waits_and_ends_what_runs():
    async def test(lane, work, registry):
        first = await work.hold(lane)
        (second,) = await started(lane, (1,))
        lane.close()
        with pytest.raises(asyncio.CancelledError):
            await second
        work.gate.set()
        assert await first == 0
        assert work.batches == [[0]]

    run(test)


def test_what_waits_is_shared_by_the_threads_that_are_free():
    async def test(lane, work, registry):
        held = [await work.hold(lane), await work.hold(lane)]
        others = await started(lane, range(1, 7))
        work.gate.set()
        await asyncio.gather(*held, *others)
        # Whichever thread comes first: it leaves half to the other if that is free too, else takes what it may.
        assert work.batches[:2] == [[0], [0]]
        assert [number for batch in work.batches[2:] for number in batch] == [1, 2, 3, 4, 5, 6]
        assert {len(batch) for batch in work.batches[2:]} <= {1, 2, 3, 4}

    run(test, threads=2)


def test_two_that_come_together_do_not_queue_behind_each_other():
    async def test(lane, work, registry):
        work.gate.clear()
        both = await started(lane, (1, 2))
        for _ in range(1000):
            await asyncio.sleep(0.01)
            if len(work.batches) == 2:
                break
        work.gate.set()
        assert sorted(await asyncio.gather(*both)) == [2, 4]
        assert work.batches == [[1], [2]]

    run(test, threads=2)


def test_work_is_told_whether_it_has_the_lane_to_itself():
    async def test(lane, work, registry):
        for _ in range(2):
            first = await work.hold(lane)
            second = await work.hold(lane)
            work.gate.set()
            await asyncio.gather(first, second)
        assert work.alone == [True, False] * 2

    run(test, threads=2)


def test_what_leaves_others_waiting_is_not_alone():
    async def test(lane, work, registry):
        first = await work.hold(lane)
        others = await started(lane, range(1, 6))
        work.gate.set()
        await asyncio.gather(first, *others)
        assert work.batches == [[0], [1, 2, 3, 4], [5]]
        assert work.alone == [True, False, True]

    run(test)

"""Batches from items that arrive at the same time."""

import asyncio
import threading
import time

import pytest

from genvlkt_mmdet.serving import Batcher


def run(scenario, function, max_batch=4, delay=0.0, more_coming=lambda waiting: False):
    """Runs a scenario, a coroutine function of the batcher, and returns its result and the batches."""
    batches = []

    def recorded(key, values):
        batches.append((key, list(values)))
        return function(key, values)

    async def everything():
        batcher = Batcher(recorded, max_batch, delay, more_coming)
        task = asyncio.create_task(batcher.run())
        try:
            return await asyncio.wait_for(scenario(batcher), 20)
        finally:
            task.cancel()

    return asyncio.run(everything()), batches


def tenfold(key, values):
    return [10 * value for value in values]


def test_items_with_one_key_share_a_batch_in_the_order_of_arrival():
    async def scenario(batcher):
        return await asyncio.gather(*(batcher.submit(key, i) for i, key in enumerate('ababbaa')))

    answers, batches = run(scenario, tenfold, max_batch=3)
    assert answers == [0, 10, 20, 30, 40, 50, 60]
    assert batches == [('a', [0, 2, 5]), ('b', [1, 3, 4]), ('a', [6])]


def test_items_gather_while_a_batch_runs():
    started, go = threading.Event(), threading.Event()

    def slow(key, values):
        started.set()
        go.wait(10)
        return values

    async def scenario(batcher):
        first = asyncio.create_task(batcher.submit('a', 0))
        await asyncio.to_thread(started.wait, 10)
        others = [asyncio.create_task(batcher.submit('a', i)) for i in (1, 2, 3)]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(first, *others)

    assert run(scenario, slow) == ([0, 1, 2, 3], [('a', [0]), ('a', [1, 2, 3])])


def test_an_error_reaches_the_items_of_its_batch_only():
    def function(key, values):
        if key == 'bad':
            raise ValueError('no such key')
        return values

    async def scenario(batcher):
        jobs = (batcher.submit('bad', 1), batcher.submit('good', 2), batcher.submit('bad', 3))
        return await asyncio.gather(*jobs, return_exceptions=True)

    (first, second, third), _ = run(scenario, function)
    assert str(first) == str(third) == 'no such key' and second == 2


def test_an_item_whose_caller_has_gone_is_dropped():
    async def scenario(batcher):
        gone = asyncio.create_task(batcher.submit('a', 1))
        await asyncio.sleep(0)
        gone.cancel()
        answer = await batcher.submit('a', 2)
        with pytest.raises(asyncio.CancelledError):
            await gone
        return answer

    # both wait for more, so that the first has gone when the batch starts
    assert run(scenario, tenfold, delay=0.05, more_coming=lambda waiting: True) == (20, [('a', [2])])


@pytest.mark.parametrize(('coming', 'batches'), [(True, [('a', [0, 1])]), (False, [('a', [0]), ('a', [1])])])
def test_a_batch_waits_only_if_more_are_on_their_way(coming, batches):
    async def scenario(batcher):
        first = asyncio.create_task(batcher.submit('a', 0))
        await asyncio.sleep(0.05)
        return await asyncio.gather(first, batcher.submit('a', 1))

    assert run(scenario, tenfold, 2, delay=5, more_coming=lambda waiting: coming)[1] == batches


def test_the_delay_ends():
    async def scenario(batcher):
        start = time.monotonic()
        await batcher.submit('a', 0)
        return time.monotonic() - start

    seconds, _ = run(scenario, tenfold, delay=0.1, more_coming=lambda waiting: True)
    assert 0.09 <= seconds < 5

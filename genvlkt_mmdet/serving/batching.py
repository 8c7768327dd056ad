"""Forms batches from requests that arrive at the same time."""

import asyncio
import contextlib
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class _Item:
    key: Hashable
    value: Any
    answer: asyncio.Future


class Batcher:
    """Runs a function on batches of items, in a thread of its own, one batch after another.

    The oldest item that waits decides whose turn it is: it and the next ones with the same key are a batch. While the function
    runs, the next items gather. If not enough of them wait, a batch is held for a short time, but only if more are on their way.
    All methods belong to one event loop.

    Args:
        function (Callable): Gets the key and the values of a batch, and returns an answer for each value.
        max_batch (int): Maximum number of items in a batch.
        delay (float): Maximum time in seconds for which a batch is held.
        more_coming (Callable): Gets the number of items that wait, and says whether more are on their way.
    """

    def __init__(
        self,
        function: Callable[[Any, Sequence[Any]], Sequence[Any]],
        max_batch: int,
        delay: float,
        more_coming: Callable[[int], bool] = lambda waiting: True,
    ) -> None:
        self._function = function
        self._max_batch = max_batch
        self._delay = delay
        self._more_coming = more_coming
        self._waiting: list[_Item] = []
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, 'genvlkt-model')

    async def submit(self, key: Hashable, value: Any) -> Any:
        """Waits for the answer to an item. An error of its batch is raised. If the caller stops waiting, the item is dropped."""
        item = _Item(key, value, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        self._arrived.set()
        return await item.answer

    async def run(self) -> None:
        """Runs batches until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._next_batch()
            values = [item.value for item in batch]
            try:
                answers = await loop.run_in_executor(self._thread, self._function, batch[0].key, values)
            except Exception as error:
                for item in _unanswered(batch):
                    item.answer.set_exception(error)
            else:
                for item, answer in zip(batch, answers, strict=True):
                    if not item.answer.done():
                        item.answer.set_result(answer)

    async def _next_batch(self) -> list[_Item]:
        loop = asyncio.get_running_loop()
        end = None
        while True:
            self._waiting = _unanswered(self._waiting)
            batch = [item for item in self._waiting if item.key == self._waiting[0].key][: self._max_batch]
            if batch and end is None:
                end = loop.time() + self._delay
            left = None if end is None else end - loop.time()
            if batch and (len(batch) == self._max_batch or left <= 0 or not self._more_coming(len(self._waiting))):
                self._waiting = [item for item in self._waiting if item not in batch]
                return batch
            self._arrived.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left if batch else None)


def _unanswered(items: list[_Item]) -> list[_Item]:
    """Those whose requests still wait: a request that ran out of time has cancelled its answer."""
    return [item for item in items if not item.answer.done()]

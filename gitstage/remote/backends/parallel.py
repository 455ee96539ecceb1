"""What every backend over a network needs: several transfers beside each other, and patience with a server."""

from __future__ import annotations

import itertools
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

UNKNOWN = 5.0
"""Seconds that a server is waited for that has never answered: more likely its address is wrong."""
KNOWN = 20.0
"""Seconds that a server is waited for that has answered before, and that one object is tried again."""


def beside(jobs: int, work: Callable[[Item, threading.Event], Result], items: Sequence[Item]) -> Iterator[Result]:
    """What `work(item, stop)` returns for each item, in the order in which they end; `jobs` at once, in threads.

    What `work` raises is raised here, and ends all. `stop` is set when nobody waits for the results any more.
    """
    stop = threading.Event()
    if jobs < 2 or len(items) < 2:
        for item in items:
            yield work(item, stop)
        return
    results: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

    def run(item: Item) -> None:
        try:
            results.put((work(item, stop), None))
        except BaseException as error:
            results.put((None, error))

    pool = ThreadPoolExecutor(min(jobs, len(items)))
    try:
        left = iter(items)
        for item in itertools.islice(left, 4 * jobs):
            pool.submit(run, item)
        for _ in items:
            result, error = results.get()
            if error is not None:
                raise error
            for item in itertools.islice(left, 1):
                pool.submit(run, item)
            yield result  # type: ignore[misc]
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


class Patience:
    """How long a server is waited for that does not answer, or answers with an error that may pass."""

    def __init__(self) -> None:
        self._last = 0.0

    @property
    def is_known(self) -> bool:
        """Has the server done anything for us yet?"""
        return self._last > 0

    def answered(self) -> None:
        self._last = time.monotonic()

    def is_gone(self, since: float) -> bool:
        """Has the server done nothing at all since then (time.monotonic())?"""
        return self._last < since

    def pause(self, since: float, tries: int, stop: threading.Event) -> bool:
        """Wait before another try of what failed first at `since`, and `tries` times until now; False: give up."""
        left = since + (KNOWN if self.is_known else UNKNOWN) - time.monotonic()
        if left <= 0:
            return False
        delay = min(0.1 * 2.0**tries, 3.0) * random.uniform(0.5, 1.0)  # noqa: S311 : nothing is kept secret by it
        return not stop.wait(min(delay, left))

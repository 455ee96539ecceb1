"""What every backend over a network needs: several transfers beside each other, and patience with a server."""

from __future__ import annotations

import hashlib
import itertools
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from gitstage.remote.backend import RemoteError
from gitstage.static import Any, TypeVar

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
    return streams(jobs, lambda item, stop: iter((work(item, stop),)), items)


def streams(
    jobs: int, work: Callable[[Item, threading.Event], Iterator[Result]], items: Sequence[Item]
) -> Iterator[Result]:
    """As `beside`, but `work` yields any number of results, which arrive here one by one."""
    stop = threading.Event()
    if jobs < 2 or len(items) < 2:
        for item in items:
            yield from work(item, stop)
        return
    results: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()
    ended = _Ended()

    def run(item: Item) -> None:
        try:
            for result in work(item, stop):
                results.put((result, None))
            results.put((None, ended))
        except BaseException as error:
            results.put((None, error))

    pool = ThreadPoolExecutor(min(jobs, len(items)))
    try:
        left = iter(items)
        for item in itertools.islice(left, 4 * jobs):
            pool.submit(run, item)
        running = len(items)
        while running:
            result, error = results.get()
            if error is ended:
                running -= 1
                for item in itertools.islice(left, 1):
                    pool.submit(run, item)
            elif error is not None:
                raise error
            else:
                yield result  # type: ignore[misc]
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


class _Ended(Exception):
    """No failure: one piece of work has no more results."""


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


class Target:
    """A local file being written and summed up; what goes wrong with it is our side's, and another try is in vain."""

    def __init__(self, path: str) -> None:
        self._path, self.size, self.md5 = path, 0, hashlib.md5()

    def __enter__(self) -> Target:
        try:
            self._file = open(self._path, "wb", buffering=0)
        except OSError as error:
            raise RemoteError(f"{self._path}: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: Any) -> None:
        view = memoryview(data)
        self.md5.update(view)
        try:
            while view:
                written = self._file.write(view)
                view = view[written:]
                self.size += written
        except OSError as error:
            raise RemoteError(f"{self._path}: {error.strerror}") from None

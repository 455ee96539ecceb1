"""Threads that work side by side, of which one at a time may touch anything but what it waits for."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Generic, NamedTuple, TypeVar

Key = TypeVar("Key")
Event = TypeVar("Event")
Result = TypeVar("Result")


_AWAKE = 0.2  # seconds


class Finished(NamedTuple, Generic[Result]):
    """The end of one piece of work: what it returned, or what it raised."""

    result: Result | None
    error: BaseException | None


class Workers(Generic[Key, Event, Result]):
    """Each piece of work is a generator that yields events and runs in a thread of its own.

    `take` is called when a thread becomes the active one, `give` when it stops being that: at its end, and while it waits
    for something within `idle`.
    """

    def __init__(self, take: Callable[[], object], give: Callable[[], object]) -> None:
        self._take, self._give = take, give
        self._baton = threading.Lock()
        self._told: queue.SimpleQueue[tuple[Key, Event | Finished[Result]]] = queue.SimpleQueue()
        self._threads: dict[Key, threading.Thread] = {}

    def __len__(self) -> int:
        """How many pieces of work are not done."""
        return len(self._threads)

    def start(self, key: Key, work: Generator[Event, None, Result]) -> None:
        self._threads[key] = threading.Thread(target=self._run, args=(key, work), daemon=True)
        self._threads[key].start()

    def next(self) -> tuple[Key, Event | Finished[Result]]:
        """Wait for the next event, or end, of any piece of work."""
        while True:
            # a signal may reach another thread, and its handler runs in this one, which must not sleep on
            with contextlib.suppress(queue.Empty):
                key, what = self._told.get(timeout=_AWAKE)
                break
        if isinstance(what, Finished):
            self._threads.pop(key).join()
        return key, what

    def tell(self, key: Key, event: Event) -> None:
        """Tell an event from whatever thread."""
        self._told.put((key, event))

    @contextlib.contextmanager
    def idle(self) -> Iterator[None]:
        """While the active thread waits for something, another may be active."""
        self._give()
        self._baton.release()
        try:
            yield
        finally:
            self._baton.acquire()
            self._take()

    def __enter__(self) -> Workers[Key, Event, Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for thread in self._threads.values():
            thread.join()

    def _run(self, key: Key, work: Generator[Event, None, Result]) -> None:
        result: Result | None = None
        error: BaseException | None = None
        try:
            with self._baton:
                self._take()
                try:
                    while True:
                        self._told.put((key, next(work)))
                except StopIteration as end:
                    result = end.value
                finally:
                    self._give()
        except BaseException as failure:  # whatever it is, it belongs to whoever waits for the end
            error = failure
        self._told.put((key, Finished(result, error)))

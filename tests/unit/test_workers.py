"""Threads that work side by side."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Generator

from gitstage.workers import Finished, Workers


def test_a_signal_that_reaches_another_thread_is_handled_meanwhile() -> None:
    """Its handler runs in the main thread, which waits for the next event."""
    came: list[int] = []
    workers: Workers[str, str, bool] = Workers(lambda: None, lambda: None)

    def work() -> Generator[str, None, bool]:
        yield "begun"
        with workers.idle():
            time.sleep(0.2)  # by now the main thread waits
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
            end = time.monotonic() + 5
            while not came and time.monotonic() < end:
                time.sleep(0.01)
        return bool(came)

    earlier = signal.signal(signal.SIGUSR1, lambda number, _: came.append(number))
    try:
        with workers:
            workers.start("a", work())
            assert workers.next() == ("a", "begun")
            assert workers.next() == ("a", Finished(True, None))
    finally:
        signal.signal(signal.SIGUSR1, earlier)

"""How far the work on data that lies here has come: told by what reads and writes it, to whoever listens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gitstage.static import Protocol


class Listener(Protocol):
    """What shows progress, from any thread. Sizes are in bytes."""

    def expect(self, count: int, size: int | None) -> None:
        """So many more files, of that size together if it is known, are to be done."""

    def moved(self, key: str, size: int) -> None:
        """So many more bytes are."""

    def done(self, key: str) -> None:
        """One more file is."""


_listener: Listener | None = None


def expect(count: int) -> None:
    """So many files are about to be worked on."""
    if _listener is not None:
        _listener.expect(count, None)


def moved(size: int) -> None:
    """A block of a file was read or written."""
    if _listener is not None:
        _listener.moved("", size)


def done(size: int = 0) -> None:
    """A file is done, the last `size` bytes of it just now."""
    if _listener is not None:
        if size:
            _listener.moved("", size)
        _listener.done("")


@contextlib.contextmanager
def heard_by(listener: Listener | None) -> Iterator[None]:
    """Tell `listener` from here on, and nobody any more at the end."""
    global _listener
    earlier, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = earlier

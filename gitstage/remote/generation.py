"""The generation of a remote: a text on it that is another one after every collection.

It tells every clone that what it recorded of the remote may be gone. While objects are being removed it says so, and
since when: what a push found on the remote in the meantime may go a moment later.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

from gitstage.remote.backend import Backend, RemoteError

KEY = ".gitstage/generation"
"""Until the first collection there is no such object, and the generation is ""."""

_COLLECTING = "collecting"
_WAIT = 60.0  # seconds that a push waits for somebody's collection to end
_DEAD = 600.0  # seconds after which a collection that did not say again that it goes on is believed dead
_AGAIN = 60.0  # seconds after which one says so again


class Generation:
    """Of the remote called `remote`; `temporary` makes paths for small files."""

    def __init__(self, remote: str, backend: Callable[[], Backend], temporary: Callable[[], str]) -> None:
        self._remote, self._backend, self._temporary = remote, backend, temporary
        self._known: str | None = None
        self._said = 0.0

    @property
    def was_read(self) -> bool:
        return self._known is not None

    def known(self) -> str:
        """As it was last read by this process."""
        return self.read() if self._known is None else self._known

    def read(self) -> str:
        """As it is now. Waits for a collection under way to end; raises RemoteError if that takes too long."""
        end, pause = time.monotonic() + _WAIT, 0.2
        while True:
            text = self._get()
            word, _, rest = text.partition(" ")
            began = rest.rpartition(" ")[2]
            if word != _COLLECTING or not began.isdigit() or int(began) < time.time() - _DEAD:
                self._known = text
                return text
            if time.monotonic() > end:
                raise RemoteError(
                    f"remote '{self._remote}': somebody else is removing objects from it", "try again later"
                )
            time.sleep(pause)
            pause = min(2.0, pause * 2)

    def begin_collecting(self) -> None:
        """From here on, whoever pushes waits."""
        self._said = time.time()
        self._put(f"{_COLLECTING} {os.urandom(8).hex()} {int(self._said)}")

    def go_on_collecting(self) -> None:
        """To be called now and then while objects are removed."""
        if time.time() - self._said > _AGAIN:
            self.begin_collecting()

    def renew(self) -> None:
        """Objects were removed; void what everybody knew."""
        self._put(os.urandom(8).hex())

    def _get(self) -> str:
        temporary = self._temporary()
        try:
            errors = [error for _, error in self._backend().get([(KEY, temporary)], lambda *_: None)]
            if any(errors):
                return ""  # some servers call forbidden what is absent
            with open(temporary, encoding="utf-8", errors="replace") as stream:
                return stream.read(200).strip()
        finally:
            _remove(temporary)

    def _put(self, text: str) -> None:
        temporary = self._temporary()
        try:
            with open(temporary, "x", encoding="utf-8") as stream:
                stream.write(text + "\n")
            for _, error in self._backend().put([(temporary, KEY)], lambda *_: None):
                if error is not None:
                    raise error
        finally:
            _remove(temporary)
        self._known = None


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)

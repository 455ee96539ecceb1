"""What a remote's store can do: the protocol between transfer.py, which plans, and the backends, which move bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from gitstage.errors import GitstageError
from gitstage.static import Protocol

Moved = Callable[[str, int], None]
"""Told (key, bytes more that were moved for it), from any thread."""


class RemoteError(GitstageError):
    """What went wrong with one key. `absent`: the remote has no such object; `retry`: another try might succeed."""

    def __init__(self, message: str, hint: str | None = None, *, absent: bool = False, retry: bool = False) -> None:
        super().__init__(message, hint)
        self.absent, self.retry = absent, retry


Done = tuple[str, RemoteError | None]
"""A key, and what went wrong with it (None: nothing)."""


Hashed = dict[str, tuple[str, int]]
"""Key -> MD5 (32 hex digits) and size in bytes of what was written for it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object on a remote. `key` is "/"-separated below the remote's root; `size` in bytes; `md5` (32 hex digits),
    `modified` (seconds since the epoch) and `etag` (another one for other content, as the store spells it) if the remote
    tells them."""

    key: str
    size: int
    md5: str | None = None
    modified: float | None = None
    etag: str | None = None


class Backend(Protocol):
    """Where a remote keeps its objects. Batch verbs, so that each backend picks its own concurrency.

    What is absent is a value, not an exception. `put` and `get` yield each key once, in any order, from the caller's
    thread; `put` makes an object visible whole or not at all. A failure that concerns no single key (the server cannot
    be reached, the credentials are refused) is raised as RemoteError.
    """

    label: str
    """For messages; never holds credentials."""
    jobs: int
    """Transfers at once."""
    can_list: bool
    """False: plain HTTP."""
    can_write: bool

    def list(self, prefix: str) -> Iterable[Listed]:
        """Objects whose keys start with `prefix` (a folder, "/"-terminated, or "")."""

    def head(self, keys: Collection[str]) -> dict[str, int]:
        """Key -> size; absent keys are left out."""

    def about(self, keys: Collection[str]) -> dict[str, Listed]:
        """Key -> all that is told of it; absent keys are left out."""

    def put(self, items: Sequence[tuple[str, str]], moved: Moved) -> Iterable[Done]:
        """Store local files: (absolute path, key)."""

    def get(self, items: Sequence[tuple[str, str]], moved: Moved, hashed: Hashed | None = None) -> Iterable[Done]:
        """Fetch objects: (key, absolute path of a temporary file, which the caller owns and which is not there yet).

        A backend that has the bytes in its hands enters into `hashed` what they are, before it yields the key.
        """

    def delete(self, keys: Collection[str]) -> Iterable[Done]:
        """Remove objects; one that is absent is no error."""

    def close(self) -> None:
        """Let go of connections."""


class OnlySizes(ABC):
    """For a backend of a store that tells no more of an object than its size."""

    @abstractmethod
    def head(self, keys: Collection[str]) -> dict[str, int]:
        """As Backend.head."""

    def about(self, keys: Collection[str]) -> dict[str, Listed]:
        return {key: Listed(key, size) for key, size in self.head(keys).items()}

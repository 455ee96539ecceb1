"""What a merge is asked for, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitstage.cache import Cache
from gitstage.errors import GitstageError
from gitstage.static import Literal

Side = Literal["ours", "theirs"]


class Cannot(GitstageError):
    """These versions cannot be merged by what they say; Git's merge by lines is the better answer."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the user must know of a merge. `conflict`: it is left to the user."""

    text: str
    hint: str | None = None
    conflict: bool = True


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged file, with markers around what is left to the user."""

    data: bytes
    notes: tuple[Note, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not any(note.conflict for note in self.notes)


@dataclass(frozen=True, slots=True)
class Options:
    """`marker_size`: length of conflict markers. `stale`: what becomes of the record of a stage that neither side ran on
    what the merge gives it. `side`: whose version is taken of what does not merge. `cache`: called when manifests are
    needed; None if there is no cache."""

    marker_size: int = 7
    stale: Callable[[], Literal["drop", "conflict"]] = lambda: "drop"
    side: Side | None = None
    cache: Callable[[], Cache | None] = lambda: None

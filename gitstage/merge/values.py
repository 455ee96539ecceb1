"""Three-way merges of plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gitstage.formats.edit import same
from gitstage.static import Any

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()
"""Stands for a key that is not there."""


class ConflictError(Exception):
    """Both sides changed something, and not to the same."""


def one_side(base: Any, ours: Any, theirs: Any) -> Any:
    """The version that holds where only one side changed anything, or both did the same. Raises ConflictError otherwise."""
    if same(ours, theirs) or same(base, theirs):
        return ours
    if same(base, ours):
        return theirs
    raise ConflictError


def keys_of(*maps: Mapping[Any, Any]) -> Iterable[Any]:
    """All keys, each once, in the order in which they come first."""
    return dict.fromkeys(key for one in maps for key in one)


def flat(base: Mapping[Any, Any], ours: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Two changed maps as one, key by key: in our order, what they added behind. Raises ConflictError."""
    found = {}
    for key in keys_of(ours, theirs):
        value = one_side(base.get(key, ABSENT), ours.get(key, ABSENT), theirs.get(key, ABSENT))
        if value is not ABSENT:
            found[key] = value
    return found

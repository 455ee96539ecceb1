"""What pipeline files hold, without reading YAML, as long as their bytes are those of last time."""

from __future__ import annotations

import json
from collections.abc import Callable

from gitstage import __version__, formats
from gitstage.digest import summary
from gitstage.formats.plain import read_plain_dvc
from gitstage.memo import Memo
from gitstage.static import Any


class Remembered:
    """Reads as `parse_pipeline`, `parse_lock` and `parse_dvc` of formats do, from `memo` where it knows the bytes.

    `root`: the absolute project root. Only what was valid, and is the same when it comes back, is remembered.
    """

    def __init__(self, memo: Memo, root: str) -> None:
        self._memo, self._root = memo, root

    def pipeline(self, data: bytes, path: str) -> dict[str, Any]:
        return self._read("pipeline", data, path, lambda: formats.parse_pipeline(data, path))

    def dvc(self, data: bytes, path: str) -> dict[str, Any]:
        plain = read_plain_dvc(data)
        return self._read("dvc", data, path, lambda: formats.parse_dvc(data, path)) if plain is None else plain

    def lock(self, data: bytes, path: str) -> dict[str, Any]:
        return self._read("lock", data, path, lambda: formats.parse_lock(data, path))

    def _read(self, kind: str, data: bytes, path: str, parse: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        name = f"{kind} {self._root}/{path}"
        seen = summary(data, key=__version__.encode()).digest()
        text = self._memo.parsed(name, seen)
        if text is not None:
            try:
                known: dict[str, Any] = json.loads(text)
                return known
            except ValueError:
                pass
        found = parse()
        try:
            text = json.dumps(found, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError):  # a date, for one
            return found
        if _is_same(json.loads(text), found):
            self._memo.remember_parsed(name, seen, text)
        return found


def _is_same(one: Any, other: Any) -> bool:
    """Equal, of the same types and in the same order, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return bool(one == other)

"""Reading many states of the same files: what two of them have in common is parsed once.

Most commits of a project change a few entries of a lock of hundreds. A lock as DVC writes it is therefore taken apart
into the texts of its entries, and each text is parsed the first time that it is met.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gitstage.errors import FormatError
from gitstage.formats.schema import parse_dvc, parse_lock, parse_pipeline
from gitstage.static import Any, TypeVar

_HEAD = "schema: '2.0'\nstages:\n"
_ENTRY = re.compile(r"^  (?=[^ \n#])", re.MULTILINE)
_NOT_AN_ENTRY = re.compile(r"^(?:[^ \n]| (?:[^ ]|\Z))", re.MULTILINE)
_KEPT = 20_000  # texts

_T = TypeVar("_T")


class Reader:
    """Reads as `parse_pipeline`, `parse_lock` and `parse_dvc` do. Equal texts give the very same objects."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, bytes | str], Any] = {}

    def pipeline(self, data: bytes, path: str) -> dict[str, Any]:
        return self._once("pipeline", path, data, lambda: parse_pipeline(data, path))

    def dvc(self, data: bytes, path: str) -> dict[str, Any]:
        return self._once("dvc", path, data, lambda: parse_dvc(data, path))

    def lock(self, data: bytes, path: str) -> dict[str, Any]:
        return self._once("lock", path, data, lambda: self._by_entry(data, path) or parse_lock(data, path))

    def _once(self, kind: str, path: str, text: bytes | str, parse: Callable[[], _T]) -> _T:
        key = (kind, path, text)
        found: _T | None = self._known.get(key)
        if found is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            found = self._known[key] = parse()
        return found

    def _by_entry(self, data: bytes, path: str) -> dict[str, Any] | None:
        """The lock, put together from its entries; None if that might not be what the whole text means.

        A text that was cut in the wrong place (inside a quoted value, say) is not YAML by itself, and an alias finds
        nothing there: then the whole is parsed, which also tells the right line of an error.
        """
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return None
        rest = text[len(_HEAD) :]
        if not text.startswith(_HEAD) or "\r" in rest or _NOT_AN_ENTRY.search(rest):
            return None
        starts = [match.start() for match in _ENTRY.finditer(rest)]
        if not starts or starts[0] != 0:
            return None
        stages: dict[str, Any] = {}
        for start, end in zip(starts, [*starts[1:], len(rest)], strict=True):
            entry = rest[start:end]
            try:
                found = self._once("entry", path, entry, lambda entry=entry: parse_lock((_HEAD + entry).encode(), path))  # type: ignore[misc]
            except FormatError:
                return None
            if found.keys() != {"schema", "stages"} or stages.keys() & found["stages"].keys():
                return None
            stages.update(found["stages"])
        return {"schema": "2.0", "stages": stages}

"""Results of earlier runs, found by what went in: `runs/` in the cache, in DVC's format.

A result is a stage's lock entry, filed under the SHA-256 of its inputs and named by the SHA-256 of the whole.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping

from gitstage import formats, params
from gitstage.errors import FormatError
from gitstage.fs import FILE_MODE, atomic_write
from gitstage.static import Any


def _hash(entry: Mapping[str, Any]) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(_without_sizes(entry), sort_keys=True).encode()).hexdigest()


def value_of(entry: Mapping[str, Any]) -> str:
    """What names a lock entry as a result: 64 hex digits over all of it but sizes."""
    return _hash(entry)


def _without_sizes(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_sizes(one) for key, one in value.items() if key not in ("size", "nfiles")}
    if isinstance(value, (list, tuple)):
        return [_without_sizes(one) for one in value]
    return value


def key_of(entry: Mapping[str, Any]) -> str:
    """The key of a lock entry: 64 hex digits over its command, inputs and output paths."""
    return _hash({**entry, "outs": [out["path"] for out in entry.get("outs", ())]})


class RunCache:
    """The results below `folder` (absolute); folders get `folder_mode`."""

    def __init__(self, folder: str, *, shared: bool = False) -> None:
        self.folder = folder
        self._shared = shared

    def save(self, entry: Mapping[str, Any]) -> None:
        """File a result; one that is there already is kept as it is, its time too."""
        key, value = key_of(entry), value_of(entry)
        self._write(f"{key[:2]}/{key}/{value}", formats.dump(dict(entry)).encode())

    def take(self, source: str, name: str) -> bool:
        """File the result in file `source` that somebody else made; `name` is its place below the folder.

        False if it is no result, or not the one that its name says.
        """
        try:
            with open(source, "rb") as stream:
                data = stream.read()
            found = formats.load(data, name)
        except FormatError:
            return False
        if not _is_named(found, name):
            return False
        self._write(name, data)
        return True

    def is_right(self, name: str) -> bool:
        """Is the file `name`, relative to the folder, the result that its name says?"""
        try:
            with open(f"{self.folder}/{name}", "rb") as stream:
                return _is_named(formats.load(stream.read(), name), name)
        except (FormatError, OSError):
            return False

    def _write(self, name: str, data: bytes) -> None:
        path = f"{self.folder}/{name}"
        folder = os.path.dirname(path)
        if os.path.exists(path):
            return
        os.makedirs(os.path.dirname(self.folder), exist_ok=True)
        for made in (self.folder, os.path.dirname(folder), folder):
            if os.path.islink(made) and made != self.folder:
                return  # it leads to where a repository wants it
            with contextlib.suppress(FileExistsError):
                os.mkdir(made)
                if self._shared:
                    os.chmod(made, 0o2775)  # noqa: S103  cache.shared = group asks for it
        atomic_write(path, data, 0o664 if self._shared else FILE_MODE)

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """Is this very result filed?"""
        key = key_of(entry)
        return os.path.isfile(f"{self.folder}/{key[:2]}/{key}/{value_of(entry)}")

    def find(self, entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Results whose inputs are those of `entry` (its outs need a path only), newest first.

        A result whose recorded parameters differ is passed over: DVC's key leaves out any named `size` or `nfiles`.
        Files that cannot be read as a result are passed over too.
        """
        key = key_of(entry)
        folder = f"{self.folder}/{key[:2]}/{key}"
        try:
            names = sorted(os.listdir(folder), key=lambda n: os.stat(f"{folder}/{n}").st_mtime_ns, reverse=True)
        except (FileNotFoundError, NotADirectoryError):
            return
        for found in _results(folder, names):
            if _same_params(found.get("params"), entry.get("params")):
                yield found

    def all(self) -> Iterator[dict[str, Any]]:
        """Every result. Files that cannot be read as one are passed over."""
        for folder, _, names in os.walk(self.folder):
            yield from _results(folder, names)


def _results(folder: str, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    for name in names:
        with contextlib.suppress(FormatError, OSError):
            with open(f"{folder}/{name}", "rb") as stream:
                found = formats.load(stream.read(), name)
            if _is_result(found):
                yield found


def _is_named(found: Any, name: str) -> bool:
    return _is_result(found) and name == f"{key_of(found)[:2]}/{key_of(found)}/{value_of(found)}"


def _is_result(found: Any) -> bool:
    outs = found.get("outs") if isinstance(found, dict) else None
    return isinstance(outs, list) and all(isinstance(o, dict) and "path" in o and "md5" in o for o in outs)


def _same_params(recorded: Any, now: Any) -> bool:
    if not recorded and not now:
        return True
    if not (isinstance(recorded, dict) and isinstance(now, dict)) or recorded.keys() != now.keys():
        return False
    return all(params.same(recorded[file], now[file]) for file in now)

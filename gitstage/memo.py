"""Digests that were computed before: of files by their stat, of Git blobs by their id.

A hint, never a source: deleting the database costs time only. A file's entry is used only if size, mtime, inode and
ctime all agree, and is stored only if the file was not modified within the clock's granularity of being read: a later
write in the same tick would leave the same mtime ("racily clean", Git's Documentation/technical/racy-git.txt).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Collection, Iterable

_TICK = 20_000_000  # ns; kernel clocks that stamp files tick every 1 to 10 ms
_COARSE_TICK = 2_000_000_000  # file systems that store whole seconds (FAT: two)

_SCHEMA = """
DROP TABLE IF EXISTS file;
DROP TABLE IF EXISTS blob;
PRAGMA user_version = 1;
CREATE TABLE IF NOT EXISTS file (
    path BLOB NOT NULL, legacy INTEGER NOT NULL, size INTEGER, mtime INTEGER, ino INTEGER, ctime INTEGER, md5 TEXT,
    PRIMARY KEY (path, legacy)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blob (
    id TEXT NOT NULL, legacy INTEGER NOT NULL, md5 TEXT, PRIMARY KEY (id, legacy)) WITHOUT ROWID;
"""

Stamp = tuple[int, int, int, int]  # size, mtime ns, inode, ctime ns


def stamp(stat: os.stat_result) -> Stamp:
    """What must be unchanged for a file's digest to be reused."""
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns


def is_racy(stat: os.stat_result, read_at: int) -> bool:
    """Could the file be written after `read_at` (ns since the epoch) and still show the same mtime?"""
    tick = _COARSE_TICK if stat.st_mtime_ns % 1_000_000_000 == 0 else _TICK
    return stat.st_mtime_ns > read_at - tick


class Memo:
    """One SQLite database (`path`), opened when first asked; without a path, or if it cannot be used, memory only."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._opened = False
        self._files: dict[tuple[str, bool], tuple[Stamp, str]] = {}
        self._loaded: set[tuple[str, bool]] = set()
        self._new_files: dict[tuple[str, bool], tuple[Stamp, str]] = {}
        self._new_blobs: dict[tuple[str, bool], str] = {}

    def file(self, path: str, stat: os.stat_result, *, legacy: bool = False) -> str | None:
        """The MD5 of the file at absolute `path`, if it is known and the file was not touched since."""
        key = (path, legacy)
        known = self._files.get(key)
        if known is None and not self._is_loaded(path, legacy):
            self._load("path = ?", (os.fsencode(path), legacy), legacy)
            known = self._files.get(key)
        return known[1] if known is not None and known[0] == stamp(stat) else None

    def load_below(self, folder: str, *, legacy: bool = False) -> None:
        """Read all that is known of files below absolute `folder` in one query."""
        if self._is_loaded(folder + "/", legacy):
            return
        prefix = os.fsencode(folder) + b"/"
        self._load("path >= ? AND path < ?", (prefix, prefix[:-1] + b"0", legacy), legacy)
        self._loaded.add((folder + "/", legacy))

    def remember_file(
        self, path: str, stat: os.stat_result, md5: str, read_at: int | None = None, *, legacy: bool = False
    ) -> None:
        """Keep the MD5 of a file whose `stat` was taken before and after it was read at `read_at` (ns).

        Without `read_at`: whoever wrote the file set its mtime into the past, so a later write must show.
        """
        if read_at is None or not is_racy(stat, read_at):
            self._files[path, legacy] = self._new_files[path, legacy] = (stamp(stat), md5)

    def blobs(self, ids: Collection[str], *, legacy: bool = False) -> dict[str, str]:
        """Blob id -> MD5 of the blob's content as it lies in the work tree, for those known.

        The id may carry a suffix that names the conversion, if any is made between the two.
        """
        found = {id_: md5 for id_ in ids if (md5 := self._new_blobs.get((id_, legacy)))}
        missing = [id_ for id_ in ids if id_ not in found]
        with contextlib.suppress(sqlite3.Error):
            if missing and (db := self._open()):
                for start in range(0, len(missing), 500):
                    part = missing[start : start + 500]
                    marks = ",".join("?" * len(part))
                    query = f"SELECT id, md5 FROM blob WHERE legacy = ? AND id IN ({marks})"  # noqa: S608
                    found.update(db.execute(query, (legacy, *part)))
        return found

    def remember_blobs(self, digests: Iterable[tuple[str, str]], *, legacy: bool = False) -> None:
        """Keep pairs (blob id, MD5)."""
        self._new_blobs.update({(id_, legacy): md5 for id_, md5 in digests})

    def flush(self) -> None:
        """Write what was learnt, in one transaction; losing it is no error."""
        if not (self._new_files or self._new_blobs):
            return
        with contextlib.suppress(sqlite3.Error, OSError):
            if db := self._open():
                with db:
                    db.executemany(
                        "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?)",
                        ((os.fsencode(p), legacy, *s, md5) for (p, legacy), (s, md5) in self._new_files.items()),
                    )
                    db.executemany(
                        "INSERT OR REPLACE INTO blob VALUES (?, ?, ?)",
                        ((id_, legacy, md5) for (id_, legacy), md5 in self._new_blobs.items()),
                    )
        self._new_files.clear()
        self._new_blobs.clear()

    def close(self) -> None:
        self.flush()
        if self._db is not None:
            self._db.close()
            self._db = None
        self._opened = True

    def _is_loaded(self, path: str, legacy: bool) -> bool:
        if not self._loaded:
            return False
        end = path.rfind("/")
        while end > 0:
            if (path[: end + 1], legacy) in self._loaded:
                return True
            end = path.rfind("/", 0, end)
        return False

    def _load(self, where: str, values: tuple[object, ...], legacy: bool) -> None:
        with contextlib.suppress(sqlite3.Error):
            if db := self._open():
                query = f"SELECT path, size, mtime, ino, ctime, md5 FROM file WHERE {where} AND legacy = ?"  # noqa: S608
                for path, *known, md5 in db.execute(query, values):
                    self._files.setdefault((os.fsdecode(path), legacy), ((*known,), md5))

    def _open(self) -> sqlite3.Connection | None:
        if not self._opened:
            self._opened = True
            if self._path is not None:
                self._db = open_database(self._path, _SCHEMA)
        return self._db


def open_database(path: str, schema: str) -> sqlite3.Connection | None:
    """The database at `path`, made with `schema` if it is missing, damaged or another version's; None if that cannot be.

    `schema` drops the tables that it makes, and sets user_version to 1.
    """
    for attempt in ("open", "make anew"):
        try:
            return _connect(path, schema)
        except sqlite3.OperationalError:
            break  # busy, read-only or no space: work without
        except (sqlite3.DatabaseError, OSError):
            if attempt == "open":
                with contextlib.suppress(OSError):
                    os.unlink(path)
    return None


def _connect(path: str, schema: str) -> sqlite3.Connection:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    db = sqlite3.connect(path, timeout=2)
    try:
        if db.execute("PRAGMA user_version").fetchone() != (1,):
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(schema)
        db.execute("PRAGMA synchronous = OFF")
    except BaseException:
        db.close()
        raise
    return db


def now() -> int:
    """The clock that `read_at` is measured with, in ns since the epoch."""
    return time.time_ns()

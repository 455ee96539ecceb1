"""Digests that were computed before: of files by their stat, of whole folders, of Git blobs by their id.

A hint, never a source: deleting the database costs time only. A file's entry is used only if size, mtime, inode and
ctime all agree, and is stored only if the file was not modified within the clock's granularity of being read: a later
write in the same tick would leave the same mtime ("racily clean", Git's Documentation/technical/racy-git.txt).
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sqlite3
import struct
import time
from collections.abc import Collection, Iterable, Iterator, Mapping

from gitstage.digest import Content, Digest, summary

_TICK = 20_000_000  # ns; kernel clocks that stamp files tick every 1 to 10 ms
_COARSE_TICK = 2_000_000_000  # file systems that store whole seconds (FAT: two)

_VERSION = 3
_TABLES = ("file", "folder", "whole", "complete", "parsed", "blob")  # also those of earlier versions
_SCHEMA = f"""
{"".join(f"DROP TABLE IF EXISTS {name};" for name in _TABLES)}
PRAGMA user_version = {_VERSION};
CREATE TABLE IF NOT EXISTS folder (
    path BLOB NOT NULL, legacy INTEGER NOT NULL, names BLOB, entries BLOB, PRIMARY KEY (path, legacy)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS whole (
    path BLOB NOT NULL, legacy INTEGER NOT NULL, seen BLOB, md5 TEXT, size INTEGER, nfiles INTEGER,
    PRIMARY KEY (path, legacy)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS complete (manifest TEXT NOT NULL PRIMARY KEY, seen BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parsed (name TEXT NOT NULL PRIMARY KEY, seen BLOB, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blob (
    id TEXT NOT NULL, legacy INTEGER NOT NULL, md5 TEXT, PRIMARY KEY (id, legacy)) WITHOUT ROWID;
"""
_ENTRY = struct.Struct("<QqQq16s")  # size, mtime ns, inode, ctime ns, MD5

Stamp = tuple[int, int, int, int]  # size, mtime ns, inode, ctime ns
Known = dict[str, tuple[Stamp, str]]  # file name in a folder -> when it was like this, its MD5 was that


def stamp(stat: os.stat_result) -> Stamp:
    """What must be unchanged for a file's digest to be reused."""
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns


def is_racy(mtime: int, read_at: int) -> bool:
    """Could a file of that `mtime` be written after `read_at` (both ns since the epoch) and still show the same one?"""
    return mtime > read_at - (_COARSE_TICK if mtime % 1_000_000_000 == 0 else _TICK)


class Summary:
    """Sums up the names and stamps of a folder's files, all the way down, in the order in which they are added.

    `is_settled`: no file could be written now and still show the same stamp.
    """

    def __init__(self) -> None:
        self._hash = summary()
        self._started = time.time_ns()
        self._recent = self._started - _COARSE_TICK
        self.is_settled = True

    def add(self, prefix: str, files: list[tuple[str, Stamp]]) -> None:
        """Add the files of one folder: name and stamp of each."""
        # version 2 of marshal writes equal values as equal bytes, and fast; nothing reads them
        self._hash.update(marshal.dumps([prefix, *files], 2))
        if self.is_settled and any(one[1] > self._recent and is_racy(one[1], self._started) for _, one in files):
            self.is_settled = False

    @property
    def digest(self) -> bytes:
        return self._hash.digest()


class Memo:
    """One SQLite database (`path`), opened when first asked; without a path, or if it cannot be used, memory only.

    What is known of a folder's files is one row, so that a folder of many files is read and written at once.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._opened = False
        self._folders: dict[tuple[str, bool], Known] = {}
        self._below: set[tuple[str, bool]] = set()
        self._changed: set[tuple[str, bool]] = set()
        self._new_wholes: dict[tuple[str, bool], tuple[bytes, Content]] = {}
        self._new_complete: dict[str, bytes] = {}
        self._new_parsed: dict[str, tuple[bytes, str]] = {}
        self._new_blobs: dict[tuple[str, bool], str] = {}

    # -- files ---------------------------------------------------------------------------------------------

    def file(self, path: str, stat: os.stat_result, *, legacy: bool = False) -> str | None:
        """The MD5 of the file at absolute `path`, if it is known and the file was not touched since."""
        folder, _, name = path.rpartition("/")
        known = self.files_in(folder, legacy=legacy).get(name)
        return known[1] if known is not None and known[0] == stamp(stat) else None

    def files_in(self, folder: str, *, legacy: bool = False) -> Mapping[str, tuple[Stamp, str]]:
        """What is known of the files directly in absolute `folder`: name -> (stamp, MD5). To be compared, not changed."""
        found = self._folders.get((folder, legacy))
        return self._load_one(folder, legacy) if found is None else found

    def load_below(self, folder: str, *, legacy: bool = False) -> None:
        """Read all that is known of files below absolute `folder` in one query."""
        if (folder, legacy) in self._below:
            return
        prefix = os.fsencode(folder)
        self._load("(path = ? OR (path >= ? AND path < ?))", (prefix, prefix + b"/", prefix + b"0", legacy), legacy)
        self._below.add((folder, legacy))

    def remember_file(
        self, path: str, stat: os.stat_result, md5: str, read_at: int | None = None, *, legacy: bool = False
    ) -> None:
        """Keep the MD5 of a file whose `stat` was taken before and after it was read at `read_at` (ns).

        Without `read_at`: whoever wrote the file set its mtime into the past, so a later write must show.
        """
        if read_at is None or not is_racy(stat.st_mtime_ns, read_at):
            folder, _, name = path.rpartition("/")
            key = folder, legacy
            known = self._folders.get(key)
            if known is None:
                known = self._load_one(folder, legacy)
            known[name] = stamp(stat), md5
            self._changed.add(key)

    @property
    def learnt(self) -> Mapping[tuple[str, bool], Known]:
        """Of a memo without a database: the files of all folders (with: by the legacy hash) that it was told of."""
        return self._folders

    def learn(self, learnt: Mapping[tuple[str, bool], Known]) -> None:
        """Take over what another memo has `learnt`."""
        for (folder, legacy), known in learnt.items():
            key = folder, legacy
            (self._folders[key] if key in self._folders else self._load_one(folder, legacy)).update(known)
            self._changed.add(key)

    def forget_others(self, folder: str, names: Collection[str], *, legacy: bool = False) -> None:
        """Of the files directly in absolute `folder`, only `names` are there any more."""
        known = self._folders.get((folder, legacy))
        if known is not None and len(known) > len(names):
            self._folders[folder, legacy] = {name: known[name] for name in names if name in known}
            self._changed.add((folder, legacy))

    # -- folders -------------------------------------------------------------------------------------------

    def whole(self, folder: str, seen: bytes, *, legacy: bool = False) -> Content | None:
        """The content of absolute `folder`, if it is known and its files' names and stamps, summed up in `seen`, are
        those of then."""
        key = folder, legacy
        known = self._new_wholes.get(key)
        if known is not None:
            return known[1] if known[0] == seen else None
        with contextlib.suppress(sqlite3.Error):
            if db := self._open():
                query = "SELECT seen, md5, size, nfiles FROM whole WHERE path = ? AND legacy = ?"
                row = db.execute(query, (os.fsencode(folder), legacy)).fetchone()
                if row is not None and row[0] == seen:
                    return Content(Digest(row[1], True, legacy), row[2], row[3])
        return None

    def remember_whole(self, folder: str, seen: bytes, content: Content, *, legacy: bool = False) -> None:
        """Keep the content of a folder; none of its files may be racy (see is_racy)."""
        self._new_wholes[folder, legacy] = seen, content

    # -- manifests -----------------------------------------------------------------------------------------

    def forget_wholes(self) -> None:
        """Forget what is known of whole folders: something that it was made of turned out to be wrong."""
        self._new_wholes.clear()
        with contextlib.suppress(sqlite3.Error, OSError):
            if db := self._open():
                with db:
                    db.execute("DELETE FROM whole")

    def complete(self, manifest: str) -> bytes | None:
        """How the cache's folders were when all objects of a manifest (named with its cache) were there; None: not known."""
        known = self._new_complete.get(manifest)
        if known is None:
            with contextlib.suppress(sqlite3.Error):
                if db := self._open():
                    row = db.execute("SELECT seen FROM complete WHERE manifest = ?", (manifest,)).fetchone()
                    known = row[0] if row else None
        return known

    def remember_complete(self, manifest: str, seen: bytes) -> None:
        """Keep that all objects of a manifest are there as long as the cache's folders are as `seen` says."""
        self._new_complete[manifest] = seen

    # -- pipeline files ------------------------------------------------------------------------------------

    def parsed(self, name: str, seen: bytes) -> str | None:
        """The text that was kept for `name`, if what it stands for is still what `seen` sums up."""
        with contextlib.suppress(sqlite3.Error):
            if db := self._open():
                row = db.execute("SELECT value FROM parsed WHERE name = ? AND seen = ?", (name, seen)).fetchone()
                if row is not None:
                    return str(row[0])
        return None

    def remember_parsed(self, name: str, seen: bytes, value: str) -> None:
        """Keep a text for `name`, in place of an earlier one."""
        self._new_parsed[name] = seen, value

    # -- blobs ---------------------------------------------------------------------------------------------

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
                    query = f"SELECT id, md5 FROM blob WHERE legacy = ? AND id IN ({marks})"  # noqa: S608 - only question marks
                    found.update(db.execute(query, (legacy, *part)))
        return found

    def remember_blobs(self, digests: Iterable[tuple[str, str]], *, legacy: bool = False) -> None:
        """Keep pairs (blob id, MD5)."""
        self._new_blobs.update({(id_, legacy): md5 for id_, md5 in digests})

    # -- the database --------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what was learnt, in one transaction; losing it is no error."""
        if not (self._changed or self._new_wholes or self._new_complete or self._new_parsed or self._new_blobs):
            return
        with contextlib.suppress(sqlite3.Error, OSError, struct.error):
            if db := self._open():
                with db:
                    db.executemany(
                        "INSERT OR REPLACE INTO folder VALUES (?, ?, ?, ?)",
                        (
                            (os.fsencode(path), legacy, *_packed(self._folders[path, legacy]))
                            for path, legacy in self._changed
                        ),
                    )
                    db.executemany(
                        "INSERT OR REPLACE INTO whole VALUES (?, ?, ?, ?, ?, ?)",
                        (
                            (os.fsencode(path), legacy, one[0], one[1].digest.hex, one[1].size, one[1].nfiles)
                            for (path, legacy), one in self._new_wholes.items()
                        ),
                    )
                    db.executemany("INSERT OR REPLACE INTO complete VALUES (?, ?)", self._new_complete.items())
                    db.executemany(
                        "INSERT OR REPLACE INTO parsed VALUES (?, ?, ?)",
                        ((name, seen, value) for name, (seen, value) in self._new_parsed.items()),
                    )
                    db.executemany(
                        "INSERT OR REPLACE INTO blob VALUES (?, ?, ?)",
                        ((id_, legacy, md5) for (id_, legacy), md5 in self._new_blobs.items()),
                    )
        self._changed.clear()
        self._new_wholes.clear()
        self._new_complete.clear()
        self._new_parsed.clear()
        self._new_blobs.clear()

    def close(self) -> None:
        self.flush()
        if self._db is not None:
            self._db.close()
            self._db = None
        self._opened = True

    def _load_one(self, folder: str, legacy: bool) -> Known:
        """One folder, now; what lies below one that was loaded whole has no row."""
        if not self._below or not self._is_below(folder, legacy):
            self._load("path = ?", (os.fsencode(folder), legacy), legacy)
        return self._folders.setdefault((folder, legacy), {})

    def _is_below(self, folder: str, legacy: bool) -> bool:
        while folder:
            if (folder, legacy) in self._below:
                return True
            folder = folder.rpartition("/")[0]
        return False

    def _load(self, where: str, values: tuple[object, ...], legacy: bool) -> None:
        with contextlib.suppress(sqlite3.Error, struct.error, ValueError):
            if db := self._open():
                query = f"SELECT path, names, entries FROM folder WHERE {where} AND legacy = ?"  # noqa: S608 - `where` is one of ours
                for path, names, entries in db.execute(query, values):
                    self._folders.setdefault((os.fsdecode(path), legacy), dict(_unpacked(names, entries)))

    def _open(self) -> sqlite3.Connection | None:
        if not self._opened:
            self._opened = True
            if self._path is not None:
                self._db = open_database(self._path, _SCHEMA, _VERSION)
        return self._db


def open_database(path: str, schema: str, version: int = 1) -> sqlite3.Connection | None:
    """The database at `path`, made with `schema` if it is missing, damaged or another version's; None if that cannot be.

    `schema` drops the tables that it makes, and sets user_version to `version`.
    """
    for attempt in ("open", "make anew"):
        try:
            return _connect(path, schema, version)
        except sqlite3.OperationalError:
            break  # busy, read-only or no space: work without
        except (sqlite3.DatabaseError, OSError):
            if attempt == "open":
                with contextlib.suppress(OSError):
                    os.unlink(path)
    return None


def _connect(path: str, schema: str, version: int) -> sqlite3.Connection:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    db = sqlite3.connect(path, timeout=2, check_same_thread=False)  # callers take turns
    try:
        if db.execute("PRAGMA user_version").fetchone() != (version,):
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(schema)
        db.execute("PRAGMA synchronous = OFF")
    except BaseException:
        db.close()
        raise
    return db


def _packed(known: Known) -> tuple[bytes, bytes]:
    names = "\0".join(known).encode("utf-8", "surrogateescape")
    pack, digits = _ENTRY.pack, bytes.fromhex
    return names, b"".join([pack(*when, digits(md5)) for when, md5 in known.values()])


def _unpacked(names: bytes, entries: bytes) -> Iterator[tuple[str, tuple[Stamp, str]]]:
    listed = names.decode("utf-8", "surrogateescape").split("\0")
    for name, (size, mtime, inode, ctime, md5) in zip(listed, _ENTRY.iter_unpack(entries), strict=False):
        yield name, ((size, mtime, inode, ctime), md5.hex())


def now() -> int:
    """The clock that `read_at` is measured with, in ns since the epoch."""
    return time.time_ns()

"""What is known to be on the remotes: objects that this clone pushed, fetched or saw there.

A hint, never a source: deleting the database costs requests only. An entry counts only while the remote was not
collected since (`generation`), and is asked about again after a day.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable

from gitstage.digest import Digest
from gitstage.memo import open_database
from gitstage.static import Any

DAY = 24 * 3600.0
_SCHEMA = """
DROP TABLE IF EXISTS remote;
DROP TABLE IF EXISTS present;
PRAGMA user_version = 1;
CREATE TABLE remote (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, generation TEXT NOT NULL);
CREATE TABLE present (
    remote INTEGER NOT NULL, digest BLOB NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (remote, digest)) WITHOUT ROWID;
"""


class PushRecord:
    """Objects present on the remote `name`, in the database at `path`. Where that cannot be used, nothing is known."""

    def __init__(self, path: str, name: str) -> None:
        self._path, self._name = path, name
        self._db: sqlite3.Connection | None = None
        self._opened = False

    def generation(self) -> str | None:
        """The remote's generation that the entries belong to; None if there are none."""
        for (found,) in self._query("SELECT generation FROM remote WHERE name = ?", (self._name,)):
            return str(found)
        return None

    def known(self, digests: Collection[Digest]) -> dict[Digest, float]:
        """Those of `digests` that are recorded -> when they were last seen there (seconds since the epoch)."""
        by_key = {_key(digest): digest for digest in digests}
        keys = list(by_key)
        found = {}
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            query = (
                "SELECT digest, seen FROM present WHERE remote = (SELECT id FROM remote WHERE name = ?)"  # noqa: S608 - only marks
                f" AND digest IN ({','.join('?' * len(part))})"
            )
            found.update({by_key[key]: float(seen) for key, seen in self._query(query, (self._name, *part))})
        return found

    def add(self, digests: Iterable[Digest], generation: str) -> None:
        """Note that objects were seen on the remote just now. Another generation than before voids what was known."""
        now = int(time.time())
        keys = [_key(digest) for digest in digests]

        def change(db: sqlite3.Connection) -> None:
            if self.generation() != generation:
                self._forget(db)
                db.execute("INSERT INTO remote (name, generation) VALUES (?, ?)", (self._name, generation))
            db.executemany(
                "INSERT OR REPLACE INTO present SELECT id, ?, ? FROM remote WHERE name = ?",
                ((key, now, self._name) for key in keys),
            )

        if keys:
            self._write(change)

    def drop(self, digests: Collection[Digest]) -> None:
        """Forget objects that turned out not to be there."""
        query = "DELETE FROM present WHERE remote = (SELECT id FROM remote WHERE name = ?) AND digest = ?"
        rows = [(self._name, _key(digest)) for digest in digests]
        if rows:
            self._write(lambda db: db.executemany(query, rows))

    def void(self) -> None:
        """Forget all that is known of this remote."""
        self._write(self._forget)

    def _forget(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM present WHERE remote = (SELECT id FROM remote WHERE name = ?)", (self._name,))
        db.execute("DELETE FROM remote WHERE name = ?", (self._name,))

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db, self._opened = None, True

    def _write(self, change: Callable[[sqlite3.Connection], object]) -> None:
        with contextlib.suppress(sqlite3.Error, OSError):
            db = self._open()
            if db is not None:
                with db:
                    change(db)

    def _query(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with contextlib.suppress(sqlite3.Error, OSError):
            db = self._open()
            if db is not None:
                return db.execute(query, values).fetchall()
        return []

    def _open(self) -> sqlite3.Connection | None:
        if not self._opened:
            self._opened = True
            self._db = open_database(self._path, _SCHEMA)
        return self._db


def _key(digest: Digest) -> bytes:
    """16 bytes of MD5, then one that tells the kinds of digests apart."""
    return bytes.fromhex(digest.hex) + bytes([digest.is_dir + 2 * digest.legacy])

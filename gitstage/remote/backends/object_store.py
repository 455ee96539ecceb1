"""S3, Google Cloud Storage, Azure, HTTP and WebDAV, through obstore.

obstore moves bytes without holding Python's global lock, so plain threads are enough; each object is moved whole, many
at once. Its own retries are short ones of single requests; what fails in spite of them is tried again here.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from gitstage.remote.backend import Done, Hashed, Listed, Moved, RemoteError
from gitstage.remote.backends.parallel import Patience, Target, beside
from gitstage.static import IO, TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from gitstage.remote.backends.webdav import Stream

T = TypeVar("T")

JOBS = 16
BIG = 4 << 20
"""Bytes above which an object is sent in parts, and not held in memory."""
_BIG_AT_ONCE = 4
_PART = 8 << 20
_MOST_PARTS = 9_000  # S3 takes 10,000
_CHUNK = 1 << 20
_PAGE = 1000

_FINAL = ("InvalidPathError", "NotSupportedError", "PreconditionError", "UnknownConfigurationKeyError")
_REFUSED = ("PermissionDeniedError", "UnauthenticatedError")


class Interrupted(Exception):
    """Nobody waits for this transfer any more."""


class ObjectStoreBackend:
    """Objects in `store`. `credentials`: what to look at when the server refuses.

    `stream`: sends a big object (`only_stream`: any) where the store itself would hold it in memory. `base`: the server
    tells names that start with this, folder by folder. `md5`: an object's ETag is its MD5. `bulk`: many objects are
    deleted by one request.
    """

    def __init__(
        self,
        store: ObjectStore,
        label: str,
        *,
        jobs: int = JOBS,
        can_list: bool = True,
        can_write: bool = True,
        read_only: str = "",
        credentials: str = "",
        stream: Stream | None = None,
        only_stream: bool = False,
        base: str | None = None,
        md5: bool = False,
        bulk: bool = False,
    ) -> None:
        self.label, self.jobs, self.can_list, self.can_write = label, jobs, can_list, can_write
        self._store, self._read_only, self._credentials = store, read_only, credentials
        self._stream, self._only_stream, self._base = stream, only_stream, base
        self._md5, self._bulk = md5, bulk
        self._has_root = False
        self._patience = Patience()
        self._big = threading.Semaphore(_BIG_AT_ONCE)

    # -- what is there -------------------------------------------------------------------------------------

    def list(self, prefix: str) -> Iterator[Listed]:
        if not self.can_list:
            raise RemoteError(f"{self.label}: a plain web server does not tell what it has")
        folder = prefix.rstrip("/")
        if self._base is not None:
            yield from self._walk(folder, self._base)
            return
        never = threading.Event()
        last: str | None = None
        while True:

            def page(after: str | None = last) -> Any:
                found = self._store.list(folder or None, offset=after, chunk_size=_PAGE)
                return next(iter(found), [])

            found = self._persist(page, prefix, never)
            yield from map(self._listed, found)
            if len(found) < _PAGE:
                return
            last = found[-1]["path"]

    def _walk(self, folder: str, base: str) -> Iterator[Listed]:
        """Folder by folder: few WebDAV servers tell all at once."""
        level = [folder]
        while level:
            below: list[str] = []

            def look(each: str, stop: threading.Event) -> tuple[str, Any]:
                return each, self._persist(
                    lambda: self._store.list_with_delimiter(each or None), each, stop, absent=None
                )

            for each, found in beside(self.jobs, look, level):
                names = [_below(name, base) for name in found["common_prefixes"]] if found else []
                below += [name for name in names if name not in (each, "") and name.startswith(folder)]
                for meta in found["objects"] if found else ():
                    yield self._listed(meta, base)
            level = below

    def _listed(self, meta: Any, base: str = "") -> Listed:
        md5 = (meta["e_tag"] or "").strip('"') if self._md5 else ""
        is_md5 = len(md5) == 32 and not set(md5) - set("0123456789abcdef")
        path = _below(meta["path"], base)
        modified = meta["last_modified"].timestamp()
        return Listed(path, meta["size"], md5 if is_md5 else None, modified, meta["e_tag"])

    def head(self, keys: Collection[str]) -> dict[str, int]:
        return {key: found.size for key, found in self.about(keys).items()}

    def about(self, keys: Collection[str]) -> dict[str, Listed]:
        def look(key: str, stop: threading.Event) -> tuple[str, Any]:
            return key, self._persist(lambda: self._store.head(key), key, stop, absent=None)

        found = beside(self.jobs, look, list(keys))
        return {key: replace(self._listed(meta), key=key) for key, meta in found if meta is not None}

    # -- moving --------------------------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, str]], moved: Moved) -> Iterator[Done]:
        if not self.can_write:
            raise RemoteError(f"{self.label}: can only be read", self._read_only or None)

        def send(item: tuple[str, str], stop: threading.Event) -> Done:
            path, key = item
            return key, self._outcome(lambda: self._send(path, key, moved, stop), key, stop)

        return beside(self.jobs, send, items)

    def _send(self, path: str, key: str, moved: Moved, stop: threading.Event) -> None:
        with open(path, "rb", buffering=0) as source:
            size = os.fstat(source.fileno()).st_size
            if size <= BIG and not self._only_stream:
                self._put_small(key, source.read())
                moved(key, size)
                return
            with self._big:
                watched = Watched(source, key, moved, stop)
                if self._stream is not None:
                    self._stream.put(key, watched, size)
                else:
                    part = max(_PART, -(-size // _MOST_PARTS))
                    self._store.put(key, watched, use_multipart=True, chunk_size=part, max_concurrency=2)  # type: ignore[arg-type]

    def _put_small(self, key: str, data: bytes) -> None:
        try:
            self._store.put(key, data, use_multipart=False)
        except Exception as error:
            # obstore makes the folders below the remote's own, not that one
            if self._stream is None or self._has_root or _status(error) not in (404, 409):
                raise
            self._stream.make_root()
            self._has_root = True
            self._store.put(key, data, use_multipart=False)

    def get(self, items: Sequence[tuple[str, str]], moved: Moved, hashed: Hashed | None = None) -> Iterator[Done]:
        def fetch(item: tuple[str, str], stop: threading.Event) -> Done:
            key, path = item
            return key, self._outcome(lambda: self._fetch(key, path, moved, hashed, stop), key, stop)

        return beside(self.jobs, fetch, items)

    def _fetch(self, key: str, path: str, moved: Moved, hashed: Hashed | None, stop: threading.Event) -> None:
        found = self._store.get(key)
        size = found.meta["size"]
        with Target(path) as target:
            if size <= BIG:
                target.write(found.bytes())
                moved(key, size)
            else:
                for chunk in found.stream(_CHUNK):
                    if stop.is_set():
                        raise Interrupted
                    target.write(chunk)
                    moved(key, len(chunk))
            if target.size != size:
                raise RemoteError(f"{self.label}: {key}: the transfer ended early", retry=True)
            if hashed is not None:
                hashed[key] = target.md5.hexdigest(), size

    def delete(self, keys: Collection[str]) -> Iterator[Done]:
        if not self.can_write:
            raise RemoteError(f"{self.label}: can only be read", self._read_only or None)
        names = list(keys)
        batches = [names[at : at + 500] for at in range(0, len(names), 500)] if self._bulk else []

        def remove(key: str, stop: threading.Event) -> Done:
            return key, self._outcome(lambda: self._store.delete(key), key, stop, absent=True)

        def remove_all(batch: list[str], stop: threading.Event) -> Sequence[Done]:
            if len(batch) > 1 and self._outcome(lambda: self._store.delete(batch), batch[0], stop) is None:
                return [(key, None) for key in batch]
            return [remove(key, stop) for key in batch]

        if self._bulk:
            for done in beside(4, remove_all, batches):
                yield from done
        else:
            yield from beside(self.jobs, remove, names)

    def close(self) -> None:
        pass

    # -- errors --------------------------------------------------------------------------------------------

    def _outcome(
        self, move: Callable[[], object], key: str, stop: threading.Event, *, absent: bool = False
    ) -> RemoteError | None:
        """What went wrong with one object; RemoteError is raised if that goes for all. `absent`: that is right, too."""
        try:
            self._persist(move, key, stop)
        except _Single as error:
            return None if absent and error.cause.absent else error.cause
        return None

    def _persist(self, action: Callable[[], T], key: str, stop: threading.Event, **default: T) -> T:
        """Do it, again if need be. `absent`: what to return if there is no such object.

        Raises RemoteError if the server is gone or refuses us, else _Single or, if `absent` is given, RemoteError.
        """
        from obstore.exceptions import BaseError  # what it raises may be a builtin exception, too

        since, tries = 0.0, 0
        while True:
            since = since or time.monotonic()
            try:
                result = action()
            except Interrupted:
                raise _Single(RemoteError(f"{self.label}: {key}: interrupted")) from None
            except (BaseError, OSError, RemoteError, ValueError) as error:
                if stop.is_set():
                    raise _Single(RemoteError(f"{self.label}: {key}: interrupted")) from None
                found = self._error(error, key)
                if found.absent and "absent" in default:
                    self._patience.answered()
                    return default["absent"]
                tries += 1
                if found.retry and self._patience.pause(since, tries, stop):
                    continue
                if found.retry and self._patience.is_gone(since) and not stop.is_set():
                    what = "cannot be reached" if _status(error) is None else "fails again and again"
                    raise RemoteError(f"{self.label}: {what}: {short(error)}", self._hint) from None
                if (_is_refused(error) and not self._patience.is_known) or default or _is_lost(error):
                    raise found from None
                raise _Single(found) from None
            else:
                self._patience.answered()
                return result

    _hint = "git stage remote list"

    def _error(self, error: Exception, key: str) -> RemoteError:
        if isinstance(error, RemoteError):
            return error
        kind, text, status = type(error).__name__, short(error), _status(error)
        if isinstance(error, OSError) and error.filename:
            return RemoteError(f"{error.filename}: {error.strerror or error}")
        if isinstance(error, FileNotFoundError) or status == 404:
            gone = "NoSuchUpload" in text  # the server forgot what was sent until now
            return RemoteError(
                f"{self.label}: {key}: {text}", absent=not gone and "NoSuchBucket" not in text, retry=gone
            )
        if kind in _REFUSED or status in (401, 403):
            return RemoteError(f"{self.label}: {key}: access is refused: {text}", self._credentials or None)
        retry = kind not in _FINAL and (status is None or status >= 500 or status in (408, 409, 423, 425, 429))
        return RemoteError(f"{self.label}: {key}: {text}", retry=retry)


class _Single(Exception):
    """A failure of one object."""

    def __init__(self, cause: RemoteError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Watched:
    """A local file being sent, in the form that obstore and http.client read; tells how far it is."""

    def __init__(self, source: IO[bytes], key: str, moved: Moved, stop: threading.Event) -> None:
        self._source, self._key, self._moved, self._stop = source, key, moved, stop

    def read(self, size: int = -1) -> bytes:
        if self._stop.is_set():
            raise Interrupted
        data = self._source.read(size)
        self._moved(self._key, len(data))
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()


def _is_refused(error: Exception) -> bool:
    return type(error).__name__ in _REFUSED or _status(error) in (401, 403)


def _is_lost(error: Exception) -> bool:
    """Is the whole place gone, not one object?"""
    return "<Code>NoSuchBucket<" in str(error)


def _below(path: str, base: str) -> str:
    return path[len(base) :].strip("/") if path.startswith(base) else path


def short(error: Exception) -> str:
    """The part of an error's text that says what happened, in one line, without addresses' user names."""
    import re

    text = str(error).partition("\n\nDebug source")[0].partition("\n\n\nDebug")[0]
    code = re.search(r"<Code>([^<]*)</Code>\s*(?:<Message>([^<]*)</Message>)?", text)
    if code:
        return ": ".join(part for part in code.groups() if part)
    where = re.search(r"(https?://(?:[^/@\s]*@)?[^/?\s]*)", text)
    text = text.rpartition(" - ")[2].partition(": <")[0]
    if where and "error sending request" in text:
        text += f" ({where[1]})"
    text = re.sub(r"://[^/@\s]*@", "://", text)
    return " ".join(text.split()).rstrip(": ")[:400]


def _status(error: Exception) -> int | None:
    """The HTTP status that an error's text tells."""
    import re

    found = re.search(r"status code: (\d{3})", str(error))
    return int(found[1]) if found else None

"""A folder as a remote: on this machine, or mounted from another."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from gitstage.digest import hash_bytes
from gitstage.fs import CREATE, FILE_MODE, READ, UMASK, Folders, clone, copy_in_kernel
from gitstage.remote.backend import Done, Hashed, Listed, Moved, OnlySizes, RemoteError

_BLOCK = 1 << 20
_SMALL = 1 << 16  # bytes up to which a file costs more to hand to a thread than to copy
_OBJECT_MODE = 0o444
_PORTION = 8 << 20  # bytes that are copied before the one who hashes them is told
_HASHED = 256 << 10  # bytes that are hashed at once: less than the processor's own memory holds


class LocalBackend(OnlySizes):
    """Objects below the folder `path`. A file appears under its name when it is complete, by renaming."""

    can_list = can_write = True

    def __init__(self, path: str, options: Mapping[str, str]) -> None:
        self.folder = self.label = os.path.abspath(os.path.expanduser(path))
        self.jobs = max(1, int(options.get("jobs") or 4))
        self._folders = Folders(shared=options.get("shared") == "group")
        self._clones = True
        self._has_spare_cores = False
        self._numbers = itertools.count()  # asked by several threads at once

    def list(self, prefix: str) -> Iterator[Listed]:
        stack = [prefix.rstrip("/")]
        while stack:
            folder = stack.pop()
            try:
                with os.scandir(self._at(folder)) as entries:
                    for entry in entries:
                        key = f"{folder}/{entry.name}" if folder else entry.name
                        if entry.is_dir(follow_symlinks=False):
                            stack.append(key)
                            continue
                        with contextlib.suppress(FileNotFoundError):  # renamed or removed meanwhile
                            found = entry.stat()
                            if stat.S_ISREG(found.st_mode):
                                yield Listed(key, found.st_size, None, found.st_mtime)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise self._error(folder, error) from None

    def head(self, keys: Collection[str]) -> dict[str, int]:
        found = {}
        for key in keys:
            try:
                status = os.stat(self._at(key))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise self._error(key, error) from None
            if stat.S_ISREG(status.st_mode):
                found[key] = status.st_size
        return found

    def put(self, items: Sequence[tuple[str, str]], moved: Moved) -> Iterator[Done]:
        def send(source: str, key: str, data: bytes | None) -> None:
            self._put(source, key, data, moved)

        return self._each([(source, key, key) for source, key in items], send)

    def get(self, items: Sequence[tuple[str, str]], moved: Moved, hashed: Hashed | None = None) -> Iterator[Done]:
        keys = {target: key for key, target in items}

        def fetch(source: str, target: str, data: bytes | None) -> None:
            self._copy(source, target, 0o666, data, keys[target], moved, hashed)

        return self._each([(self._at(key), target, key) for key, target in items], fetch)

    def delete(self, keys: Collection[str]) -> Iterator[Done]:
        for key in keys:
            try:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    os.unlink(self._at(key))
                yield key, None
            except OSError as error:
                yield key, self._error(key, error)

    def close(self) -> None:
        pass

    def _at(self, key: str) -> str:
        return f"{self.folder}/{key}" if key else self.folder

    def _each(
        self, items: Sequence[tuple[str, str, str]], move: Callable[[str, str, bytes | None], None]
    ) -> Iterator[Done]:
        """Small files one after the other, big ones beside each other; `items` are (source, target, key).

        `move` gets a small file's content.
        """
        big = []
        for source, target, key in items:
            try:
                data = _content(source)
            except OSError as error:
                error.filename = source
                yield key, self._error(key, error)
                continue
            if data is None:
                big.append((source, target, key))
            else:
                yield key, self._try(move, source, target, data, key)
        self._has_spare_cores = 2 * min(len(big), self.jobs) <= (os.cpu_count() or 1)
        if len(big) < 2:
            for source, target, key in big:
                yield key, self._try(move, source, target, None, key)
            return
        pool = ThreadPoolExecutor(self.jobs)
        try:
            waiting: dict[Future[RemoteError | None], str] = {
                pool.submit(self._try, move, source, target, None, key): key for source, target, key in big
            }
            while waiting:
                for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(done), done.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _try(
        self, move: Callable[[str, str, bytes | None], None], source: str, target: str, data: bytes | None, key: str
    ) -> RemoteError | None:
        try:
            move(source, target, data)
        except OSError as error:
            if error.filename is None:  # it failed while writing: here, or on the remote
                error.filename = os.path.dirname(target) if os.path.isabs(target) else self._at(key)
            return self._error(key, error)
        return None

    def _put(self, source: str, key: str, data: bytes | None, moved: Moved) -> None:
        path = self._at(key)
        folder = path.rpartition("/")[0]
        self._folders.make(folder)
        temporary = f"{folder}/.{os.urandom(8).hex()}{next(self._numbers):06x}.tmp"
        try:
            self._copy(source, temporary, FILE_MODE if key.startswith("runs/") else _OBJECT_MODE, data, key, moved)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def _copy(
        self, source: str, target: str, mode: int, data: bytes | None, key: str, moved: Moved,
        hashed: Hashed | None = None,
    ) -> None:  # fmt: skip
        """Make the file `target`, with permissions `mode`. `data`: what is in the source, unless it is big."""
        if data is None and self._clones:
            self._clones = clone(source, target)
            if self._clones:
                os.chmod(target, mode)
                moved(key, os.stat(target).st_size)
                return
        out = os.open(target, CREATE, mode)
        try:
            if data is None and hashed is not None and self._has_spare_cores:
                self._copy_and_hash_beside(source, out, target, key, moved, hashed)
            elif data is None:
                self._copy_big(source, out, key, moved, hashed)
            else:
                _write(out, data)
                moved(key, len(data))
                if hashed is not None:
                    hashed[key] = hash_bytes(data), len(data)
        finally:
            os.close(out)
        if mode & UMASK:
            os.chmod(target, mode)

    @staticmethod
    def _copy_big(source: str, out: int, key: str, moved: Moved, hashed: Hashed | None) -> None:
        md5, size, block = hashlib.md5(), 0, bytearray(_HASHED)
        with open(source, "rb", buffering=0) as stream:
            if hashed is None:
                copy_in_kernel(stream.fileno(), out, lambda count: moved(key, count))
            while count := stream.readinto(block):
                view = memoryview(block)[:count]
                if hashed is not None:
                    md5.update(view)
                _write(out, view)
                size += count
                moved(key, count)
        if hashed is not None:
            hashed[key] = md5.hexdigest(), size

    @staticmethod
    def _copy_and_hash_beside(source: str, out: int, target: str, key: str, moved: Moved, hashed: Hashed) -> None:
        """As `_copy_big`; what was written is read again, at once, by a thread that sums it up."""
        md5, sums = hashlib.md5(), []
        with open(source, "rb", buffering=0) as stream, open(target, "rb", buffering=0) as written:

            def sum_up(count: int) -> int:
                block = bytearray(min(count, _HASHED))
                done = 0
                while done < count and (got := written.readinto(memoryview(block)[: count - done])):
                    md5.update(memoryview(block)[:got])
                    done += got
                return done

            with ThreadPoolExecutor(1) as hasher:

                def copied(count: int) -> None:
                    sums.append(hasher.submit(sum_up, count))
                    moved(key, count)

                copy_in_kernel(stream.fileno(), out, copied, at_once=_PORTION)
                block = bytearray(_BLOCK)
                while count := stream.readinto(block):
                    _write(out, memoryview(block)[:count])
                    copied(count)
        hashed[key] = md5.hexdigest(), sum(each.result() for each in sums)

    def _error(self, key: str, error: OSError) -> RemoteError:
        where = error.filename if isinstance(error.filename, str) else self._at(key)
        is_source = error.errno == errno.ENOENT and where == self._at(key)
        return RemoteError(f"{where}: {error.strerror or error}", absent=is_source)


def _content(path: str) -> bytes | None:
    """All that is in a small file; None: it is big."""
    fd = os.open(path, READ)
    try:
        data = os.read(fd, _SMALL + 1)
        while len(data) <= _SMALL:
            more = os.read(fd, _SMALL + 1)
            if not more:
                return data
            data += more
        return None
    finally:
        os.close(fd)


def _write(fd: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]

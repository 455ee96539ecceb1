"""A folder as a remote: on this machine, or mounted from another."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from gitstage.fs import FILE_MODE, UMASK, clone
from gitstage.remote.backend import Done, Listed, Moved, RemoteError

_BLOCK = 4 << 20
_SMALL = 1 << 16  # bytes up to which a file costs more to hand to a thread than to copy
_OBJECT_MODE = 0o444


class LocalBackend:
    """Objects below the folder `path`. A file appears under its name when it is complete, by renaming."""

    can_list = can_write = True

    def __init__(self, path: str, options: Mapping[str, str]) -> None:
        self.folder = self.label = os.path.abspath(os.path.expanduser(path))
        self.jobs = max(1, int(options.get("jobs") or 4))
        self._folder_mode = 0o2775 if options.get("shared") == "group" else 0o777 & ~UMASK
        self._made: set[str] = set()
        self._clones = True

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
        return self._each([(source, key, key) for source, key in items], self._put, moved)

    def get(self, items: Sequence[tuple[str, str]], moved: Moved) -> Iterator[Done]:
        return self._each([(self._at(key), target, key) for key, target in items], self._get, moved)

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
        self, items: Sequence[tuple[str, str, str]], move: Callable[[str, str, str, Moved], None], moved: Moved
    ) -> Iterator[Done]:
        """Small files one after the other, big ones beside each other; what is yielded is (key, error)."""
        big = []
        for source, target, key in items:
            try:
                is_big = os.stat(source).st_size > _SMALL
            except OSError:
                is_big = False
            if is_big:
                big.append((source, target, key))
            else:
                yield key, self._try(move, source, target, key, moved)
        if len(big) < 2:
            for source, target, key in big:
                yield key, self._try(move, source, target, key, moved)
            return
        pool = ThreadPoolExecutor(self.jobs)
        try:
            waiting: dict[Future[RemoteError | None], str] = {
                pool.submit(self._try, move, source, target, key, moved): key for source, target, key in big
            }
            while waiting:
                for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(done), done.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _try(
        self, move: Callable[[str, str, str, Moved], None], source: str, target: str, key: str, moved: Moved
    ) -> RemoteError | None:
        try:
            move(source, target, key, moved)
        except OSError as error:
            if error.filename is None:  # it failed while writing: here, or on the remote
                error.filename = os.path.dirname(target) if os.path.isabs(target) else self._at(key)
            return self._error(key, error)
        return None

    def _put(self, source: str, target: str, key: str, moved: Moved) -> None:
        path = self._at(key)
        folder = os.path.dirname(path)
        self._make_folder(folder)
        temporary = f"{folder}/.{os.urandom(11).hex()}.tmp"
        try:
            self._copy(source, temporary, key, moved)
            os.chmod(temporary, FILE_MODE if key.startswith("runs/") else _OBJECT_MODE)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def _get(self, source: str, target: str, key: str, moved: Moved) -> None:
        self._copy(source, target, key, moved)

    def _copy(self, source: str, target: str, key: str, moved: Moved) -> None:
        if self._clones:
            self._clones = clone(source, target)
            if self._clones:
                moved(key, os.stat(target).st_size)
                return
        with open(source, "rb", buffering=0) as stream, open(target, "xb", buffering=0) as out:
            while block := stream.read(_BLOCK):
                view = memoryview(block)
                while view:
                    view = view[out.write(view) :]
                moved(key, len(block))

    def _make_folder(self, folder: str) -> None:
        if folder in self._made:
            return
        if not os.path.isdir(folder):
            parent = os.path.dirname(folder)
            if parent != folder:
                self._make_folder(parent)
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder)
                os.chmod(folder, self._folder_mode)
        self._made.add(folder)

    def _error(self, key: str, error: OSError) -> RemoteError:
        where = error.filename if isinstance(error.filename, str) else self._at(key)
        is_source = error.errno == errno.ENOENT and where == self._at(key)
        return RemoteError(f"{where}: {error.strerror or error}", absent=is_source)

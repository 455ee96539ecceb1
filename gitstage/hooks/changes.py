"""Changes of hook files, each one rename, unlink or mkdir; when a later one fails, all are taken back."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from types import TracebackType

from gitstage.errors import SystemFailure
from gitstage.fs import atomic_write


class Changes:
    """A context: changes made through it stand if it is left without an exception. An OSError becomes a SystemFailure."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def __enter__(self) -> Changes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        for step in reversed(self._undo):
            with contextlib.suppress(OSError):
                step()
        if isinstance(error, OSError):
            raise SystemFailure(f"{error.filename}: {error.strerror}") from error

    def on_failure(self, step: Callable[[], object]) -> None:
        """What takes back a change that was made by other means."""
        self._undo.append(step)

    def move(self, old: str, new: str) -> None:
        """Rename a file, link or folder; `new` is replaced if it is there."""
        os.replace(old, new)
        self._undo.append(lambda: os.replace(new, old))

    def give_way(self, path: str, new: str) -> None:
        """Name what is at `path` `new`, too; a `write` to `path` follows, so that never there is nothing."""
        if os.path.lexists(new):
            os.unlink(new)
        try:
            os.link(path, new, follow_symlinks=False)
            self._undo.append(lambda: os.replace(new, path))
        except OSError:  # a file system without hard links
            self.move(path, new)

    def write(self, path: str, data: bytes, mode: int | None = 0o755) -> None:
        """Write a whole file, replacing what is there. `mode` None: as an earlier file's, or the umask's."""
        if os.path.lexists(path) and not os.path.islink(path):
            self.keep(path)
        else:
            self._undo.append(lambda: os.unlink(path))
        _put(path, data, mode)

    def remove(self, path: str) -> None:
        self.keep(path)
        os.unlink(path)

    def make_folder(self, path: str, mode: int = 0o777) -> list[str]:
        """Make a folder and those above it; returns the ones that were not there, the outermost first.

        `mode`: of the folder itself, less the umask.
        """
        missing = []
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        missing.reverse()
        for folder in missing:
            os.mkdir(folder, mode if folder == missing[-1] else 0o777)
            self._undo.append(lambda folder=folder: os.rmdir(folder))  # type: ignore[misc]
        return missing

    def keep(self, path: str) -> None:
        """Bring the file at `path` back as it is now if something fails later."""
        with open(path, "rb") as stream:
            data, found = stream.read(), os.fstat(stream.fileno())

        def put_back() -> None:
            _put(path, data, stat.S_IMODE(found.st_mode))
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

        self._undo.append(put_back)


def _put(path: str, data: bytes, mode: int | None) -> None:
    atomic_write(path, data, mode)
    if mode is not None:
        os.chmod(path, mode)  # an earlier file's mode is kept so far

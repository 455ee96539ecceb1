"""Writing to the disk: whole files or none, paths that stay below a root, and a scratch folder that a crash leaves tidy.

Every write to a user's tree goes through here. Paths out of committed files are hostile: `Root` walks them component by
component, follows no symlink, and refuses names that Git or DVC would act on.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

from gitstage.errors import PipelineError, SystemFailure

try:
    import fcntl
except ImportError:  # Windows: no flock; a scratch folder is then taken for live while its process is
    fcntl = None  # type: ignore[assignment]

_HAS_DIR_FD = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd and os.unlink in os.supports_dir_fd
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""Flags of os.open: to read a file's bytes; to write a new file."""
_FICLONE = 0x40049409
_AT_ONCE = 64 << 20  # bytes that the kernel copies before the next is told about it
_OPEN_FOLDERS = 256
_RESERVED = frozenset({".git", ".dvc", ".hg", "git~1", "dvc~1"})
# Code points that HFS+ leaves out of a name when it compares it. Source: Git, as documented for core.protectHFS.
_IGNORABLE = dict.fromkeys((*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF))
_DEVICES = r"(?i:con|prn|aux|nul|conin\$|conout\$|com[0-9\xb9\xb2\xb3]|lpt[0-9\xb9\xb2\xb3])(?:[. :].*)?"


def _current_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


UMASK = _current_umask()
FILE_MODE = 0o666 & ~UMASK


class UnsafePath(PipelineError):
    """A path from a committed file that leads outside the project, or to a place that Git or DVC acts on."""


def components(path: str) -> list[str]:
    """Split a "/"-separated path below a root. Raises UnsafePath unless it names something a pipeline may write."""
    parts = path.split("/")
    for part in parts:
        _check_component(part, path)
    if os.path.isabs(path) or (os.name == "nt" and ":" in path):
        raise UnsafePath(f"{path}: not a path below the project")
    return parts


def _check_component(part: str, path: str) -> None:
    if part in ("", ".", "..") or "\0" in part:
        raise UnsafePath(f"{path!r}: not a path below the project")
    if (part[0] in ".dgDG" or not part.isascii()) and is_reserved(part):
        raise UnsafePath(f"{path}: {part} is not for outputs")
    if os.name == "nt" and not is_windows_name(part):
        raise UnsafePath(f"{path}: {part} is no file name on Windows")


def is_reserved(name: str) -> bool:
    """Is `name` one that Git or DVC acts on, or one that some file system takes for it? NTFS ignores dots and spaces at the
    end, has short names and, behind a colon, streams; HFS+ ignores some code points and case.
    """
    return name.translate(_IGNORABLE).partition(":")[0].rstrip(". ").lower() in _RESERVED


def is_windows_name(name: str) -> bool:
    """May a file be called so on Windows? Devices have names in every folder, and dots and spaces at the end vanish."""
    return name == name.rstrip(". ") and not set(name) & set('\\:<>"|?*') and re.fullmatch(_DEVICES, name) is None


class Root:
    """A folder below which paths are resolved without following any symlink.

    Methods take "/"-separated paths relative to it. Directory handles are kept open while the object lives.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fds: dict[str, int] = {}

    def absolute(self, path: str) -> str:
        return f"{self.path}/{path}" if path else self.path

    def close(self) -> None:
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()

    def __enter__(self) -> Root:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def at(self, path: str, *, create: bool = False) -> tuple[int | None, str]:
        """(dir_fd, name) for the calls of `os` on `path`; with `create`, missing parent folders are made.

        Raises UnsafePath if a parent is a symlink or a file, FileNotFoundError if one is missing.
        """
        folder, _, name = path.rpartition("/")
        fd = self._fds.get(folder)
        if fd is not None and path[:1] != "/":  # its components were checked when it was opened
            _check_component(name, path)
            return fd, name
        parts = components(path)
        if not _HAS_DIR_FD:
            return None, self._checked(parts, create)
        return self._open(parts[:-1], create), name

    def _open(self, parts: list[str], create: bool) -> int:
        if len(self._fds) >= _OPEN_FOLDERS:
            self.close()
        fd = self._fds.get("")
        if fd is None:
            fd = self._fds[""] = os.open(self.path, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
        for end in range(1, len(parts) + 1):
            folder = "/".join(parts[:end])
            known = self._fds.get(folder)
            if known is None:
                known = self._fds[folder] = self._open_one(fd, parts[end - 1], folder, create)
            fd = known
        return fd

    @staticmethod
    def _open_one(fd: int, name: str, folder: str, create: bool) -> int:
        try:
            return os.open(name, _FOLDER, dir_fd=fd)
        except FileNotFoundError:
            if not create:
                raise
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=fd)
            return os.open(name, _FOLDER, dir_fd=fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                kind = "a symlink" if _is_link(name, fd) else "a file"
                raise UnsafePath(f"{folder}: is {kind}, not a folder of the project") from None
            raise

    def _checked(self, parts: list[str], create: bool) -> str:
        folder = self.path
        for part in parts[:-1]:
            folder = os.path.join(folder, part)
            if os.path.islink(folder):
                raise UnsafePath(f"{folder}: is a symlink, not a folder of the project")
            if create and not os.path.isdir(folder):
                os.mkdir(folder)
        return os.path.join(folder, parts[-1])

    def forget(self, path: str) -> None:
        """Close the handles of `path` and all below, because it was moved or removed."""
        for folder in [f for f in self._fds if f == path or f.startswith(path + "/")]:
            os.close(self._fds.pop(folder))

    def lstat(self, path: str) -> os.stat_result | None:
        """The path's own stat (of a symlink, the link's); None if it, or a parent, is missing. Raises UnsafePath as `at`."""
        try:
            fd, name = self.at(path)
            return os.stat(name, dir_fd=fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, source: str, path: str) -> None:
        """Rename the absolute file or folder `source` to `path`, making parents, replacing a file that is there.

        A folder that is in the way of a file is removed if it is empty.
        """
        fd, name = self.at(path, create=True)
        try:
            os.replace(source, name, dst_dir_fd=fd)
        except PermissionError as error:
            raise SystemFailure(f"{path}: {error.strerror}") from None
        except IsADirectoryError:
            os.rmdir(name, dir_fd=fd)
            self.forget(path)
            os.replace(source, name, dst_dir_fd=fd)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._put_across(source, path, fd, name)

    def _put_across(self, source: str, path: str, fd: int | None, name: str) -> None:
        """`source` is on another file system: copy beside the target first, so that the name appears whole."""
        beside = f".{name}.{os.urandom(6).hex()}.gitstage-tmp" if fd is not None else f"{name}.gitstage-tmp"
        folder = path.rpartition("/")[0]
        target = os.path.join(self.absolute(folder), os.path.basename(beside)) if folder else self.absolute(beside)
        import shutil

        try:
            if os.path.isdir(source) and not os.path.islink(source):
                shutil.copytree(source, target, symlinks=True)
            else:
                shutil.copy2(source, target, follow_symlinks=False)
            os.replace(target, name, dst_dir_fd=fd)
        except BaseException:
            remove_any(target)
            raise
        remove_any(source)

    def take(self, path: str, target: str) -> bool:
        """Rename `path` to the absolute `target` outside; False if there is nothing at `path`."""
        try:
            fd, name = self.at(path)
            os.rename(name, target, src_dir_fd=fd)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            import shutil

            shutil.move(self.absolute(path), target)
        self.forget(path)
        return True

    def unlink(self, path: str) -> None:
        """Remove a file or symlink; a missing one is fine."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            fd, name = self.at(path)
            os.unlink(name, dir_fd=fd)

    def rmdir(self, path: str) -> bool:
        """Remove a folder if it is empty; tells whether it is gone."""
        try:
            fd, name = self.at(path)
            os.rmdir(name, dir_fd=fd)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        self.forget(path)
        return True

    def mkdir(self, path: str) -> None:
        """Make a folder and its parents."""
        fd, name = self.at(path, create=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=fd)


def _is_link(name: str, fd: int) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
    return False


def names(folder: str) -> list[str]:
    """What is in a folder, in no order; nothing if there is no such folder."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def remove_any(path: str) -> None:
    """Remove a file, symlink or whole folder of our own; nothing there is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except (IsADirectoryError, PermissionError):
        if not os.path.isdir(path) or os.path.islink(path):
            raise
        _remove_tree(path)


def _remove_tree(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, onerror=_make_writable)


def _make_writable(function: object, path: str, _: object) -> None:
    """A command may leave folders without the write bit; they are still ours to remove."""
    os.chmod(os.path.dirname(path), 0o700)
    os.chmod(path, 0o700, follow_symlinks=False) if os.chmod in os.supports_follow_symlinks else os.chmod(path, 0o700)
    if os.path.isdir(path) and not os.path.islink(path):
        _remove_tree(path)
    else:
        os.unlink(path)


class Scratch:
    """This process's own folder below `parent` for files that are not yet, or no longer, in their place.

    Made on first use. A lock on its file `alive` tells other processes that the owner lives; a command that inherits
    the handle keeps it alive too. What a dead owner left is tidied by `sweep`: outputs that were moved aside return.
    """

    def __init__(self, parent: str, root: Root) -> None:
        self.parent, self.root = parent, root
        self._folder: str | None = None
        self._alive: int | None = None
        self._journal: list[tuple[str, str]] = []
        self._settled: set[str] = set()
        self._numbers = itertools.count(1)
        self.recorder: Callable[[str], None] | None = None
        """Told of each file (absolute) that is about to be written or deleted as a whole."""
        self.dead: list[str] = []
        """Names of the folders that `sweep` removed; temporary files elsewhere begin with them."""

    @property
    def folder(self) -> str:
        if self._folder is None:
            os.makedirs(self.parent, exist_ok=True)
            folder = os.path.join(self.parent, f"{os.getpid()}-{os.urandom(4).hex()}")
            os.mkdir(folder, 0o700)
            self._alive = os.open(os.path.join(folder, "alive"), os.O_RDWR | os.O_CREAT, 0o600)
            if fcntl is not None:
                fcntl.flock(self._alive, fcntl.LOCK_EX)
            os.write(self._alive, b"locked\n")  # from here on a free lock means that the owner died
            self._folder = folder
        return self._folder

    @property
    def handle(self) -> int:
        """The descriptor that a stage's command inherits, so that its life counts as ours."""
        assert self.folder and self._alive is not None
        return self._alive

    def new(self) -> str:
        """A fresh absolute path for a temporary file or folder; nothing is made there."""
        return f"{self._folder or self.folder}/{next(self._numbers)}"

    def move_aside(self, path: str) -> bool:
        """Take `path` out of the work tree so that `restore` or a later `sweep` brings it back. False: not there."""
        target = self.new()
        self._journal.append((path, os.path.basename(target)))
        self._write_journal()
        return self.root.take(path, target)

    def restore(self, kept: str, paths: Collection[str] | None = None) -> dict[str, str]:
        """Bring back what was moved aside (of `paths`, if given). What is in the way goes to folder `kept`; returned are its
        paths, each with its place there."""
        in_the_way = _bring_back(self.root, self.folder, self._of(paths), kept)
        self.forget(paths)
        return in_the_way

    def keep(self, path: str, kept: str) -> str:
        """What was moved aside from `path` goes to folder `kept` for good: it can be had from nowhere else.

        Returns its place, in `kept` or, if there is something from earlier, beside it.
        """
        source = self.aside(path)
        target = free_place(kept, path)
        if source is not None and os.path.lexists(source):
            _make_way(kept, target, self.parent)
            os.replace(source, target)
        return target

    def settle(self, paths: Collection[str] | None = None) -> None:
        """From here on a crash does not bring back what was moved aside (of `paths`); `restore` still does."""
        self._settled.update(entry[1] for entry in self._of(paths))
        self._write_journal()

    def forget(self, paths: Collection[str] | None = None) -> None:
        """What was moved aside (of `paths`) is not needed any more."""
        gone = self._of(paths)
        for _, name in gone:
            remove_any(os.path.join(self.folder, name))
        self._journal = [entry for entry in self._journal if entry not in gone]
        self._settled.difference_update(name for _, name in gone)
        self._write_journal()

    def _of(self, paths: Collection[str] | None) -> list[tuple[str, str]]:
        return [entry for entry in self._journal if paths is None or entry[0] in paths]

    def aside(self, path: str) -> str | None:
        """Where `path` lies while it is moved aside."""
        for known, name in self._journal:
            if known == path:
                return os.path.join(self.folder, name)
        return None

    def is_aside(self, path: str) -> bool:
        """Was `path`, or a folder around it, moved aside? What lies there now is new."""
        return any(path == known or path.startswith(known + "/") for known, _ in self._journal)

    def _write_journal(self) -> None:
        name = os.path.join(self.folder, "moved")
        journal = [entry for entry in self._journal if entry[1] not in self._settled]
        if journal:
            with open(name + ".new", "w", encoding="utf-8", errors="surrogateescape") as stream:
                json.dump(journal, stream)
            os.replace(name + ".new", name)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def close(self) -> None:
        if self._folder is not None:
            _remove_tree(self._folder)
            self._folder = None
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None

    def sweep(self, kept: str) -> list[str]:
        """Tidy up behind processes that died; returns the outputs that were brought back.

        `kept`: folder for what their commands wrote where an earlier output returned.
        """
        returned: list[str] = []
        for folder in self._others():
            alive = _lock_if_dead(folder)
            if alive is None:
                continue
            journal = _read_journal(folder)
            _bring_back(self.root, folder, journal, kept)
            returned += [path for path, _ in journal]
            self.dead.append(os.path.basename(folder))
            _remove_tree(folder)
            os.close(alive)
        return returned

    def held_elsewhere(self) -> dict[str, int]:
        """Outputs that a live process, or the command of a killed one, has moved aside -> its process id."""
        return {
            path: int(os.path.basename(f).partition("-")[0]) for f in self._others() for path, _ in _read_journal(f)
        }

    def _others(self) -> list[str]:
        try:
            names = sorted(os.listdir(self.parent))
        except (FileNotFoundError, NotADirectoryError):
            return []
        folders = [os.path.join(self.parent, n) for n in names if n.partition("-")[0].isdigit() and "-" in n]
        return [f for f in folders if f != self._folder]


def free_place(kept: str, path: str) -> str:
    """The absolute place for `path` in folder `kept`, under a numbered name where that is taken."""
    first = os.path.join(kept, *path.split("/"))
    names = itertools.chain([first], (f"{first}.~{number}~" for number in itertools.count(2)))
    return next(name for name in names if not os.path.lexists(name))


def _lock_if_dead(folder: str) -> int | None:
    """An open handle on a dead owner's folder; None if the owner lives (or makes the folder right now)."""
    try:
        fd = os.open(os.path.join(folder, "alive"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    if fcntl is None:
        return fd if not _is_running(int(os.path.basename(folder).partition("-")[0])) else os.close(fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    if os.fstat(fd).st_size == 0 and _is_running(int(os.path.basename(folder).partition("-")[0])):
        os.close(fd)  # it has just made the folder and is about to take the lock
        return None
    return fd


def _is_running(pid: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _read_journal(folder: str) -> list[tuple[str, str]]:
    try:
        with open(os.path.join(folder, "moved"), encoding="utf-8", errors="surrogateescape") as stream:
            return [(str(path), os.path.basename(str(name))) for path, name in json.load(stream)]
    except (OSError, ValueError):
        return []


def _bring_back(root: Root, folder: str, journal: list[tuple[str, str]], kept: str) -> dict[str, str]:
    in_the_way = {}
    for path, name in reversed(journal):
        source = os.path.join(folder, name)
        if not os.path.lexists(source):
            continue
        if root.lstat(path) is not None:
            target = os.path.join(kept, *path.split("/"))
            if os.path.lexists(target):  # which may be an earlier output that exists nowhere else
                target += ".~failed~"
                remove_any(target)
            _make_way(kept, target, os.path.dirname(folder))
            root.take(path, target)
            in_the_way[path] = target
        root.put(source, path)
    return in_the_way


def _make_way(kept: str, target: str, top: str) -> None:
    """Make the folders of `target`, in folder `kept` below `top`. A stranger may have put links in the way."""
    if os.path.relpath(kept, top).startswith(os.pardir):
        top = os.path.dirname(kept)
        os.makedirs(top, exist_ok=True)
    with Root(top) as root:
        root.at(os.path.relpath(target, top).replace(os.sep, "/"), create=True)


_default_scratch: Scratch | None = None


def use_scratch(scratch: Scratch | None) -> None:
    """From now on `atomic_write` makes its temporary files there instead of beside the target."""
    global _default_scratch
    _default_scratch = scratch


def about_to_change(path: str) -> None:
    """The file at absolute `path` is about to be written or deleted as a whole."""
    if _default_scratch is not None and _default_scratch.recorder is not None:
        _default_scratch.recorder(path)


def atomic_write(path: str, data: bytes, mode: int | None = None) -> None:
    """Write a whole file or none. An existing file's mode is kept; a symlink is replaced, never written through.

    `mode`: permission bits of a new file (default: 0666 less the umask). Raises SystemFailure naming `path`.
    """
    about_to_change(path)
    try:
        old = os.lstat(path)
        mode = stat.S_IMODE(old.st_mode) if stat.S_ISREG(old.st_mode) else mode
    except FileNotFoundError:
        pass
    scratch = _default_scratch
    temporary = None
    if scratch is not None and _same_device(scratch.parent, os.path.dirname(path) or "."):
        temporary = scratch.new()
    if temporary is None:
        folder, name = os.path.split(path)
        temporary = os.path.join(folder, f".{name}.{os.urandom(6).hex()}.tmp")
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, FILE_MODE if mode is None else mode)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise SystemFailure(f"{path}: {error.strerror}") from error
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _same_device(first: str, second: str) -> bool:
    while True:
        try:
            return os.stat(first).st_dev == os.stat(second or ".").st_dev
        except FileNotFoundError:
            parent = os.path.dirname(first)
            if parent == first:
                return False
            first = parent


def clone(source: str, target: str) -> bool:
    """Make `target` share `source`'s blocks (reflink). False where the file system cannot; `target` is then absent."""
    if fcntl is None or not sys.platform.startswith("linux"):
        return False
    source_fd = os.open(source, os.O_RDONLY)
    try:
        target_fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.ioctl(target_fd, _FICLONE, source_fd)
            return True
        except OSError as error:
            os.unlink(target)
            if error.errno in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM):
                return False
            raise
        finally:
            os.close(target_fd)
    finally:
        os.close(source_fd)


def copy_in_kernel(fd: int, out: int, told: Callable[[int], object] | None = None) -> None:
    """Copy an open file into an empty one without its bytes coming here, as far as that works; both are left at the
    first byte that is still to be copied. `told`: of each portion, how many bytes it was."""
    done = 0
    if hasattr(os, "copy_file_range"):
        size = os.fstat(fd).st_size
        with contextlib.suppress(OSError):
            while done < size and (count := os.copy_file_range(fd, out, min(size - done, _AT_ONCE), done, done)):
                done += count
                if told is not None:
                    told(count)
    os.lseek(fd, done, os.SEEK_SET)
    os.lseek(out, done, os.SEEK_SET)


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_threads(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> Iterator[_Result]:
    """The result of `work` for each item, in order; several at once, for work on large files lets go of the interpreter."""
    if len(items) < 2:
        yield from map(work, items)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(len(items), os.cpu_count() or 1, 8)) as pool:
        yield from pool.map(work, items)

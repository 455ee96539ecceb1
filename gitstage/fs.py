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
import posixpath
import re
import stat
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from gitstage.errors import PipelineError, SystemFailure
from gitstage.processes import is_running
from gitstage.static import TypeVar

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
_EACH = 8  # as many files are sooner forced to disk one by one
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


_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def look(path: str, *, follow: bool = True) -> os.stat_result | None:
    """The stat of what is at `path`; None if nothing is. What cannot be looked at raises OSError: unlike os.path.exists,
    this never takes an error of the disk for a file that is not there."""
    try:
        return os.stat(path, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise
    except ValueError:  # NUL in it
        return None


def exists(path: str) -> bool:
    """Is there a file, folder or symlink (a broken one too)? Raises OSError as `look`."""
    return look(path, follow=False) is not None


def is_dir(path: str) -> bool:
    """Is there a folder, or a symlink to one? Raises OSError as `look`."""
    found = look(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_file(path: str) -> bool:
    """Is there a regular file, or a symlink to one? Raises OSError as `look`."""
    found = look(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def walk(top: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """As os.walk; but what cannot be read raises OSError, it is not passed over."""

    def refuse(error: OSError) -> None:
        if error.errno not in _ABSENT:
            raise error

    return os.walk(top, onerror=refuse)


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

    def force(_: object, path: str, info: tuple[type[BaseException], BaseException, object]) -> None:
        if not isinstance(info[1], PermissionError) or not _make_writable(path, folder):
            raise info[1]
        if os.path.isdir(path) and not os.path.islink(path):
            _remove_tree(path)
        else:
            os.unlink(path)

    shutil.rmtree(folder, onerror=force)


def _make_writable(path: str, top: str) -> bool:
    """A command may leave folders below `top` without the write bit; they are still ours to remove. What is above it is
    not, and a file may be a link to an object, whose mode stays. False if there is nothing to change."""
    folders = [os.path.dirname(path)] if path != top else []
    folders += [path] if (os.path.isdir(path) and not os.path.islink(path)) or os.name == "nt" else []
    changed = False
    for folder in folders:
        if stat.S_IMODE(os.stat(folder).st_mode) != 0o700:
            os.chmod(folder, 0o700)
            changed = True
    return changed


class _Journal:
    """What a dead process was about, so that its changes can be taken back; kept as JSON in its scratch folder.

    `moved`: (path, name in the folder) of outputs that were moved aside; `made`: (path, where it came from or None) of
    what was put where nothing was; `files`: (path, name of a copy of the old file or None, digest of the old text,
    digest of the new) of metadata files; `keep`: (name, place in the folder of kept things) of what is to go there.
    Paths are relative to the root.
    """

    NAME = "moved"

    def __init__(self, found: object = None) -> None:
        """`found`: what `text` gave. Raises ValueError, TypeError or AttributeError for anything else."""
        parts: dict[str, list[list[str | None]]] = {"moved": found} if isinstance(found, list) else found or {}  # type: ignore[assignment]
        self.moved = [(str(path), os.path.basename(str(name))) for path, name in parts.get("moved", ())]
        self.made = [(str(path), origin) for path, origin in parts.get("made", ())]
        self.files = [
            (str(path), name and os.path.basename(name), old, new) for path, name, old, new in parts.get("files", ())
        ]
        self.keep = [(os.path.basename(str(name)), str(place)) for name, place in parts.get("keep", ())]

    def text(self, settled: Collection[str]) -> str:
        """JSON without what is `settled`; empty if nothing is left."""
        parts = {
            "moved": [entry for entry in self.moved if entry[1] not in settled],
            "made": self.made,
            "files": self.files,
            "keep": self.keep,
        }
        left = {name: entries for name, entries in parts.items() if entries}
        return json.dumps(left) if left else ""

    def names(self, settled: Collection[str]) -> set[str]:
        """The files of the folder that must not go."""
        return {name for _, name in self.moved if name not in settled} | {name for name, _ in self.keep}

    def play_back(
        self, root: Root, folder: str, kept: str, moved: list[tuple[str, str]] | None = None
    ) -> dict[str, str]:
        """Take back what the owner of `folder` did (of what it moved aside, `moved` alone); whatever was in the way is in
        `kept` then, and its path among those returned, with its place."""
        top = os.path.dirname(folder)
        for name, place in self.keep:
            _keep(os.path.join(folder, name), kept, place, top)
        aside = os.path.join(folder, "made")
        _keep(aside, kept, os.path.basename(folder), top)  # of an earlier attempt that died
        for path, origin in self.made if moved is None else ():
            if root.lstat(path) is None:
                continue
            root.take(path, aside)
            if origin is not None and root.lstat(origin) is None:
                root.put(aside, origin)
            else:
                _keep(aside, kept, path, top)
        for path, copy, old, new in reversed(self.files) if moved is None else ():
            _take_back(root, path, copy and os.path.join(folder, copy), old, new)
        in_the_way = {}
        for path, name in reversed(self.moved if moved is None else moved):
            source = os.path.join(folder, name)
            if not exists(source):
                continue
            if root.lstat(path) is not None:
                target = free_place(kept, path)
                _make_way(kept, target, top)
                root.take(path, target)
                in_the_way[path] = target
            root.put(source, path)
        return in_the_way


def _keep(source: str, kept: str, path: str, top: str) -> str:
    """Move what is at `source`, if anything is, to a free place for `path` in folder `kept` below `top`; its place."""
    target = free_place(kept, path)
    if exists(source):
        _make_way(kept, target, top)
        os.replace(source, target)
    return target


def _take_back(root: Root, path: str, copy: str | None, old: str | None, new: str | None) -> None:
    """Give a metadata file its old text again, if it still has the new one, and the copy of the old one is whole."""
    if not _is_metadata(path) or _digest(root.absolute(path)) != new:
        return
    if copy is None:
        root.unlink(path)
    elif _digest(copy) == old:
        root.put(copy, path)


def _is_metadata(path: str) -> bool:
    name = posixpath.basename(path)
    return name in ("dvc.yaml", "dvc.lock", ".gitignore") or (name.endswith(".dvc") and name != ".dvc")


def _digest(path: str) -> str | None:
    """Of a file's bytes; None if there is none."""
    found = look(path, follow=False)
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    with open(path, "rb") as stream:
        return _digest_of(stream.read())


def _digest_of(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


class Scratch:
    """This process's own folder below `parent` for files that are not yet, or no longer, in their place.

    Made on first use. A lock on its file `alive` tells other processes that the owner lives; a command that inherits
    the handle keeps it alive too. What a dead owner left is tidied by `sweep`: outputs that were moved aside return.
    """

    def __init__(self, parent: str, root: Root) -> None:
        self.parent, self.root = parent, root
        self._folder: str | None = None
        self._alive: int | None = None
        self._journal = _Journal()
        self._is_whole = False
        self._kept_later: list[tuple[str, str]] = []
        self._settled: set[str] = set()
        self._numbers = itertools.count(1)
        self._mark = ""
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
        return f"{self._folder or self.folder}/{self._mark}{next(self._numbers)}"

    def split(self) -> None:
        """This process is a fork of the owner, which has made the folder: its files get names of their own."""
        self._mark = f"{os.getpid()}-"

    def move_aside(self, path: str) -> bool:
        """Take `path` out of the work tree so that `restore` or a later `sweep` brings it back. False: not there."""
        target = self.new()
        self._journal.moved.append((path, os.path.basename(target)))
        self._write_journal()
        return self.root.take(path, target)

    def restore(self, kept: str, paths: Collection[str] | None = None) -> dict[str, str]:
        """Bring back what was moved aside (of `paths`, if given). What is in the way goes to folder `kept`; returned are its
        paths, each with its place there."""
        in_the_way = self._journal.play_back(self.root, self.folder, kept, self._of(paths))
        self._forget(paths)
        return in_the_way

    def keep(self, path: str, kept: str) -> str:
        """What was moved aside from `path` goes to folder `kept` for good: it can be had from nowhere else.

        Returns its place, in `kept` or, if there is something from earlier, beside it.
        """
        source = self.aside(path)
        if source is None:
            return free_place(kept, path)
        if not self._is_whole:
            return _keep(source, kept, path, self.parent)
        place = free_place(kept, path)
        relative = os.path.relpath(place, os.path.join(self.parent, "kept")).replace(os.sep, "/")
        self._kept_later.append((os.path.basename(source), relative))
        return place

    def settle(self, paths: Collection[str] | None = None) -> None:
        """From here on a crash does not bring back what was moved aside (of `paths`); `restore` still does."""
        self._settled.update(entry[1] for entry in self._of(paths))
        self._write_journal()

    def forget(self, paths: Collection[str] | None = None) -> None:
        """What was moved aside (of `paths`) is not needed any more."""
        if not self._is_whole:  # else at the end of the whole
            self._forget(paths)

    def _forget(self, paths: Collection[str] | None = None) -> None:
        gone = self._of(paths)
        self._journal.moved = [entry for entry in self._journal.moved if entry not in gone]
        self._settled.difference_update(name for _, name in gone)
        self._write_journal()
        for _, name in gone:
            remove_any(os.path.join(self.folder, name))

    def _of(self, paths: Collection[str] | None) -> list[tuple[str, str]]:
        return [entry for entry in self._journal.moved if paths is None or entry[0] in paths]

    @contextlib.contextmanager
    def whole(self, kept: str) -> Iterator[None]:
        """What the block does to metadata files and outputs is done wholly or not at all: if it fails, or the process
        dies, all is as it was before, at the latest after the next command. What is in the way then goes to `kept`."""
        self._is_whole, self._kept_later = True, []
        try:
            yield
        except BaseException:
            self._is_whole = False
            if self._folder is not None:
                with contextlib.suppress(OSError, SystemFailure):  # then the next command does it
                    self._journal.play_back(self.root, self._folder, kept)
                    self._journal = _Journal()
                    self._write_journal()
            raise
        self._is_whole = False
        if self._folder is None:
            return
        gone = self._journal.moved
        self._journal = _Journal()
        self._journal.keep = self._kept_later
        self._write_journal()  # from here on it is done
        with contextlib.suppress(OSError):
            self._journal.play_back(self.root, self._folder, os.path.join(self.parent, "kept"))
            self._journal = _Journal()
            self._write_journal()
        for _, name in gone:
            if name not in self._journal.names(()):
                remove_any(os.path.join(self._folder, name))

    def about_to_make(self, path: str, origin: str | None = None) -> None:
        """Something is about to be put at `path`, where nothing is: what was at `origin`, if that is given."""
        if self._is_whole:
            self._journal.made.append((path, origin))
            self._write_journal()

    def about_to_change(self, absolute: str, data: bytes | None) -> None:
        """A file is about to be written with `data`, or deleted."""
        path = os.path.relpath(absolute, self.root.path).replace(os.sep, "/")
        if not self._is_whole or path.startswith("../") or not _is_metadata(path):
            return
        old, copy = _digest(absolute), None
        if old is not None:
            import shutil

            copy = self.new()
            shutil.copyfile(absolute, copy)
            os.chmod(copy, stat.S_IMODE(os.lstat(absolute).st_mode))
        self._journal.files.append(
            (path, copy and os.path.basename(copy), old, None if data is None else _digest_of(data))
        )
        self._write_journal()

    def aside(self, path: str) -> str | None:
        """Where `path` lies while it is moved aside."""
        for known, name in self._journal.moved:
            if known == path:
                return os.path.join(self.folder, name)
        return None

    def is_aside(self, path: str) -> bool:
        """Was `path`, or a folder around it, moved aside? What lies there now is new."""
        return any(path == known or path.startswith(known + "/") for known, _ in self._journal.moved)

    def _write_journal(self) -> None:
        name = os.path.join(self.folder, _Journal.NAME)
        text = self._journal.text(self._settled)
        if text:
            with open(name + ".new", "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text)
            os.replace(name + ".new", name)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def close(self) -> None:
        """Remove the folder, unless something could not be taken back: then the next command tries again."""
        if self._folder is not None:
            folder, self._folder = self._folder, None
            with contextlib.suppress(OSError):  # what cannot be removed now is swept later
                if not exists(os.path.join(folder, _Journal.NAME)):
                    _remove_tree(folder)
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
            try:
                journal = _read_journal(folder)
                if journal is None:
                    _keep_all(folder, kept)
                else:
                    journal.play_back(self.root, folder, kept)
                    returned += [path for path, _ in journal.moved]
                self.dead.append(os.path.basename(folder))
                _remove_tree(folder)
            finally:
                os.close(alive)
        return returned

    def held_elsewhere(self) -> dict[str, int]:
        """Outputs that a live process, or the command of a killed one, has moved aside -> its process id."""
        return {
            path: int(os.path.basename(folder).partition("-")[0])
            for folder in self._others()
            for path, _ in getattr(_read_journal(folder), "moved", ())
        }

    def _others(self) -> list[str]:
        try:
            names = sorted(os.listdir(self.parent))
        except (FileNotFoundError, NotADirectoryError):
            return []
        folders = [
            os.path.join(self.parent, n) for n in names if "-" in n and n.isascii() and n.partition("-")[0].isdigit()
        ]
        return [f for f in folders if f != self._folder]


def free_place(kept: str, path: str) -> str:
    """The absolute place for `path` in folder `kept`, under a numbered name where that is taken."""
    first = os.path.join(kept, *path.split("/"))
    names = itertools.chain([first], (f"{first}.~{number}~" for number in itertools.count(2)))
    return next(name for name in names if not exists(name))


def _lock_if_dead(folder: str) -> int | None:
    """An open handle on a dead owner's folder; None if the owner lives (or makes the folder right now)."""
    try:
        fd = os.open(os.path.join(folder, "alive"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    if fcntl is None:
        return fd if not is_running(int(os.path.basename(folder).partition("-")[0])) else os.close(fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    if os.fstat(fd).st_size == 0 and is_running(int(os.path.basename(folder).partition("-")[0])):
        os.close(fd)  # it has just made the folder and is about to take the lock
        return None
    return fd


def _read_journal(folder: str) -> _Journal | None:
    """None if there is one that cannot be read, as a power failure may leave it."""
    try:
        with open(os.path.join(folder, _Journal.NAME), encoding="utf-8", errors="surrogateescape") as stream:
            return _Journal(json.load(stream))
    except FileNotFoundError:
        return _Journal()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _keep_all(folder: str, kept: str) -> None:
    """Nobody knows what belongs where in a dead owner's folder: all of it is kept."""
    target = os.path.join(kept, os.path.basename(folder))
    os.makedirs(target, exist_ok=True)
    for name in os.listdir(folder):
        if name.isdigit():
            os.replace(os.path.join(folder, name), os.path.join(target, name))


def _make_way(kept: str, target: str, top: str) -> None:
    """Make the folders of `target`, in folder `kept` below `top`. A stranger may have put links in the way."""
    if os.path.relpath(kept, top).startswith(os.pardir):
        top = os.path.dirname(kept)
        os.makedirs(top, exist_ok=True)
    with Root(top) as root:
        root.at(os.path.relpath(target, top).replace(os.sep, "/"), create=True)


_default_scratch: Scratch | None = None


def about_to_change(path: str, data: bytes | None) -> None:
    """The file at absolute `path` is about to be written with `data`, or (None) deleted."""
    if _default_scratch is not None:
        _default_scratch.about_to_change(path, data)
        if _default_scratch.recorder is not None:
            _default_scratch.recorder(path)


def use_scratch(scratch: Scratch | None) -> None:
    """From now on `atomic_write` makes its temporary files there instead of beside the target."""
    global _default_scratch
    _default_scratch = scratch


def atomic_write(path: str, data: bytes, mode: int | None = None, *, temporary: str | None = None) -> None:
    """Write a whole file or none. An existing file's mode is kept; a symlink is replaced, never written through.

    `temporary`: the absolute path, on the same file system, that the file has at first; a fresh one by default.
    `mode`: permission bits of a new file (default: 0666 less the umask). Raises SystemFailure naming `path`.
    """
    about_to_change(path, data)
    try:
        old = os.lstat(path)
        mode = stat.S_IMODE(old.st_mode) if stat.S_ISREG(old.st_mode) else mode
    except FileNotFoundError:
        pass
    scratch = _default_scratch
    if temporary is None and scratch is not None and _same_device(scratch.parent, os.path.dirname(path) or "."):
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


def force_out(paths: Sequence[str]) -> None:
    """Return when the contents of these files, all of one file system, are on the disk. One that is gone is passed over."""
    if len(paths) > _EACH and sys.platform.startswith("linux"):
        import ctypes

        fd = os.open(os.path.dirname(paths[0]), _FOLDER)
        try:
            if ctypes.CDLL(None).syncfs(fd) == 0:
                return
        finally:
            os.close(fd)
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(path, READ)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


class Folders:
    """Makes folders of objects, with their parents, and remembers those that are there. `shared`: the group may write."""

    def __init__(self, *, shared: bool) -> None:
        self._mode = 0o2775 if shared else 0o777 & ~UMASK
        self._made: set[str] = set()

    def make(self, folder: str) -> None:
        """Make the absolute `folder`, if it is missing."""
        if folder in self._made:
            return
        if not os.path.isdir(folder):
            parent = os.path.dirname(folder)
            if parent != folder:
                self.make(parent)
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder)
                os.chmod(folder, self._mode)
        self._made.add(folder)


def booted_at() -> int | None:
    """When the machine was started (ns since the epoch); None where that is not known."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return None
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def copy_in_kernel(fd: int, out: int, told: Callable[[int], object] | None = None, *, at_once: int = _AT_ONCE) -> None:
    """Copy an open file into an empty one without its bytes coming here, as far as that works; both are left at the
    first byte that is still to be copied. `told`: of each portion, of at most `at_once` bytes, how many it was."""
    done = 0
    if hasattr(os, "copy_file_range"):
        size = os.fstat(fd).st_size
        with contextlib.suppress(OSError):
            while done < size and (count := os.copy_file_range(fd, out, min(size - done, at_once), done, done)):
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

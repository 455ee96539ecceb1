"""States of the project's files, all answering the same questions; the work tree is the one on disk."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from gitstage import progress
from gitstage.digest import Content, Digest, hash_stream, manifest_digest
from gitstage.errors import PipelineError
from gitstage.fs import READ, exists, is_dir, walk
from gitstage.ignore import FILE_NAME as IGNORE_FILE
from gitstage.ignore import IgnoreRules
from gitstage.memo import Memo, Stamp, Summary, is_racy, stamp
from gitstage.static import NamedTuple, Protocol


class Tree(Protocol):
    """A state of the project's files: work tree, index, commit, or what the lock records.

    Paths are "/"-separated and relative to the project's root (the folder that holds `.dvc`); they may start
    with "../" or be absolute where a pipeline names a file outside it. Absent is a missing key or None.
    """

    label: str
    """For messages, such as "the index"; no caller asks which kind of tree it has."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes, as they would lie in the work tree; None if it is absent or a directory."""

    def pipeline_files(self) -> list[str]:
        """Paths of every `dvc.yaml` and `*.dvc` of this project, sorted; ignored ones and sub-projects' left out."""

    def listing(self, path: str, *, legacy: bool = False) -> Mapping[str, Digest] | None:
        """All files below directory `path` (relative to it) with their digests; None if it is no directory."""

    def digests(self, paths: Collection[str], *, legacy: bool = False) -> Mapping[str, Digest]:
        """Digests of files, and of directories by manifest; absent paths are left out."""


class Measured:
    """What one path of the work tree holds: its content and, of a directory, the files."""

    __slots__ = ("_files", "_load", "content")

    def __init__(
        self,
        content: Content,
        files: Mapping[str, tuple[Digest, int]] | None = None,
        load: Callable[[], Mapping[str, tuple[Digest, int]]] | None = None,
    ) -> None:
        self.content, self._files, self._load = content, files, load

    @property
    def files(self) -> Mapping[str, tuple[Digest, int]] | None:
        """The files of a directory, path below it -> (digest, size); None for a file."""
        if self._files is None and self._load is not None:
            self._files = self._load()
        return self._files

    @property
    def is_dir(self) -> bool:
        return self.content.digest.is_dir

    @property
    def listing(self) -> dict[str, Digest]:
        """Path below a directory -> digest; empty for a file."""
        return {path: digest for path, (digest, _) in (self.files or {}).items()}

    def at(self, path: str) -> dict[str, Digest]:
        """The files that lie at `path`: itself, or those below it, with their digests."""
        if self.files is None:
            return {path: self.content.digest}
        return {f"{path}/{name}": digest for name, (digest, _) in self.files.items()}


class Folder(NamedTuple):
    """One folder of a tracked directory: its absolute path, the prefix of its files below the directory ("" or "a/b/"),
    its files by name with their stamps (links followed), and those of them that are links or have several names."""

    absolute: str
    prefix: str
    files: list[tuple[str, Stamp]]
    linked: set[str]


_MAX_SIZE = 512 << 20
_READ_AT_ONCE = READ | getattr(os, "O_NONBLOCK", 0)


class WorkTree:
    """What is on disk below `root` (an absolute path).

    `find` lists the `dvc.yaml`, `dvc.lock` and `*.dvc` files that Git does not ignore, relative to `root`; without it (no Git)
    the folders are walked.
    """

    label = "the work tree"

    def __init__(self, root: str, memo: Memo, find: Callable[[], list[str]] | None = None) -> None:
        self.root, self.memo, self._find = root, memo, find
        self.ignore = IgnoreRules(self.read)

    def absolute(self, path: str) -> str:
        return path if os.path.isabs(path) else os.path.normpath(os.path.join(self.root, path))

    def read(self, path: str) -> bytes | None:
        """Raises PipelineError for what is no file (a device never ends, a pipe waits), or too large to be read whole."""
        try:
            fd = os.open(self.absolute(path), _READ_AT_ONCE)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        kind = os.fstat(fd).st_mode
        if not stat.S_ISREG(kind):
            os.close(fd)
            if stat.S_ISDIR(kind):
                return None
            raise PipelineError(f"{path}: is not a file")
        with open(fd, "rb") as stream:
            data = stream.read(_MAX_SIZE + 1)
        if len(data) > _MAX_SIZE:
            raise PipelineError(f"{path}: is larger than {_MAX_SIZE >> 20} MiB, which is not read as a whole")
        return data

    def exists(self, path: str) -> bool:
        """Is there a file, folder or symlink (a broken one too)?"""
        return exists(self.absolute(path))

    def is_dir(self, path: str) -> bool:
        return is_dir(self.absolute(path))

    def pipeline_files(self) -> list[str]:
        if self._find is None:
            names = self._walk_for_pipeline_files()
        else:
            listed = set(self._find())
            names = [name for name in listed if not name.endswith("dvc.lock")]
            for name in names:
                lock = name[: -len("yaml")] + "lock"
                if name.endswith("dvc.yaml") and lock not in listed and self.exists(lock):
                    raise PipelineError(
                        f"{lock}: is ignored by Git, so nobody would get it", f"git check-ignore -v {lock}"
                    )
        known: dict[str, bool] = {"": False}
        return sorted(name for name in names if not self._is_foreign(name, known))

    def _is_foreign(self, name: str, known: dict[str, bool]) -> bool:
        """Ignored, or in a sub-project."""
        if self.ignore.ignores(name, False):
            return True
        folder = name.rpartition("/")[0]
        parts = folder.split("/") if folder else []
        for end in range(1, len(parts) + 1):
            part = "/".join(parts[:end])
            if part not in known:
                known[part] = is_dir(os.path.join(self.root, part, ".dvc"))
            if known[part]:
                return True
        return False

    def _walk_for_pipeline_files(self) -> list[str]:
        found = []
        for folder, folders, files in walk(self.root):
            below = os.path.relpath(folder, self.root).replace(os.sep, "/")
            prefix = "" if below == "." else below + "/"
            folders[:] = [d for d in folders if not self.ignore.ignores(prefix + d, True)]
            found += [prefix + f for f in files if f == "dvc.yaml" or f.endswith(".dvc")]
        return found

    def listing(self, path: str, *, legacy: bool = False) -> dict[str, Digest] | None:
        measured = self.measure(path, legacy=legacy)
        return None if measured is None or measured.files is None else measured.listing

    def digests(self, paths: Collection[str], *, legacy: bool = False) -> dict[str, Digest]:
        found = {}
        for path in paths:
            measured = self.measure(path, legacy=legacy)
            if measured is not None:
                found[path] = measured.content.digest
        return found

    def measure(self, path: str, *, legacy: bool = False) -> Measured | None:
        """Digest, size, count and executable bit of a file or directory; None if it is absent.

        Raises PipelineError for what cannot be tracked: a broken symlink inside, a pipe, a name that is not UTF-8.
        """
        absolute = self.absolute(path)
        try:
            found = os.stat(absolute)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISREG(found.st_mode):
            digest = Digest(self.hash_file(absolute, found, legacy=legacy), legacy=legacy)
            return Measured(Content(digest, found.st_size, None, bool(found.st_mode & stat.S_IXUSR)))
        if not stat.S_ISDIR(found.st_mode):
            raise PipelineError(f"{path}: is not a file or directory")
        seen = Summary()
        folders: list[Folder] = []
        count = 0
        for folder in self.folders(path):
            seen.add(folder.prefix, folder.files)
            count += len(folder.files)
            folders.append(folder)
            if count > _KEPT:
                folders.clear()
        found_there = folders if count <= _KEPT else None
        content = self.memo.whole(absolute, seen.digest, legacy=legacy)
        if content is not None:
            return Measured(content, load=lambda: self._hash_files(path, legacy, found_there)[0])
        files, seen = self._hash_files(path, legacy, found_there)
        measured = measured_folder(files, legacy=legacy)
        if seen.is_settled:
            self.memo.remember_whole(absolute, seen.digest, measured.content, legacy=legacy)
        return measured

    def _hash_files(
        self, path: str, legacy: bool, folders: Iterable[Folder] | None = None
    ) -> tuple[dict[str, tuple[Digest, int]], Summary]:
        """The files of directory `path`, and what was seen of them. `folders`: all of it, if it was just walked."""
        self.memo.load_below(self.absolute(path), legacy=legacy)
        files: dict[str, tuple[Digest, int]] = {}
        seen = Summary()
        for folder in self.folders(path) if folders is None else folders:
            known = self.memo.files_in(folder.absolute, legacy=legacy)
            for name, found in folder.files:
                one = known.get(name)
                if one is not None and one[0] == found:
                    md5 = one[1]
                else:
                    md5, is_sure = self._hash(f"{folder.absolute}/{name}", found, legacy)
                    seen.is_settled &= is_sure
                files[folder.prefix + name] = Digest(md5, False, legacy), found[0]
            self.memo.forget_others(folder.absolute, [name for name, _ in folder.files], legacy=legacy)
            seen.add(folder.prefix, folder.files)
        return files, seen

    def walk(self, path: str) -> Iterator[tuple[str, Stamp]]:
        """Every file that belongs to the directory's content: its path below it, and its stamp (links followed)."""
        for folder in self.folders(path):
            for name, found in folder.files:
                yield folder.prefix + name, found

    def folders(self, path: str, *, whole: bool = False) -> Iterator[Folder]:
        """The directory, folder by folder, with the files that belong to its content.

        A link to an object that a cache has lost is no file, unless the directory is to be `whole`. Raises PipelineError
        for what cannot be tracked: a broken symlink, a pipe, a name that is not UTF-8.
        """
        inside = path if not os.path.isabs(path) and not path.startswith("../") else None
        return self._walk(self.absolute(path), "", inside, whole)

    def _walk(self, folder: str, prefix: str, inside: str | None, whole: bool) -> Iterator[Folder]:
        with os.scandir(folder) as scan:
            entries = {entry.name: entry for entry in scan}
        if ".dvc" in entries and entries[".dvc"].is_dir():
            return  # a project of its own
        folders = [name for name, entry in entries.items() if entry.is_dir(follow_symlinks=False)]
        known = set(folders)
        names = [name for name in entries if name not in known] if folders else list(entries)
        if inside is not None:
            folders, names = self.ignore.names(f"{inside}/{prefix}".rstrip("/"), folders, names)
        if IGNORE_FILE in names:
            raise PipelineError(f"{folder}/{IGNORE_FILE}: a {IGNORE_FILE} file cannot be inside a tracked directory")
        _refuse_non_utf8(folder, names)
        files = []
        linked = set()
        for name in names:
            entry = entries[name]
            try:
                found = entry.stat()
            except FileNotFoundError:
                if not whole and _is_lost(entry.path):
                    continue
                raise PipelineError(f"{entry.path}: is a broken symlink") from None
            if found.st_mode & 0o170000 == 0o100000:
                files.append((name, (found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)))
                if found.st_nlink > 1 or entry.is_symlink():
                    linked.add(name)
            elif not stat.S_ISDIR(found.st_mode):  # a symlink to a folder is no content
                raise PipelineError(f"{entry.path}: is not a file or directory")
        del entries
        yield Folder(folder, prefix, files, linked)
        del files, linked
        for name in folders:
            yield from self._walk(f"{folder}/{name}", f"{prefix}{name}/", inside, whole)

    def hash_file(self, absolute: str, found: os.stat_result, *, legacy: bool = False) -> str:
        """MD5 of a file whose stat is `found`, from the memo if it was not touched since it was last read."""
        md5 = self.memo.file(absolute, found, legacy=legacy)
        return self._hash(absolute, stamp(found), legacy)[0] if md5 is None else md5

    def _hash(self, absolute: str, found: Stamp, legacy: bool) -> tuple[str, bool]:
        """MD5 of a file that must be read, and whether all that was read surely is what `found` stands for."""
        read_at = time.time_ns()
        with open(absolute, "rb", buffering=0) as stream:
            md5, _ = hash_stream(stream, legacy=legacy)
            after = os.fstat(stream.fileno())
        is_sure = stamp(after) == found and not is_racy(found[1], read_at)
        if is_sure:
            self.memo.remember_file(absolute, after, md5, read_at, legacy=legacy)
        progress.done()
        return md5, is_sure


_KEPT = 50_000  # files of a directory whose names and stamps are kept until their digests are asked for


def _is_lost(link: str) -> bool:
    """Does a broken symlink lead to what has the name of an object in a cache?"""
    try:
        place = os.readlink(link).replace(os.sep, "/").split("/")[-2:]
    except OSError:
        return False
    digest = Digest.of_key("/".join(place))
    return digest is not None and not digest.is_dir


def _refuse_non_utf8(folder: str, names: list[str]) -> None:
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        bad = next(name for name in names if not _is_utf8(name))
        shown = os.fsencode(f"{folder}/{bad}").decode("utf-8", "backslashreplace")
        raise PipelineError(f"{shown}: the name is not UTF-8, which a directory manifest cannot hold") from None


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def measured_folder(files: Mapping[str, tuple[Digest, int]], *, legacy: bool = False) -> Measured:
    """The directory that holds exactly `files`: path below it -> (digest, size)."""
    digest = manifest_digest({name: one for name, (one, _) in files.items()}, legacy=legacy)
    return Measured(Content(digest, sum(size for _, size in files.values()), len(files)), files)

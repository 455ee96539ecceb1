"""Reading the index and commits: which files are there, and what their blobs hold.

Two backends answer the same three questions: the `git` program, which can read everything, and pygit2, which answers
thousands of questions faster once it is loaded. `Switching` goes over to the program at pygit2's first failure.
"""

from __future__ import annotations

import bisect
import contextlib
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence

from gitstage.git.program import EMPTY_TREE, Blobs, Program, chunks, parents, split_names
from gitstage.static import Any, NamedTuple, Protocol

SYMLINK, SUBMODULE = 0o120000, 0o160000
EMPTY_BLOB = {
    "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
}
_MANY = 500  # paths from which on one listing of everything is cheaper: Git compares each entry with each of them

_PATTERNS = ("*.dvc", "*dvc.yaml", "*dvc.lock", "*.dvcignore", "*.gitattributes", "*.dvc/config")


class Entry(NamedTuple):
    """A file of the index or a commit: `path` from the top of the work tree, Git's `mode`, the object's `id`."""

    path: str
    mode: int
    id: str


class Objects(Protocol):
    """One state of the repository's files. Paths count from the top of the work tree; "" is the top itself."""

    def entries(self, paths: Collection[str]) -> list[Entry]:
        """Every file at or below one of `paths`. Unmerged and intent-to-add entries are left out."""

    def special(self) -> list[Entry]:
        """The files a pipeline is made of, wherever they lie: see `is_special`."""

    def each(self, ids: Sequence[str], use: Callable[[str, bytes], None]) -> None:
        """Call `use(id, content)` for every blob. Raises GitstageError if one is missing."""


def is_special(path: str) -> bool:
    """Is it a pipeline file, a lock, ignore rules, attributes, or the configuration that marks a project?"""
    name = path.rpartition("/")[2]
    return (
        name in ("dvc.yaml", "dvc.lock", ".dvcignore", ".gitattributes")
        or name.endswith(".dvc")
        or path == ".dvc/config"
        or path.endswith("/.dvc/config")
    )


class _ProgramObjects(ABC):
    def __init__(self, program: Program, blobs: Blobs) -> None:
        self._program, self._blobs = program, blobs

    def entries(self, paths: Collection[str]) -> list[Entry]:
        if not paths:
            return []
        if "" in paths:
            return self._list(())
        if len(paths) > _MANY:
            wanted = set(paths)
            return [entry for entry in self._list(()) if any(part in wanted for part in parents(entry.path))]
        found = {entry.path: entry for part in chunks(sorted(paths)) for entry in self._list(part)}
        return list(found.values())

    @abstractmethod
    def _list(self, paths: Sequence[str]) -> list[Entry]:
        """The entries at and below `paths`; all of them if there are none."""

    def each(self, ids: Sequence[str], use: Callable[[str, bytes], None]) -> None:
        self._blobs.each(ids, use)


class ProgramIndex(_ProgramObjects):
    """The index, through `git ls-files`."""

    def __init__(self, program: Program, blobs: Blobs, index_path: str) -> None:
        super().__init__(program, blobs)
        self._path = index_path

    def _list(self, paths: Sequence[str]) -> list[Entry]:
        args = ["--literal-pathspecs", "ls-files", "-s", "-z", "--", *paths]
        return merged(self._program, self._path, _staged_entries(self._program.run(*args)))

    def special(self) -> list[Entry]:
        found = _staged_entries(self._program.run("ls-files", "-s", "-z", "--", *_PATTERNS))
        return merged(self._program, self._path, [entry for entry in found if is_special(entry.path)])


class ProgramCommit(_ProgramObjects):
    """A commit, through `git ls-tree`."""

    def __init__(self, program: Program, blobs: Blobs, commit: str) -> None:
        super().__init__(program, blobs)
        self._commit = commit

    def _list(self, paths: Sequence[str]) -> list[Entry]:
        args = ["--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", self._commit, "--", *paths]
        found = []
        for record in self._program.run(*args).split(b"\0"):
            head, _, path = record.partition(b"\t")
            if path:
                mode, _, id_ = head.decode().split(" ")
                found.append(Entry(os.fsdecode(path), int(mode, 8), id_))
        return found

    def special(self) -> list[Entry]:
        # ls-tree knows no wildcards; a diff with nothing does
        args = ["diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", EMPTY_TREE[len(self._commit)]]
        fields = self._program.run(*args, self._commit, "--", *_PATTERNS).split(b"\0")
        found = []
        for head, path in zip(fields[::2], fields[1::2], strict=False):
            _, mode, _, id_, _ = head.decode().split(" ")
            found.append(Entry(os.fsdecode(path), int(mode, 8), id_))
        return [entry for entry in found if is_special(entry.path)]


def _staged_entries(output: bytes) -> list[Entry]:
    found = []
    for record in output.split(b"\0"):
        head, _, path = record.partition(b"\t")
        if path:
            mode, id_, stage = head.decode().split(" ")
            if stage == "0":
                found.append(Entry(os.fsdecode(path), int(mode, 8), id_))
    return found


def merged(program: Program, index_path: str, entries: list[Entry]) -> list[Entry]:
    """Leave out what `git add -N` only announced: an entry with the empty blob that no commit would contain."""
    empty = {entry.path for entry in entries if entry.id in EMPTY_BLOB}
    if not empty or not _may_hold_intents(index_path):
        return entries
    tree = EMPTY_TREE[len(entries[0].id)]
    args = ["--literal-pathspecs", "diff-index", "--cached", "--name-only", "-z", "--no-renames"]
    args += ["--ita-invisible-in-index", tree, "--"]
    for part in [[]] if len(empty) > _MANY else chunks(sorted(empty)):
        empty.difference_update(split_names(program.run(*args, *part)))
    return [entry for entry in entries if entry.path not in empty]


def _may_hold_intents(index_path: str) -> bool:
    """Only version 3 and later hold the flag. Source: Git's Documentation/gitformat-index."""
    try:
        with open(index_path, "rb") as stream:
            version = stream.read(8)[4:]
        names = os.listdir(os.path.dirname(index_path))
    except OSError:
        return False
    return version != b"\0\0\0\2" or any(name.startswith("sharedindex.") for name in names)


# -- pygit2 --------------------------------------------------------------------------------------------------


def library_errors() -> tuple[type[BaseException], ...]:
    """What pygit2 raises when it cannot read something; missing objects are a plain KeyError."""
    library = sys.modules.get("pygit2")
    own = (library.GitError,) if library is not None else ()
    return (ImportError, KeyError, ValueError, OSError, *own)


class Library:
    """A repository opened with pygit2. Raises one of `library_errors` where that would read something else than Git.

    It is opened by its git dir, and the index by its path, so none of the GIT_* variables of a hook matters.
    """

    def __init__(self, git_dir: str, common_dir: str, env: dict[str, str]) -> None:
        import pygit2

        if {"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_REPLACE_REF_BASE"} & env.keys():
            raise ValueError("objects elsewhere")
        if "GIT_NO_REPLACE_OBJECTS" not in env and _has_replacements(common_dir):
            raise ValueError("replaced objects")
        self._open: Any = pygit2.Repository
        try:
            self.repo = self._open(git_dir)
        except pygit2.GitError:
            # the git program has accepted this repository's owner; its rules are wider than libgit2's
            pygit2.settings.owner_validation = False
            self.repo = self._open(git_dir)
        self._below: dict[str, list[Entry]] = {}
        self._special: dict[str, list[Entry]] = {}

    def blob(self, id_: str) -> bytes:
        return bytes(self.repo[id_].data)

    def tree(self, commit: str) -> Any:
        import pygit2

        return self.repo[commit].peel(pygit2.Tree)

    def changed(self, old: str, new: str) -> list[str]:
        """Paths at which two commits differ."""
        found = self.tree(old).diff_to_tree(self.tree(new), context_lines=0)
        return [os.fsdecode(delta.new_file.raw_path) for delta in found.deltas]

    def open_index(self, path: str) -> Any:
        import pygit2

        class Index(pygit2.Index):  # type: ignore[misc]
            def __del__(self) -> None:
                with contextlib.suppress(AttributeError):  # of an index that could not be opened; it would be shown
                    super().__del__()

        if not os.path.exists(path):
            raise FileNotFoundError(path)  # pygit2 would show an empty index
        return Index(path)

    def below(self, tree: Any, *, special: bool = False) -> list[Entry]:
        """Every file of a tree, or the special ones, by its path below the tree; remembered by the tree's id."""
        known = self._special if special else self._below
        id_ = str(tree.id)
        if id_ not in known:
            found = []
            for item in tree:
                name = os.fsdecode(item.raw_name)
                if item.filemode == 0o040000:
                    for entry in self.below(item, special=special):
                        found.append(Entry(f"{name}/{entry.path}", entry.mode, entry.id))
                elif not special or name == "config" or is_special(name):
                    found.append(Entry(name, int(item.filemode), str(item.id)))
            known[id_] = found
        return known[id_]


def _has_replacements(common_dir: str) -> bool:
    folder = os.path.join(common_dir, "refs", "replace")
    if os.path.isdir(folder) and os.listdir(folder):
        return True
    try:
        with open(os.path.join(common_dir, "packed-refs"), "rb") as stream:
            return b" refs/replace/" in stream.read()
    except OSError:
        return False


class LibraryCommit:
    """A commit, through pygit2."""

    def __init__(self, library: Library, commit: str) -> None:
        self._library = library
        self._tree = library.tree(commit)

    def entries(self, paths: Collection[str]) -> list[Entry]:
        found: dict[str, Entry] = {}
        for path in paths:
            item = self._at(path)
            if item is None:
                continue
            if path and item.filemode != 0o040000:
                found[path] = Entry(path, int(item.filemode), str(item.id))
                continue
            for entry in self._library.below(item):
                name = f"{path}/{entry.path}" if path else entry.path
                found[name] = Entry(name, entry.mode, entry.id)
        return list(found.values())

    def _at(self, path: str) -> Any:
        item, is_folder = self._tree, True
        for name in path.split("/") if path else ():
            # by hand, because a KeyError of tree[path] may be an absent path or a missing object
            if not is_folder or name not in item:
                return None
            item = item[name]
            is_folder = item.filemode == 0o040000
        return item

    def special(self) -> list[Entry]:
        return [entry for entry in self._library.below(self._tree, special=True) if is_special(entry.path)]

    def blob(self, id_: str) -> bytes:
        return self._library.blob(id_)


class LibraryIndex:
    """The index, through pygit2; it is looked up in, never walked through."""

    def __init__(self, library: Library, program: Program, path: str) -> None:
        self._library, self._program, self._path = library, program, path
        self._index = library.open_index(path)
        self._unmerged = {one.path for three in self._index.conflicts or () for one in three if one is not None}

    def entries(self, paths: Collection[str]) -> list[Entry]:
        found: dict[str, Entry] = {}
        for path in paths:
            for item in self._items(path):
                if item.path not in self._unmerged:
                    found[item.path] = Entry(item.path, int(item.mode), str(item.id))
        return merged(self._program, self._path, list(found.values()))

    def _items(self, path: str) -> Iterator[Any]:
        index = self._index
        if path and path in index:
            if path not in self._unmerged:
                yield index[path]
            return
        prefix = os.fsencode(f"{path}/" if path else "")
        at = bisect.bisect_left(range(len(index)), prefix, key=lambda i: os.fsencode(index[i].path))
        while at < len(index) and os.fsencode((item := index[at]).path).startswith(prefix):
            yield item
            at += 1

    def blob(self, id_: str) -> bytes:
        return self._library.blob(id_)


class Switching:
    """Asks pygit2 until it fails, then the program for good. Neither the answers nor the user see the difference."""

    def __init__(self, fast: Callable[[], LibraryCommit | LibraryIndex], slow: Objects) -> None:
        self._slow = slow
        self._fast: LibraryCommit | LibraryIndex | None = None
        try:
            self._fast = fast()
        except library_errors() as error:
            self._give_up(error)

    @property
    def uses_library(self) -> bool:
        return self._fast is not None

    def _give_up(self, error: BaseException) -> None:
        import logging  # here, because it costs more than the rest of this module

        logging.getLogger(__name__).debug("pygit2 cannot read this repository, asking git: %r", error)
        self._fast = None

    def entries(self, paths: Collection[str]) -> list[Entry]:
        if self._fast is not None:
            try:
                return self._fast.entries(paths)
            except library_errors() as error:
                self._give_up(error)
        return self._slow.entries(paths)

    def special(self) -> list[Entry]:
        if isinstance(self._fast, LibraryCommit):
            try:
                return self._fast.special()
            except library_errors() as error:
                self._give_up(error)
        return self._slow.special()

    def each(self, ids: Sequence[str], use: Callable[[str, bytes], None]) -> None:
        for done, id_ in enumerate(ids):
            content = self._blob(id_)
            if content is None:
                self._slow.each(ids[done:], use)
                return
            use(id_, content)

    def _blob(self, id_: str) -> bytes | None:
        if self._fast is not None:
            try:
                return self._fast.blob(id_)
            except library_errors() as error:
                self._give_up(error)
        return None

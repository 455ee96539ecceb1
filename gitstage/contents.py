"""What lies in a project at one time: its files, and the outputs that are recorded, whether they are there or not."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gitstage.digest import Digest
from gitstage.errors import GitstageError
from gitstage.pipeline import is_inside, is_outside
from gitstage.project import Project
from gitstage.snapshot import Snapshot, at_commit


@dataclass(frozen=True, slots=True)
class Item:
    """A file or folder. `path` is root-relative; `size` in bytes, of an output folder that of its files, None if it is
    not known; `digest`: what is recorded, of outputs and what lies in them only."""

    path: str
    is_dir: bool
    is_out: bool = False
    is_exec: bool = False
    size: int | None = None
    digest: Digest | None = None

    @property
    def name(self) -> str:
        return posixpath.basename(self.path)


class Contents:
    """The files and outputs of one state of `project`: of commit `rev`, or of the work tree."""

    def __init__(self, project: Project, rev: str | None = None) -> None:
        self._project = project
        self._snapshot = Snapshot("", project, project.worktree) if rev is None else at_commit(project, rev)
        self._committed = None if rev is None else _committed(project, rev)
        self._outs = self._all_outs()

    def item(self, path: str) -> Item:
        """What lies at a root-relative path ("" is the root). Raises GitstageError if nothing does."""
        if not path:
            return Item("", True)
        folder, name = posixpath.split(path)
        found = self.children(folder).get(name)
        if found is None:
            raise GitstageError(f"{path}: does not exist")
        return found

    def children(self, folder: str, *, outs_only: bool = False) -> dict[str, Item]:
        """What lies directly in a folder, by name, sorted. `outs_only`: outputs, and folders that lead to some."""
        found: dict[str, Item] = {}
        if not outs_only:
            found = self._on_disk(folder) if self._committed is None else dict(self._committed.get(folder, {}))
        for name, recorded in self._recorded(folder).items():
            there = found.get(name)
            if there is None:
                found[name] = recorded
            elif recorded.is_out:
                size = recorded.size if there.is_dir else there.size
                found[name] = Item(there.path, there.is_dir, True, there.is_exec, size, recorded.digest)
        return dict(sorted(found.items()))

    def below(self, folder: str, depth: int | None = None, *, outs_only: bool = False) -> Iterator[Item]:
        """Every file below a folder, and the folders at `depth` (1: directly in it), where the walk ends.

        An output folder of which nothing is there, no manifest either, is given as the folder.
        """
        for item in self.children(folder, outs_only=outs_only).values():
            goes_on = item.is_dir and (depth is None or depth > 1)
            inside = list(self.below(item.path, depth and depth - 1, outs_only=outs_only)) if goes_on else []
            if goes_on and (inside or item.digest is None):
                yield from inside
            else:
                yield item

    def size(self, item: Item) -> int:
        """Bytes of a file, or of all files below a folder; 0 for what is not known."""
        if not item.is_dir:
            return item.size or 0
        inside = list(self.below(item.path))
        return sum(one.size or 0 for one in inside) if inside else item.size or 0

    # -- where answers come from ---------------------------------------------------------------------------

    def _on_disk(self, folder: str) -> dict[str, Item]:
        worktree = self._project.worktree
        try:
            with os.scandir(worktree.absolute(folder)) as scan:
                entries = {entry.name: entry for entry in scan}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        folders = [name for name, entry in entries.items() if entry.is_dir()]
        known = set(folders)
        folders, files = worktree.ignore.names(folder, folders, [name for name in entries if name not in known])
        found = {}
        for name in (*folders, *files):
            path = posixpath.join(folder, name)
            try:
                status = entries[name].stat()
            except OSError:  # a broken symlink
                found[name] = Item(path, False, size=0)
                continue
            is_dir = stat.S_ISDIR(status.st_mode)
            is_exec = not is_dir and bool(status.st_mode & stat.S_IXUSR)
            found[name] = Item(path, is_dir, False, is_exec, None if is_dir else status.st_size)
        return found

    def _all_outs(self) -> dict[str, dict[str, Item]]:
        """Folder -> the outputs in it, and the folders that lead to others, by name."""
        found: dict[str, dict[str, Item]] = {}
        for stage in self._snapshot.pipeline.stages:
            for out in stage.outs:
                if not out.cache or is_outside(out.path):
                    continue
                entry = stage.record.outs.get(out.spelled) if stage.record else None
                digest = entry.digest if entry else None
                raw: Mapping[str, object] = entry.raw if entry else {}
                size = raw.get("size")
                folder, name = posixpath.split(out.path)
                found.setdefault(folder, {})[name] = Item(
                    out.path, digest is not None and digest.is_dir, True, bool(raw.get("isexec")),
                    size if isinstance(size, int) else None, digest,
                )  # fmt: skip
                while folder:
                    above, name = posixpath.split(folder)
                    found.setdefault(above, {}).setdefault(name, Item(folder, True))
                    folder = above
        return found

    def _recorded(self, folder: str) -> dict[str, Item]:
        """The outputs directly in a folder, or what the manifest says if the folder is one, or lies in one."""
        owner = self._snapshot.pipeline.owner(folder)
        if owner is None:
            return self._outs.get(folder, {})
        stage, out = owner
        digest = stage.recorded(out)
        cache = self._project.cache
        listing = cache.manifest(digest) if digest is not None and digest.is_dir else None
        found: dict[str, Item] = {}
        for path, one in (listing or {}).items():
            full = posixpath.join(out.path, path)
            if not is_inside(full, folder):
                continue
            name, slash, _ = full[len(folder) + 1 :].partition("/")
            where = posixpath.join(folder, name)
            found.setdefault(
                name, Item(where, True, True) if slash else Item(where, False, True, False, _size(cache.path(one)), one)
            )
        return found


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _committed(project: Project, rev: str) -> dict[str, dict[str, Item]]:
    """Folder -> what a commit has directly in it."""
    assert project.repo is not None
    found: dict[str, dict[str, Item]] = {}
    for path, mode, size in project.repo.committed(rev, project.prefix):
        folder, name = posixpath.split(path)
        if path.startswith(".dvc/"):
            continue
        found.setdefault(folder, {})[name] = Item(path, size is None, False, mode == 0o100755, size)
        while folder:
            above, name = posixpath.split(folder)
            found.setdefault(above, {}).setdefault(name, Item(folder, True))
            folder = above
    return found

"""What lies in a project at one time: its files, and the outputs that are recorded, whether they are there or not."""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from gitstage.digest import Digest
from gitstage.errors import CacheMiss, GitstageError, NoProject
from gitstage.git.clone import is_relative
from gitstage.pipeline import is_inside, is_outside
from gitstage.project import Project, opened_at
from gitstage.snapshot import Snapshot, at_commit
from gitstage.sources import Repository, temporary_cache


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


class Listing(ABC):
    """Files and folders, by `children`."""

    @abstractmethod
    def children(self, folder: str, *, outs_only: bool = False) -> dict[str, Item]:
        """What lies directly in a folder, by name, sorted. `outs_only`: outputs, and folders that lead to some."""

    def item(self, path: str) -> Item:
        """What lies at a root-relative path ("" is the root). Raises GitstageError if nothing does."""
        if not path:
            return Item("", True)
        folder, name = posixpath.split(path)
        found = self.children(folder).get(name)
        if found is None:
            raise GitstageError(f"{path}: does not exist")
        return found

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


class AtUrl(Listing):
    """The files at a URL, of which only sizes are known: file name below it ("": it is a file) -> bytes."""

    def __init__(self, files: Mapping[str, int | None]) -> None:
        self._folders = _by_folder((name, Item(name, False, size=size)) for name, size in files.items() if name)

    def children(self, folder: str, *, outs_only: bool = False) -> dict[str, Item]:
        return dict(sorted(self._folders.get(folder, {}).items()))


class Contents(Listing):
    """The files and outputs of one state of `project`: of commit `rev`, or of the work tree.

    `fetch` is told the manifests that are asked for and that the cache lacks.
    """

    def __init__(
        self, project: Project, rev: str | None = None, fetch: Callable[[Digest], object] | None = None
    ) -> None:
        self._project, self._fetch = project, fetch
        self._snapshot = Snapshot("", project, project.worktree) if rev is None else at_commit(project, rev)
        self._committed = None if rev is None else _committed(project, rev)
        self._outs = self._all_outs()

    def children(self, folder: str, *, outs_only: bool = False) -> dict[str, Item]:
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
        found: list[tuple[str, Item]] = []
        for stage in self._snapshot.pipeline.stages:
            for out in stage.outs:
                if not out.cache or is_outside(out.path):
                    continue
                entry = stage.record.outs.get(out.spelled) if stage.record else None
                digest = entry.digest if entry else None
                raw: Mapping[str, object] = entry.raw if entry else {}
                size = raw.get("size")
                found.append((out.path, Item(  # as in DVC, only a file that is there can be executable
                    out.path, digest is not None and digest.is_dir, True, False,
                    size if isinstance(size, int) else None, digest,
                )))  # fmt: skip
        return _by_folder(found)

    def _recorded(self, folder: str) -> dict[str, Item]:
        """The outputs directly in a folder, or what the manifest says if the folder is one, or lies in one."""
        owner = self._snapshot.pipeline.owner(folder)
        if owner is None:
            return self._outs.get(folder, {})
        stage, out = owner
        digest = stage.recorded(out)
        cache = self._project.cache
        if self._fetch is not None and digest is not None and digest.is_dir and cache.manifest(digest) is None:
            self._fetch(digest)
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
    return _by_folder(
        (path, Item(path, size is None, False, mode == 0o100755, size))
        for path, mode, size in project.repo.committed(rev, project.prefix)
        if not path.startswith(".dvc/")
    )


def _by_folder(items: Iterable[tuple[str, Item]]) -> dict[str, dict[str, Item]]:
    """Folder -> the items in it, and the folders that lead to others, by name."""
    found: dict[str, dict[str, Item]] = {}
    for path, item in items:
        folder, name = posixpath.split(path)
        found.setdefault(folder, {})[name] = item
        while folder:
            above, name = posixpath.split(folder)
            found.setdefault(above, {}).setdefault(name, Item(folder, True))
            folder = above
    return found


@contextlib.contextmanager
def opened_contents(
    url: str, path: str | None, rev: str | None, *, remote: str | None = None,
    settings: Mapping[str, str] | None = None, config: str | None = None,
) -> Iterator[tuple[Project, Contents, str]]:  # fmt: skip
    """The project at a folder, or in the Git repository at a URL; what it has at `rev`; and where `path` is in it.

    `remote`, `settings` and `config` as of Repository: where manifests of directories are fetched from that are not
    here. Raises GitstageError in Git's words, or if there is no such commit.
    """
    is_here = os.path.isdir(url) and not os.path.isfile(os.path.join(url, "HEAD"))  # which a bare repository has
    if not is_here and not os.path.isdir(url) and (is_relative(url) or os.path.isabs(url)):
        raise NoProject(f"{url}: is no folder")
    if is_here and not (remote or settings or config):
        with opened_at(url) as project:
            yield project, Contents(project, rev), project.inside(path)
        return
    with tempfile.TemporaryDirectory(prefix="gitstage-") as folder:
        repository = Repository(url, os.getcwd(), folder, remote, settings or {}, config)
        commit = repository.clone.resolve(rev)
        if is_here:
            with opened_at(url) as project:
                fetch = _fetcher(repository, commit, project)
                yield project, Contents(project, rev, fetch), project.inside(path)
            return
        asked = posixpath.normpath((path or "").strip("/") or ".")
        prefix = repository.project_of(commit, "" if asked == "." or is_outside(asked) else asked) or ""
        with Project.of_tree(
            repository.clone.repo, prefix, repository.read(commit, posixpath.join(prefix, CONFIG))
        ) as project:
            project.__dict__["cache"] = temporary_cache(folder)
            inner = posixpath.relpath(asked, prefix or ".")
            yield project, Contents(project, commit, _fetcher(repository, commit, project)), project.inside(inner)


CONFIG = ".dvc/config"


def _fetcher(repository: Repository, commit: str, project: Project) -> Callable[[Digest], object]:
    def fetch(digest: Digest) -> None:
        with contextlib.suppress(CacheMiss):  # then the folder is all that can be shown
            repository.manifest(commit, project.prefix, digest, project.cache)

    return fetch

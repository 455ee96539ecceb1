"""States of the project to read results from: the work tree, and commits with the outputs that the cache has for them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from gitstage.errors import GitstageError, NoProject
from gitstage.pipeline import Pipeline
from gitstage.project import Project
from gitstage.recorded import Recorded
from gitstage.tree import Tree

WORKSPACE = "workspace"
"""What DVC calls the work tree where a revision could stand."""


@dataclass(frozen=True)
class Snapshot:
    """One state. `name`: the revision as it was asked for, or "workspace"."""

    name: str
    project: Project
    tree: Tree

    @cached_property
    def pipeline(self) -> Pipeline:
        """Raises FormatError or PipelineError if that state's pipeline files are invalid."""
        if self.tree is self.project.worktree:
            return self.project.pipeline
        return self.project.pipeline_of(self.tree)

    @cached_property
    def recorded(self) -> Recorded:
        return Recorded(self.pipeline, self.project.cache)

    def read(self, path: str) -> bytes | None:
        """A file's bytes; an output that is not in the tree comes from the cache. None if it is in neither."""
        data = self.tree.read(path)
        return self.recorded.read(path) if data is None else data

    def files(self, path: str) -> list[str]:
        """`path` if it is a file or absent; all files below it, sorted, if it is a directory."""
        if self.tree.read(path) is not None:
            return [path]
        listing = self.tree.listing(path)
        if listing is None:
            listing = self.recorded.listing(path)
        return [path] if listing is None else [posixpath.join(path, name) for name in sorted(listing)]


def snapshots(
    project: Project, revs: Sequence[str] = (), *, branches: bool = False, tags: bool = False, commits: bool = False
) -> Iterator[Snapshot]:
    """The work tree, then each commit that `revs` and the three options name, once, under all its names, as in
    "main,v1"; without any of them the work tree alone, named "". Commits without the project are left out.

    Raises GitstageError for a revision that is none, NoProject without Git.
    """
    if not (revs or branches or tags or commits):
        yield Snapshot("", project, project.worktree)
        return
    yield Snapshot(WORKSPACE, project, project.worktree)
    names = [rev for rev in revs if rev != WORKSPACE]
    named: dict[str, list[str]] = {}
    for name, commit in _resolved(project, names, branches=branches, tags=tags, commits=commits):
        if name not in named.setdefault(commit, []):
            named[commit].append(name)
    for commit, all_names in named.items():
        if project.prefix and project.repo is not None and not project.repo.holds(commit, project.prefix):
            continue
        yield at_commit(project, commit, ",".join(all_names))


def in_order(project: Project, names: Sequence[str]) -> list[Snapshot]:
    """The state that each name stands for, the work tree ("workspace") first. Raises as `at_commit`."""
    found = [Snapshot(WORKSPACE, project, project.worktree)] if WORKSPACE in names else []
    return found + [at_commit(project, name) for name in dict.fromkeys(names) if name != WORKSPACE]


def at_commit(project: Project, rev: str, name: str | None = None) -> Snapshot:
    """The state that commit `rev` holds. Raises GitstageError if it is none, NoProject without Git."""
    if project.repo is None:
        raise NoProject("without Git there are no earlier states")
    return Snapshot(name or rev, project, project.repo.commit(rev, project.prefix, project.memo))


def _resolved(
    project: Project, revs: Sequence[str], *, branches: bool, tags: bool, commits: bool
) -> Iterator[tuple[str, str]]:
    """(name, full id) of commits."""
    repo = project.repo
    if repo is None:
        raise NoProject("without Git there are no earlier states")
    for rev in revs:
        commit = repo.id(rev)
        if commit is None:
            raise GitstageError(f"{rev}: is no commit here")
        yield rev, commit
    if commits:
        yield from ((commit, commit) for commit in repo.commits())
        return
    if branches:
        yield from repo.refs("refs/heads/").items()
    if tags:
        yield from repo.refs("refs/tags/").items()

"""`git stage gc`: which objects of the cache nothing needs, and their removal.

An object is needed by every state of the project that somebody may return to without asking: the work trees, their
indexes and the commits that are checked out in them, stashes, a merge or rebase under way, and whatever else the user
names. Where a state cannot be read as a pipeline, everything in it that looks like a digest counts.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gitstage.digest import Digest
from gitstage.errors import ConfigError, GitstageError
from gitstage.git import Repo
from gitstage.locks import RepoLock
from gitstage.pipeline import LOCK_FILE, Pipeline
from gitstage.project import Project
from gitstage.tree import Tree, WorkTree

_DIGEST = re.compile(rb"\b([0-9a-f]{32})(\.dir)?\b")
_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD", "BISECT_HEAD")
_FILES_UNDER_WAY = (
    "rebase-merge/orig-head",
    "rebase-merge/autostash",
    "rebase-apply/orig-head",
    "rebase-apply/autostash",
)
_TICK = 20_000_000  # ns: how coarse a file system's clock may be


@dataclass(frozen=True, slots=True)
class Scope:
    """Of which states the objects are needed, beside what is always needed (see above).

    `revs`: any names Git knows; `num`: how many commits back from each of them and of the branches, along first
    parents (negative: all); `since`: commits of this time (seconds since 1970) and later.
    """

    workspace: bool = False
    branches: bool = False
    tags: bool = False
    commits: bool = False
    experiments: bool = False
    revs: tuple[str, ...] = ()
    num: int = 1
    since: float | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.workspace or self.branches or self.tags or self.commits or self.experiments or self.revs) and (
            self.since is None
        )


@dataclass(frozen=True, slots=True)
class Unneeded:
    """An object that may go: `path` in the cache, `size` in bytes."""

    digest: Digest
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Collection:
    """What a collection would do. `needed`: the objects that are needed, those that are missing too; `unknown`:
    directories whose manifest is missing, so that nobody knows which files they need."""

    unneeded: tuple[Unneeded, ...]
    needed: frozenset[Digest]
    unknown: tuple[Digest, ...]


@contextlib.contextmanager
def all_worktrees_locked(project: Project) -> Iterator[None]:
    """No other command writes in a linked work tree of the repository, which may have the same cache, meanwhile.

    The project's own lock is held by the caller. Raises Busy if another one is not free within ten seconds.
    """
    with contextlib.ExitStack() as stack:
        for root in other_roots(project):
            tmp = os.path.join(root, ".dvc", "tmp")
            hardlink = project.config.hardlink_lock
            stack.enter_context(RepoLock(tmp, timeout=10, hardlink_lock=hardlink, optional=True))
        yield


def other_roots(project: Project) -> list[str]:
    """Where the project lies in the repository's other work trees, in a fixed order."""
    repo = project.repo
    if repo is None:
        return []
    places = [os.path.normpath(os.path.join(place, project.prefix)) for place in repo.worktrees()]
    here = os.path.realpath(project.root)
    return sorted(
        place for place in places if os.path.isdir(os.path.join(place, ".dvc")) and os.path.realpath(place) != here
    )


def plan(
    project: Project,
    scope: Scope,
    others: Sequence[Project] = (),
    elsewhere: Callable[[set[Digest]], set[Digest]] | None = None,
) -> Collection:
    """Compare the cache with what is needed. `others`: projects that use the same cache. `elsewhere` tells which of the
    needed objects can be had again from somewhere else; they may go, too.

    Raises GitstageError for a revision that Git does not know, PipelineError if the work tree's own files are invalid.
    """
    started = time.time_ns()
    wanted: set[Digest] = set()
    for one in (project, *others):
        wanted |= _of_project(one, scope)
    needed, unknown = _with_contents(project, wanted)
    youngest = started - max(_TICK, _grace(project) * 1_000_000_000)
    kept = needed - elsewhere(needed) if elsewhere is not None else needed
    unneeded = []
    for digest, path in project.cache.objects():
        if digest in kept:
            continue
        found = os.lstat(path)
        if found.st_ctime_ns < youngest:  # what was written meanwhile is about to be recorded
            unneeded.append(Unneeded(digest, path, found.st_size))
    return Collection(tuple(unneeded), frozenset(needed), tuple(sorted(unknown)))


def apply(project: Project, planned: Collection) -> int:
    """Take the objects of a plan out of the cache, manifests first; returns how many went. Undo keeps them for a while, if
    they are not more than it may keep."""
    ordered = sorted(planned.unneeded, key=lambda each: (not each.digest.is_dir, each.path))
    if not project.journal.collect(project.cache, [(one.digest, one.size) for one in ordered]):
        for one in ordered:
            project.cache.remove(one.digest)
    return len(ordered)


def _grace(project: Project) -> int:
    """Seconds for which an object is safe after it was written. A cache that others use, too, gets an hour."""
    asked = project.repo.settings().get("gcgrace") if project.repo is not None else None
    if asked is None:
        return 3600 if project.is_cache_outside else 0
    if not asked.isdigit():
        raise ConfigError(f"gitstage.gcGrace: '{asked}' is no number of seconds", "git config --unset gitstage.gcGrace")
    return int(asked)


def _with_contents(project: Project, wanted: Iterable[Digest]) -> tuple[set[Digest], set[Digest]]:
    """With the files of directories; and the directories whose manifest is missing."""
    needed, unknown = set(wanted), set()
    recorded = {
        digest: out.path for stage in project.pipeline.stages for out in stage.outs if (digest := stage.recorded(out))
    }
    for digest in list(needed):
        if not digest.is_dir:
            continue
        listing = project.cache.manifest(digest)
        if listing is None and digest in recorded:  # a work tree whose files are links needs their objects all the same
            measured = project.worktree.measure(recorded[digest], legacy=digest.legacy)
            listing = measured.listing if measured is not None and measured.content.digest == digest else None
        if listing is None:
            unknown.add(digest)
        else:
            needed.update(listing.values())
    return needed, unknown


# -- states of the project ---------------------------------------------------------------------------------------------


def _of_project(project: Project, scope: Scope) -> set[Digest]:
    found = _of_pipeline(project.pipeline)
    repo = project.repo
    if repo is None:
        return found
    commits: dict[str, None] = {}
    for root in (project.root, *other_roots(project)):
        own = repo if root == project.root else Repo.discover(root)
        if own is None:
            continue
        if own is not repo:
            found |= _of_tree(project, WorkTree(root, project.memo, lambda own=own: _below(own, project)))  # type: ignore[misc]
        found |= _of_tree(project, own.index(project.prefix, project.memo, bulk=True))
        commits.update(dict.fromkeys(_current(own)))
    commits.update(dict.fromkeys(_stashes(repo)))
    commits.update(dict.fromkeys(revisions(repo, scope)))
    seen: set[frozenset[tuple[str, bytes]]] = set()
    for commit in commits:
        tree = repo.commit(commit, project.prefix, project.memo, bulk=True)
        texts = frozenset(_texts(tree))
        if texts not in seen and any(_DIGEST.search(data) for _, data in texts):
            pipeline = _load(project, tree)
            found |= _of_text(data for _, data in texts) if pipeline is None else _of_pipeline(pipeline)
            if pipeline is None or not pipeline.sources:  # else other files, too, say which outputs there are
                seen.add(texts)
    return found


def digests_by_commit(project: Project) -> Iterator[tuple[str, set[str]]]:
    """Every commit of any ref and stash, with all that looks like a digest (32 hex digits) in its pipeline files."""
    repo = project.repo
    if repo is None:
        return
    known: dict[frozenset[tuple[str, bytes]], set[str]] = {}
    for commit in dict.fromkeys([*revisions(repo, Scope(commits=True)), *_stashes(repo)]):
        texts = frozenset(_texts(repo.commit(commit, project.prefix, project.memo, bulk=True)))
        if texts not in known:
            known[texts] = {match[1].decode() for _, data in texts for match in _DIGEST.finditer(data)}
        yield commit, known[texts]


def _below(repo: Repo, project: Project) -> list[str]:
    return [project.from_repo(path) for path in repo.pipeline_files(project.prefix)]


def _of_tree(project: Project, tree: Tree) -> set[Digest]:
    pipeline = _load(project, tree)
    return _of_text(data for _, data in _texts(tree)) if pipeline is None else _of_pipeline(pipeline)


def _load(project: Project, tree: Tree) -> Pipeline | None:
    """None if a file in it is invalid."""
    try:
        return Pipeline.load(
            tree, project.root, bool_style=project.config.bool_style, list_style=project.config.list_style
        )
    except GitstageError:
        return None


def _of_text(texts: Iterable[bytes]) -> set[Digest]:
    return {
        Digest(match[1].decode(), bool(match[2]), legacy)
        for data in texts
        for match in _DIGEST.finditer(data)
        for legacy in (False, True)
    }


def _of_pipeline(pipeline: Pipeline) -> set[Digest]:
    recorded = (stage.recorded(out) for stage in pipeline.stages for out in stage.outs if out.cache)
    return {digest for digest in recorded if digest is not None}


def _texts(tree: Tree) -> Iterator[tuple[str, bytes]]:
    """Every pipeline file of a tree, locks included. Which stages a template makes is not seen from these alone."""
    for path in tree.pipeline_files():
        lock = posixpath.join(posixpath.dirname(path), LOCK_FILE)
        for one in (path, lock) if path.endswith("dvc.yaml") else (path,):
            data = tree.read(one)
            if data is not None:
                yield one, data


def _current(repo: Repo) -> Iterator[str]:
    """The commits that are checked out, or come into play when what is under way ends or is given up."""
    names = ["HEAD", *_UNDER_WAY]
    for name in _FILES_UNDER_WAY:
        with contextlib.suppress(OSError), open(os.path.join(repo.git_dir, name), encoding="utf-8") as stream:
            names.append(stream.read().strip())
    for name in names:
        id_ = _commit_id(repo, name)
        if id_ is not None:
            yield id_


def _stashes(repo: Repo) -> list[str]:
    """Each stash's commits: work tree, index, and files that were untracked."""
    lines = (
        repo.git("rev-list", "-g", "--parents", "--no-walk=unsorted", "refs/stash", check=False).decode().split("\n")
    )
    return [id_ for line in lines for id_ in line.split()]


def revisions(repo: Repo, scope: Scope) -> list[str]:
    """The ids of the commits that `scope` names. Raises GitstageError for a name that Git does not know."""
    found: dict[str, None] = {}
    for asked, refs, num in (
        (scope.branches, "refs/heads", scope.num), (scope.tags, "refs/tags", 1), (scope.experiments, "refs/exps", 1),
    ):  # fmt: skip
        for name in repo.git("for-each-ref", "--format=%(refname)", refs).decode().split("\n") if asked else ():
            id_ = _commit_id(repo, name) if name else None
            if id_ is not None:
                found.update(dict.fromkeys(_back(repo, id_, num)))
    for rev in scope.revs:
        id_ = _commit_id(repo, rev)
        if id_ is None:
            raise GitstageError(f"{rev}: is no commit here")
        found.update(dict.fromkeys(_back(repo, id_, scope.num)))
    if scope.commits or scope.since is not None:
        for line in repo.git("rev-list", "--all", "--timestamp").decode().splitlines():
            when, id_ = line.split(" ")
            if scope.commits or (scope.since is not None and int(when) >= scope.since):
                found[id_] = None
    return list(found)


def _commit_id(repo: Repo, name: str) -> str | None:
    asked = repo.git("rev-parse", "--verify", "-q", "--end-of-options", f"{name}^{{commit}}", check=False)
    return asked.decode().strip() or None


def _back(repo: Repo, commit: str, num: int) -> list[str]:
    if num == 1:
        return [commit]
    limit = [f"--max-count={num}"] if num >= 0 else []
    return repo.git("rev-list", "--first-parent", *limit, commit).decode().split()

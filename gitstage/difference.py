"""Which data changed between two states of the project, file by file also inside directory outputs.

A state is taken from what a pipeline recorded and the manifests in the cache, so that two commits are compared from Git's
objects alone; or from what lies in the work tree.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitstage.cache import Cache
from gitstage.digest import Digest
from gitstage.errors import NoProject, PipelineError
from gitstage.pipeline import Output, Pipeline, Stage, is_inside, join
from gitstage.project import Project
from gitstage.static import Literal
from gitstage.tree import WorkTree


@dataclass(frozen=True, slots=True)
class State:
    """The outputs kept in the cache, at one time.

    `entries`: root-relative path -> digest, of every output and of every file inside a directory output; a directory's
    own digest has `is_dir`. `unknown`: directories whose files cannot be told, because no manifest is there.
    """

    entries: Mapping[str, Digest]
    unknown: frozenset[str] = frozenset()

    def within(self, paths: Collection[str]) -> State:
        """The part that lies at or below `paths`."""
        return State(
            {path: digest for path, digest in self.entries.items() if any(is_inside(path, one) for one in paths)},
            frozenset(path for path in self.unknown if any(is_inside(path, one) for one in paths)),
        )

    def outputs(self) -> State:
        """The same without the files inside directories."""
        folders = {path for path, digest in self.entries.items() if digest.is_dir}
        return State({p: d for p, d in self.entries.items() if d.is_dir or not _inside_one(p, folders)}, self.unknown)


Kind = Literal["added", "deleted", "modified", "renamed", "unknown", "unchanged"]


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs. `path` is the later one; `old_path` differs from it for "renamed" only.

    `old` and `new`: digests, None where there is nothing. "unknown": a file of one state in a directory of which the other
    has no manifest, so that nothing can be said.
    """

    kind: Kind
    path: str
    old: Digest | None = None
    new: Digest | None = None
    old_path: str = ""

    @property
    def is_dir(self) -> bool:
        return any(digest is not None and digest.is_dir for digest in (self.old, self.new))


@dataclass(frozen=True, slots=True)
class Difference:
    """`changes`: all that `compare` found. `lost`: what the earlier state has and the cache has not."""

    changes: Sequence[Change]
    lost: Mapping[str, Digest]


def between(project: Project, old: str, new: str | None, targets: Sequence[str] = ()) -> Difference:
    """What changed from commit `old` to commit `new` (None: to what lies in the work tree).

    `targets`: only these outputs, stages, *.dvc files or paths inside directory outputs. Raises GitstageError for a
    revision that is none, PipelineError for a target that neither state has.
    """
    repo = project.repo
    if repo is None:
        raise NoProject("without Git there is no earlier state to compare with")
    if repo.head() is None:
        return Difference((), {})
    pipelines = [
        project.pipeline if rev is None else project.pipeline_of(repo.commit(rev, project.prefix, project.memo))
        for rev in (old, new)
    ]
    before = recorded(pipelines[0], project.cache)
    after = present(pipelines[1], project.worktree) if new is None else recorded(pipelines[1], project.cache)
    if targets:
        paths = [path for word in targets for path in _named(word, pipelines)]
        before, after = before.within(paths), after.within(paths)
    return Difference(compare(before, after), lost(before, project.cache) if new is None else {})


@dataclass(frozen=True, slots=True)
class Standing:
    """How data stands between the last commit, what is recorded, and the work tree.

    `committed`: from the last commit to the record; `uncommitted`: from the record to the work tree; both without what
    is unchanged. `unchanged` in both: path -> digest. `lost`: recorded, but not in the cache. `recorded`: all that is.
    """

    committed: Sequence[Change]
    uncommitted: Sequence[Change]
    unchanged: Mapping[str, Digest]
    lost: Mapping[str, Digest]
    recorded: Mapping[str, Digest]


def standing(project: Project, targets: Sequence[str] = (), *, granular: bool = False) -> Standing:
    """How the outputs kept in the cache stand. `targets`: only these outputs, or paths inside directory outputs;
    `granular`: also the files of directories. Raises PipelineError if a pipeline file is invalid."""
    repo = project.repo
    pipelines = [project.pipeline]
    now = recorded(project.pipeline, project.cache)
    there = present(project.pipeline, project.worktree)
    committed = State({})
    if repo is not None and repo.head() is not None:
        pipelines.append(project.pipeline_of(repo.commit("HEAD", project.prefix, project.memo)))
        committed = recorded(pipelines[1], project.cache)
    states = [committed, now, there]
    if targets:
        paths = [path for word in targets for path in _paths_of(word, pipelines)]
        states = [state.within(paths) for state in states]
    if not granular:
        states = [state.outputs() for state in states]
    committed, now, there = states
    since = [] if repo is None else compare(committed, now)
    found = compare(now, there)
    same = {change.path: change.new for change in found if change.kind == "unchanged" and change.new is not None}
    if repo is not None:
        kept = {change.path for change in since if change.kind == "unchanged"}
        same = {path: digest for path, digest in same.items() if path in kept}
    return Standing(_changed(since), _changed(found), same, lost(now, project.cache), now.entries)


def absent(project: Project, found: Standing, remote: str | None, *, check: bool = True) -> dict[str, Digest]:
    """What of the recorded data its remote lacks: that which the output names, else `remote`, else the default.

    Outputs that are never pushed are left out. `check`: whatever is recorded of earlier pushes. Raises ConfigError if
    there is no such remote.
    """
    wanted: dict[str | None, dict[str, Digest]] = {}
    for path, digest in found.recorded.items():
        owner = project.pipeline.owner(path)
        if owner is not None and owner[1].push:
            wanted.setdefault(owner[1].remote or remote, {})[path] = digest
    lacking: dict[str, Digest] = {}
    for name, entries in wanted.items():
        with contextlib.closing(project.remote(name)) as other:
            missing = other.missing(set(entries.values()), check=check)
        lacking.update((path, digest) for path, digest in entries.items() if digest in missing)
    return dict(sorted(lacking.items()))


def _changed(changes: Sequence[Change]) -> list[Change]:
    return [one for one in changes if one.kind != "unchanged" and not (one.kind == "unknown" and one.new is None)]


def _paths_of(word: str, pipelines: Sequence[Pipeline]) -> list[str]:
    """The paths that a target stands for; a word that nothing knows stands for itself, and so for nothing."""
    try:
        return list(_named(word, pipelines))
    except PipelineError:
        return [join(pipelines[0].cwd, word.rstrip("/"))]


def _named(word: str, pipelines: Sequence[Pipeline]) -> Iterator[str]:
    """The paths that a target stands for in any of `pipelines`."""
    refusal: PipelineError | None = None
    for pipeline in pipelines:
        try:
            for target in pipeline.find(word):
                outs = [target.out] if target.out else [out.path for out in target.stage.outs]
                yield from [target.path] if target.path else outs
        except PipelineError as error:
            if refusal is not None:
                raise
            refusal = error


def recorded(pipeline: Pipeline, cache: Cache) -> State:
    """What `pipeline` recorded of its outputs; manifests from `cache`."""
    entries: dict[str, Digest] = {}
    unknown = set()
    for stage, out in _outputs(pipeline):
        digest = stage.recorded(out)
        if digest is None:
            continue
        entries[out.path] = digest
        listing = cache.manifest(digest) if digest.is_dir else {}
        if listing is None:
            unknown.add(out.path)
            continue
        entries.update((f"{out.path}/{name}", one) for name, one in listing.items())
    return State(entries, frozenset(unknown))


def present(pipeline: Pipeline, worktree: WorkTree) -> State:
    """What lies in the work tree where `pipeline` has outputs."""
    entries: dict[str, Digest] = {}
    for stage, out in _outputs(pipeline):
        was = stage.recorded(out)
        measured = worktree.measure(out.path, legacy=was is not None and was.legacy)
        if measured is not None:
            entries[out.path] = measured.content.digest
            entries.update(measured.at(out.path))
    return State(entries)


def lost(state: State, cache: Cache) -> dict[str, Digest]:
    """Entries of `state` whose object `cache` has not."""
    return {path: digest for path, digest in state.entries.items() if not cache.has(digest)}


def compare(old: State, new: State) -> list[Change]:
    """Every path that either state has, with what became of it, sorted by path, that of a directory with a `/`.

    Renamed are an absent and a new path of the same digest; of several the first ones in the order of paths are paired.
    """
    found: list[Change] = []
    added: list[Change] = []
    deleted: dict[Digest, list[Change]] = {}
    for path in sorted(old.entries.keys() | new.entries.keys()):
        before, after = old.entries.get(path), new.entries.get(path)
        if before is not None and after is not None:
            found.append(Change("unchanged" if before == after else "modified", path, before, after, path))
        elif _inside_one(path, new.unknown if after is None else old.unknown):
            found.append(Change("unknown", path, before, after, path))
        elif after is not None:
            added.append(Change("added", path, None, after, path))
        elif before is not None:
            deleted.setdefault(before, []).append(Change("deleted", path, before, None, path))
    for change in added:
        gone = deleted.get(change.new) if change.new is not None else None
        if gone:
            change = Change("renamed", change.path, change.new, change.new, gone.pop(0).path)
        found.append(change)
    found += [change for left in deleted.values() for change in left]
    return sorted(found, key=lambda change: change.path + "/" * change.is_dir)


def _outputs(pipeline: Pipeline) -> Iterator[tuple[Stage, Output]]:
    for stage in pipeline.stages:
        for out in stage.outs:
            if out.cache and not out.path.startswith(("../", "/")):
                yield stage, out


def _inside_one(path: str, folders: Collection[str]) -> bool:
    """Does `path` lie below one of `folders`?"""
    while folders and path:
        path = path.rpartition("/")[0]
        if path in folders:
            return True
    return False

"""What targets and commits of a project need, and its way to and from the remotes."""

from __future__ import annotations

import contextlib
import fnmatch
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gitstage.errors import GitstageError, PipelineError
from gitstage.git.pushing import Changed
from gitstage.pipeline import Output, Pipeline, Stage, Target, join
from gitstage.project import Project
from gitstage.remote import Need, Outcome, Progress
from gitstage.targets import select
from gitstage.tree import Tree

Needs = dict[str | None, list[Need]]
"""By the remote that an output names; None: the one that was asked for, or the default."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Of which states of the project: the work tree, and `branches`, `tags`, all `commits`, or those that `revs` name;
    and which `targets` there (none: everything), as in targets.select. `glob`: targets are patterns; `max_size`: only
    outputs that are smaller (in bytes); `kinds`: only "metric" or "plot" outputs."""

    targets: tuple[str, ...] = ()
    with_deps: bool = False
    recursive: bool = False
    glob: bool = False
    branches: bool = False
    tags: bool = False
    commits: bool = False
    revs: tuple[str, ...] = ()
    max_size: int | None = None
    kinds: tuple[str, ...] = ()


def needs(project: Project, scope: Scope, *, sending: bool) -> Needs:
    """What the states in `scope` need; `sending`: less what is never pushed.

    Raises PipelineError for a target that no state knows.
    """
    found: Needs = {}
    unknown: PipelineError | None = None
    is_known = False
    for rev, pipeline in ((None, project.pipeline), *history(project, revisions(project, scope))):
        try:
            targets = chosen_targets(project, pipeline, scope)
        except PipelineError as error:  # a target need not exist in every state
            unknown = unknown or error
            continue
        is_known = True
        _add(found, needs_of(targets, rev, sending))
    if unknown is not None and not is_known:
        raise unknown
    return found


def chosen_targets(project: Project, pipeline: Pipeline, scope: Scope) -> list[Target]:
    """The targets of `scope` in one state of the project. Patterns look into directories whose manifest is cached."""
    chosen: list[Target] | None
    if scope.glob:
        chosen = _matching(project, pipeline, scope.targets)
    else:
        chosen = select(pipeline, scope.targets, with_deps=scope.with_deps, recursive=scope.recursive)
    if chosen is None:
        chosen = [Target(stage) for stage in pipeline.stages]
    if scope.max_size is None and not scope.kinds:
        return chosen
    return [
        Target(target.stage, target.path, out.path)
        for target in chosen
        for out in target.stage.outs
        if target.out in (None, out.path) and _passes(target.stage, out, scope)
    ]


def _passes(stage: Stage, out: Output, scope: Scope) -> bool:
    size = _recorded_size(stage, out)
    if scope.max_size is not None and size is not None and size >= scope.max_size:
        return False
    return not scope.kinds or out.kind in scope.kinds


def _recorded_size(stage: Stage, out: Output) -> int | None:
    entry = stage.record.outs.get(out.spelled) if stage.record else None
    size = entry.raw.get("size") if entry is not None else None
    return size if isinstance(size, int) else None


def _matching(project: Project, pipeline: Pipeline, patterns: Sequence[str]) -> list[Target]:
    from pathspec import GitIgnoreSpec

    found: dict[Target, None] = {}
    for word in patterns:
        spec = GitIgnoreSpec.from_lines(["/" + join(pipeline.cwd, word)])
        before = len(found)
        for stage in pipeline.stages:
            if spec.match_file(stage.file) and stage.is_data:
                found[Target(stage)] = None
            for out in stage.outs:
                if spec.match_file(out.path):
                    found[Target(stage, None, out.path)] = None
                    continue
                digest = stage.recorded(out)
                listing = project.cache.manifest(digest) if digest is not None and digest.is_dir else None
                for name in listing or ():
                    if spec.match_file(f"{out.path}/{name}"):
                        found[Target(stage, f"{out.path}/{name}", out.path)] = None
        if len(found) == before:
            raise PipelineError(f"{word!r} matches no output of this project", "git stage list --all")
    return list(found)


def revisions(project: Project, scope: Scope) -> list[str]:
    """The ids of the commits in `scope`, each once. Raises GitstageError for a name that Git does not know."""
    repo = project.repo
    if repo is None or not (scope.branches or scope.tags or scope.commits or scope.revs):
        return []
    found: dict[str, None] = {}
    for asked, names in ((scope.branches, "refs/heads/"), (scope.tags, "refs/tags/")):
        if asked:
            found.update(dict.fromkeys(repo.refs(names).values()))
    if scope.commits:
        found.update(dict.fromkeys(repo.git("rev-list", "--exclude=refs/exps/*", "--all").decode().split()))
    for rev in scope.revs:
        commit = repo.id(rev)
        if commit is None:
            raise GitstageError(f"{rev}: is no commit here")
        found[commit] = None
    return list(found)


def history(project: Project, commits: Sequence[str]) -> Iterator[tuple[str, Pipeline]]:
    """The pipeline of each commit; of those that have the same pipeline files, the first. One that cannot be read is
    passed over: nobody could check it out either."""
    repo = project.repo
    seen = set()
    for commit in commits:
        assert repo is not None
        tree = repo.commit(commit, project.prefix, project.memo, bulk=len(commits) > 1)
        if tree.state in seen:
            continue
        with contextlib.suppress(PipelineError):
            pipeline = load(project, tree)
            if not pipeline.sources:  # else another file may say which stages there are
                seen.add(tree.state)
            yield commit, pipeline


def needs_of(targets: Iterable[Target], rev: str | None, sending: bool) -> Needs:
    """What targets of one state of the project (commit `rev`, None: the work tree) need; see `needs`."""
    found: Needs = {}
    for target in targets:
        for out in target.stage.outs:
            if target.out not in (None, out.path) or not _is_shared(target.stage, out, sending):
                continue
            digest = target.stage.recorded(out)
            if digest is None:
                continue
            part = posixpath.relpath(target.path, out.path) if target.path not in (None, out.path) else None
            size = None if digest.is_dir else _recorded_size(target.stage, out)
            is_pushed = out.push and not _is_repository_import(target.stage)
            need = Need(digest, out.path, rev, part, is_pushed, size)
            found.setdefault(out.remote.lower() if out.remote else None, []).append(need)
    return found


def _add(found: Needs, more: Needs) -> None:
    for name, needs_ in more.items():
        found.setdefault(name, []).extend(needs_)


def needs_of_push(project: Project, changes: Sequence[Changed]) -> Needs:
    """What commits need by the records that they changed. An output that a commit took over as it was is no failure if
    it is nowhere: it was lost before.

    `changes` are those of this project alone.
    """
    repo = project.repo
    assert repo is not None
    by_commit: dict[str, dict[str, Changed]] = {}
    for change in changes:
        by_commit.setdefault(change.commit, {})[project.from_repo(change.path)] = change
    old = repo.contents([id_ for change in changes for id_ in change.before])
    found: Needs = {}
    for commit, files in by_commit.items():
        tree = repo.commit(commit, project.prefix, project.memo, bulk=len(by_commit) > 3)
        try:
            pipeline = load(project, tree)
        except PipelineError:
            continue  # nobody could check it out either
        for stage in pipeline.stages:
            record = files.get(stage.file if stage.is_data else stage.lock_file)
            if record is None:
                continue
            before = b"\n".join(old[id_] for id_ in record.before)
            for name, needs_ in needs_of([Target(stage)], commit, True).items():
                for need in needs_:
                    is_new = record.is_new and need.digest.hex.encode() not in before
                    found.setdefault(name, []).append(replace(need, required=is_new))
    return found


def load(project: Project, tree: Tree) -> Pipeline:
    """The pipeline of another state of the project than the work tree's."""
    config = project.config
    return Pipeline.load(
        tree, project.root, cwd=project.cwd, bool_style=config.bool_style, list_style=config.list_style
    )


def _is_shared(stage: Stage, out: Output, sending: bool) -> bool:
    """Does an output's content go over remotes at all?"""
    if not out.cache or "://" in out.path:
        return False
    return not sending or (out.push and not _is_repository_import(stage))


def _is_repository_import(stage: Stage) -> bool:
    """Then its content is had from that repository, and never pushed."""
    return stage.is_import and any("repo" in dep for dep in stage.definition.get("deps") or ())


def push(
    project: Project, wanted: Needs, *, remote: str | None = None, jobs: int | None = None, check: bool = False,
    run_cache: bool = False, progress: Progress | None = None,
) -> Outcome:  # fmt: skip
    """Send what the remotes lack. `remote`: the one for outputs that name none; outputs that name another stay.

    Raises ConfigError if there is no such remote, RemoteError if one cannot be used at all.
    """
    outcome = Outcome()
    for name in _remotes(wanted, remote, run_cache):
        with contextlib.closing(project.remote(name or remote, jobs=jobs)) as other:
            if run_cache and name is None:
                outcome += other.push_runs(project.runs.folder, progress=progress)
            outcome += other.push(wanted.get(name, ()), check=check, progress=progress)
    return outcome


def fetch(
    project: Project, wanted: Needs, *, remote: str | None = None, jobs: int | None = None, run_cache: bool = False,
    progress: Progress | None = None,
) -> Outcome:  # fmt: skip
    """Bring what the cache lacks; the rest as for `push`. Nothing is asked of anybody if it lacks nothing."""
    outcome = Outcome()
    for name in _remotes(wanted, remote, run_cache):
        lacking = [need for need in wanted.get(name, ()) if _is_lacking(project, need)]
        if not lacking and not (run_cache and name is None):
            continue
        with contextlib.closing(project.remote(name or remote, jobs=jobs)) as other:
            if run_cache and name is None:
                outcome += other.fetch_runs(project.runs.folder, project.runs.take, progress=progress)
            outcome += other.fetch(lacking, progress=progress)
    return outcome


def compare(project: Project, wanted: Needs, *, remote: str | None = None, jobs: int | None = None) -> dict[str, str]:
    """Paths of which the cache and their remote do not both have the content; see Remote.compare."""
    found: dict[str, str] = {}
    for name in _remotes(wanted, remote, False):
        with contextlib.closing(project.remote(name or remote, jobs=jobs)) as other:
            found.update(other.compare(wanted[name]))
    return found


def fetch_scope(
    project: Project, scope: Scope, *, remote: str | None = None, jobs: int | None = None, run_cache: bool = False,
    progress: Progress | None = None,
) -> Outcome:  # fmt: skip
    """Bring what the states in `scope` need and the cache lacks; see `fetch`."""
    outcome = Outcome()
    if scope.glob:  # a pattern may lead into a directory of which not even the manifest is here
        outcome += _fetch_manifests(project, scope, remote, jobs, progress)
    wanted = needs(project, scope, sending=False)
    return outcome + fetch(project, wanted, remote=remote, jobs=jobs, run_cache=run_cache, progress=progress)


def _fetch_manifests(
    project: Project, scope: Scope, remote: str | None, jobs: int | None, progress: Progress | None
) -> Outcome:
    found: Needs = {}
    pipelines = [(None, project.pipeline), *history(project, revisions(project, scope))]
    for rev, pipeline in pipelines:
        inside = [
            Target(stage, None, out.path)
            for stage in pipeline.stages
            for out in stage.outs
            if any(_may_lead_into(join(pipeline.cwd, word), out.path) for word in scope.targets)
        ]
        _add(found, needs_of(inside, rev, False))
    outcome = Outcome()
    for name in _remotes(found, remote, False):
        lacking = [n for n in found[name] if n.digest.is_dir and project.cache.manifest(n.digest) is None]
        if lacking:
            with contextlib.closing(project.remote(name or remote, jobs=jobs)) as other:
                outcome += other.fetch_manifests(lacking, progress=progress)
    return outcome


def _may_lead_into(pattern: str, path: str) -> bool:
    """Can `pattern` match something below `path`?"""
    parts = pattern.split("/")
    if "**" in parts:
        parts = parts[: parts.index("**")]
        names = path.split("/")[: len(parts)]
        return len(names) < len(parts) or all(map(fnmatch.fnmatchcase, names, parts))
    names = path.split("/")
    return len(names) < len(parts) and all(map(fnmatch.fnmatchcase, names, parts))


def _remotes(wanted: Needs, remote: str | None, run_cache: bool) -> list[str | None]:
    names = [name for name in wanted if name is None or remote is None or name == remote.lower()]
    return [None, *names] if run_cache and None not in names else names


def _is_lacking(project: Project, need: Need) -> bool:
    if need.part is None:
        return bool(project.cache.lacks(need.digest))
    listing = project.cache.manifest(need.digest)
    return listing is None or any(need.covers(name) and not project.cache.has(d) for name, d in listing.items())

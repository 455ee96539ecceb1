"""Records that somebody wrote by hand: of no run that is known here, and in no commit."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence

from gitstage import formats
from gitstage.digest import summary
from gitstage.errors import FormatError
from gitstage.git import Repo
from gitstage.pipeline import Pipeline, Stage
from gitstage.project import Project
from gitstage.runcache import value_of
from gitstage.static import Any, Literal
from gitstage.verdict import merged

_COMMITS = 500  # whose lock is compared, the latest first


def never_run(project: Project, pipeline: Pipeline) -> dict[Stage, Literal["made up", "edited"]]:
    """The stages of the work tree whose record no run gave, but a merge (see merged.py) or somebody's editor."""
    repo = project.repo
    if repo is None or repo.top is None or not any(stage.record is not None for stage in pipeline.stages):
        return {}
    locks = sorted({stage.lock_file for stage in pipeline.stages if stage.record is not None})
    is_merging = bool(repo.others())
    seen = _seen(project, repo.found_at, locks)
    if not is_merging and project.memo.parsed(f"unchanged {project.root}", seen) is not None:
        return {}  # as it was when git was asked, which takes longer than most of a status
    tip = repo.tip()
    if tip is None:
        return {}
    changed = _changed(project, repo, tip.id, locks)
    if not changed and not is_merging and len(tip.parents) < 2 and seen == _seen(project, tip.id, locks):
        project.memo.remember_parsed(f"unchanged {project.root}", seen, "")
    by_hand = _by_hand(project, repo, pipeline, changed) if changed else ()
    found: dict[Stage, Literal["made up", "edited"]] = dict.fromkeys(by_hand, "edited")
    return {**found, **dict.fromkeys(merged.in_work_tree(project, pipeline, tip), "made up")}


def _changed(project: Project, repo: Repo, commit: str, locks: Sequence[str]) -> set[str]:
    """Those of `locks` that the commit has, too, and has otherwise."""
    paths = [project.in_repo(lock) for lock in locks]
    listed = repo.git("--literal-pathspecs", "diff", "--name-only", "--diff-filter=M", "-z", commit, "--", *paths)
    return {project.from_repo(path) for path in listed.decode("utf-8", "surrogateescape").split("\0") if path}


def _seen(project: Project, commit: str | None, locks: Sequence[str]) -> bytes:
    """What sums up a commit and the locks as they are now."""
    seen = summary(str(commit).encode())
    for lock in locks:
        data = project.worktree.read(lock)
        seen.update(f"\0{lock}\0{-1 if data is None else len(data)}\0".encode("utf-8", "surrogateescape"))
        seen.update(data or b"")
    return seen.digest()


def _by_hand(project: Project, repo: Repo, pipeline: Pipeline, changed: Collection[str]) -> set[Stage]:
    """The stages whose record no run stands behind, where that can be known: their lock differs from the commit that is
    checked out, a run of theirs would have left its result among the known ones, and no commit has that record.

    A lock that is in no commit yet is not judged; nor is a record whose outputs are not all in the cache, of
    which the comparison tells as much; nor a stage whose committed record has left no result here either, so that known
    results are not all that were; nor a record with an output that no other has: something made it, and a run with
    `dvc repro --no-commit` leaves no result.
    """
    stages = [stage for stage in pipeline.stages if stage.record is not None and _leaves_a_result(stage)]
    found = [stage for stage in stages if stage.lock_file in changed and not _has_run(project, stage)]
    for lock in sorted({stage.lock_file for stage in found}):
        unknown = {stage.name: stage for stage in found if stage.lock_file == lock}
        before = _entries(project, "HEAD", lock)
        known = {name for name, entry in before.items() if project.runs.holds(entry)}
        for name in [name for name in unknown if name not in known]:
            found.remove(unknown.pop(name))
        new = {name: _outs(stage.record.as_entry()) for name, stage in unknown.items() if stage.record is not None}
        for entries in _committed(project, lock) if unknown else ():
            for name in [name for name, stage in unknown.items() if _is_entry(stage, entries.get(name or ""))]:
                found.remove(unknown.pop(name))
            for name in unknown:
                new[name] -= _outs(entries.get(name or "") or {})
            if not unknown:
                break
        for entry in project.runs.all() if any(new[name] for name in unknown) else ():
            for name in unknown:
                new[name] -= _outs(entry)
        for name in [name for name in unknown if new[name]]:
            found.remove(unknown.pop(name))
    return set(found)


def _outs(entry: Mapping[str, Any]) -> set[tuple[Any, Any]]:
    """The outputs of a lock entry: path and hash."""
    return {(out.get("path"), out.get("md5")) for out in entry.get("outs") or () if isinstance(out, dict)}


def _leaves_a_result(stage: Stage) -> bool:
    """Does a run of it go to the run cache? See run.py."""
    return (
        stage.name is not None
        and not stage.always_changed
        and not stage.frozen
        and bool(stage.deps or stage.params)
        and bool(stage.outs)
        and all((out.cache or out.kind != "out") and not out.persist for out in stage.outs)
        and not any(out.path.startswith(("../", "/")) for out in stage.outs)
    )


def _has_run(project: Project, stage: Stage) -> bool:
    assert stage.record is not None
    digests = [stage.recorded(out) for out in stage.outs]
    is_whole = all(digest is not None and not project.cache.lacks(digest) for digest in digests)
    return not is_whole or merged.has_run(project, stage.record)


def _is_entry(stage: Stage, entry: Mapping[str, Any] | None) -> bool:
    assert stage.record is not None
    return entry is not None and value_of(entry) == value_of(stage.record.as_entry())


def _committed(project: Project, lock: str) -> Iterator[Mapping[str, Any]]:
    """The entries of a lock in every commit that changed it, the latest first; in refs, reflogs and what is merged."""
    repo = project.repo
    assert repo is not None
    path = project.in_repo(lock)
    limit = f"--max-count={_COMMITS}"
    commits = repo.git("rev-list", limit, "--all", "--reflog", *repo.others(), "--", path, check=False).decode().split()
    for commit in commits:
        yield _entries(project, commit, lock)


def _entries(project: Project, commit: str, lock: str) -> Mapping[str, Any]:
    """What a lock records in a commit; nothing if it is not there or cannot be read."""
    assert project.repo is not None
    path = posixpath.normpath(project.in_repo(lock))
    data = project.repo.git("cat-file", "blob", f"{commit}:{path}", check=False)
    try:
        entries: Mapping[str, Any] = formats.parse_lock(data, lock)["stages"]
    except FormatError:
        return {}
    return entries

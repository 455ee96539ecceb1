"""Why stages are stale: what changed, since which commit, and what is stale only because of it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from gitstage.digest import Digest
from gitstage.git import Touch
from gitstage.pipeline import Stage, is_outside
from gitstage.project import Project
from gitstage.static import Any
from gitstage.status import Change, StageStatus, status
from gitstage.verdict.edited import never_run
from gitstage.verdict.merged import marked


@dataclass(frozen=True, slots=True)
class Reason:
    """One change with what is known of it.

    `touch`: the last commit that touched what changed, and whether it was edited since. `maker`: the stage that makes
    the input. `files`: of a directory, path inside it -> "added", "deleted" or "modified", as far as both sides are
    known. `words`: of a command, ("=", "-" or "+", words) in order; `file`: where the command, or a value in it, was
    changed last (root-relative).
    """

    change: Change
    touch: Touch | None = None
    maker: Stage | None = None
    files: dict[str, str] = field(default_factory=dict)
    words: tuple[tuple[str, str], ...] = ()
    file: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one stage is stale. `reasons`: its own, in the order in which they make it run; `needs`: what it reads of
    stages that are stale themselves: (path, stage)."""

    stage: Stage
    never_ran: bool
    reasons: tuple[Reason, ...]
    needs: tuple[tuple[str, Stage], ...]


def explain(project: Project, wanted: Collection[Stage] | None = None) -> list[Explanation]:
    """The stale ones among `wanted` (default: all) and what they need, producers first; so the first reason of the
    first explanation is what changed first."""
    pipeline = project.pipeline
    order = pipeline.order(wanted)
    compared = status(pipeline, project.worktree, project.cache, order)
    found: dict[Stage, StageStatus] = {one.stage: one for one in marked(compared, never_run(project, pipeline))}
    stale: dict[Stage, Explanation] = {}
    for stage in order:
        own = found[stage]
        needs = tuple(
            (path, maker) for path, maker in ([] if stage.frozen else _inputs(project, stage)) if maker in stale
        )
        if own.changes or own.never_ran or needs:
            reasons = tuple(_reason(project, stage, change) for change in own.changes)
            stale[stage] = Explanation(stage, own.never_ran, reasons, needs)
    return list(stale.values())


def consequences(project: Project, explanation: Explanation) -> list[Stage]:
    """The stages that are stale because this one is, in the order in which they would run."""
    below = project.pipeline.downstream([explanation.stage]) - {explanation.stage}
    return [stage for stage in project.pipeline.order() if stage in below]


def _inputs(project: Project, stage: Stage) -> Iterator[tuple[str, Stage]]:
    """(path, the stage that makes it, or something in it) of every input that is made."""
    for path in [dep.path for dep in stage.deps] + [file.path for file in stage.params]:
        owner = project.pipeline.owner(path)
        for maker, _ in [owner] if owner else project.pipeline.outputs_below(path):
            yield path, maker


def _reason(project: Project, stage: Stage, change: Change) -> Reason:
    if change.role in ("always", "record"):
        return Reason(change)
    if change.role == "cmd":
        file, touch = _last(project, [stage.file, *stage.variables])
        return Reason(change, touch, words=tuple(_words(change.recorded, change.found)), file=file)
    owner = project.pipeline.owner(change.path)
    maker = owner[0] if owner is not None and owner[0] is not stage else None
    kept = any(out.path == change.path and out.cache for out in stage.outs)
    if maker is None and not kept:
        touch = _touch(project, change.path)
    else:
        about = stage if maker is None else maker
        touch = _touch(project, about.file if about.is_data else about.lock_file)
    return Reason(change, touch, maker, _files(project, change))


def _touch(project: Project, path: str) -> Touch | None:
    if project.repo is None or is_outside(path):
        return None
    return project.repo.last_touch(project.in_repo(path))


def _last(project: Project, files: Sequence[str]) -> tuple[str, Touch | None]:
    """The file that was changed last, edits that are in no commit being the latest, and by whom."""
    found = {file: _touch(project, file) for file in files}
    file = max(files, key=lambda name: (one.edited, one.date) if (one := found[name]) else (False, ""))
    return file, found[file]


def _files(project: Project, change: Change) -> dict[str, str]:
    old, new = change.recorded, change.found
    if not (isinstance(old, Digest) and old.is_dir and isinstance(new, Digest) and new.is_dir):
        return {}
    before = project.cache.manifest(old)
    after = project.worktree.listing(change.path, legacy=new.legacy)
    if before is None or after is None:
        return {}
    return {path: "deleted" if path not in after else "added" if path not in before else "modified"
              for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)}  # fmt: skip


def _words(old: Any, new: Any) -> Iterator[tuple[str, str]]:
    """The words of two commands: those of both, those of the old one only, those of the new one only."""
    a, b = (_split(command) for command in (old, new))
    for kind, a0, a1, b0, b1 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if kind == "equal":
            yield "=", " ".join(a[a0:a1])
            continue
        if a1 > a0:
            yield "-", " ".join(a[a0:a1])
        if b1 > b0:
            yield "+", " ".join(b[b0:b1])


def _split(command: Any) -> list[str]:
    lines: Sequence[Any] = command if isinstance(command, list) else [command]
    return [word for line in lines if line is not None for word in str(line).split()]

"""pre-commit: may this index become a commit?

Judged is the index that Git hands over, so every form of commit is judged by what it commits.
"""

from __future__ import annotations

import contextlib
import posixpath
import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gitstage.digest import Digest
from gitstage.errors import PipelineError
from gitstage.git import CommitTree, IndexTree, Repo
from gitstage.hooks import projects
from gitstage.pipeline import Pipeline, Stage, is_inside
from gitstage.project import Project
from gitstage.recorded import Overlay, Recorded
from gitstage.status import Change, StageStatus, changed, status


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason against a commit, and the command that repairs it."""

    label: str
    what: str
    repair: str


def judge(repo: Repo, staged: Collection[str]) -> list[Finding]:
    """What speaks against committing the index of `repo`, in all its projects. `staged`: paths relative to the top."""
    findings = []
    for prefix in projects.prefixes(repo):
        with contextlib.closing(projects.at(repo, prefix)) as project:
            findings += _judge(project, staged)
    return findings


def relevant_paths(repo: Repo) -> tuple[list[str], list[str]]:
    """All that the stages of the index read or write, and what their templates take values from; relative to the top."""
    found: set[str] = set()
    sources: set[str] = set()
    for prefix in projects.prefixes(repo):
        with contextlib.closing(projects.at(repo, prefix)) as project:
            pipeline = load(project, repo.index(prefix, project.memo))
            for stage in pipeline.stages:
                paths = [d.path for d in stage.deps] + [p.path for p in stage.params] + [o.path for o in stage.outs]
                found.update(project.in_repo(path) for path in paths if not path.startswith("/"))
            sources.update(project.in_repo(path) for path in pipeline.sources)
    return sorted("" if path == "." else path for path in found | sources), sorted(sources)


def load(project: Project, tree: IndexTree | CommitTree) -> Pipeline:
    """The pipeline as the index or a commit has it."""
    return Pipeline.load(tree, project.root, bool_style=project.config.bool_style, list_style=project.config.list_style)


class _Loose:
    """Inputs that are in no commit by intention: ignored by Git or outside the repository; taken from the disk."""

    label = "the work tree"

    def __init__(self, project: Project, repo: Repo) -> None:
        self._project, self._repo = project, repo

    def _allowed(self, paths: Collection[str]) -> list[str]:
        inside = {path: self._project.in_repo(path) for path in paths if not posixpath.isabs(path)}
        ignored = self._repo.ignored([p for p in inside.values() if not p.startswith("../")])
        return [p for p in paths if p not in inside or inside[p].startswith("../") or inside[p] in ignored]

    def read(self, path: str) -> bytes | None:
        return self._project.worktree.read(path) if self._allowed([path]) else None

    def pipeline_files(self) -> list[str]:
        return []

    def listing(self, path: str, *, legacy: bool = False) -> Mapping[str, Digest] | None:
        return self._project.worktree.listing(path, legacy=legacy) if self._allowed([path]) else None

    def digests(self, paths: Collection[str], *, legacy: bool = False) -> Mapping[str, Digest]:
        return self._project.worktree.digests(self._allowed(paths), legacy=legacy)


def _judge(project: Project, staged: Collection[str]) -> list[Finding]:
    """What speaks against committing the index of `project`'s repository."""
    repo = project.repo
    assert repo is not None
    tree = repo.index(project.prefix, project.memo)
    torn = [path for path in tree.conflicts() if _is_pipeline_file(path)]
    if torn:
        return [Finding(path, "is not merged yet", f"git add {shlex.quote(path)} after mending it") for path in torn]
    pipeline = load(project, tree)
    whole = Overlay(tree, Recorded(pipeline, project.cache), _Loose(project, repo))
    before = _before(project)
    findings = []
    for one in changed(status(pipeline, whole, project.cache)):
        touched = _is_touched(project, one.stage, before, staged)
        reasons = [change for change in one.changes if not _is_accepted(tree, change, touched=touched)]
        if reasons:
            findings += _findings(project, pipeline, one, reasons)
    return findings


def _is_pipeline_file(path: str) -> bool:
    return posixpath.basename(path) in ("dvc.yaml", "dvc.lock") or path.endswith(".dvc")


def _before(project: Project) -> dict[tuple[str, str | None], Stage]:
    """The stages of HEAD; none if there is no commit yet or its pipeline cannot be read."""
    repo = project.repo
    if repo is None or repo.head() is None:
        return {}
    try:
        pipeline = load(project, repo.commit("HEAD", project.prefix, project.memo))
    except PipelineError:
        return {}
    return {(stage.file, stage.name): stage for stage in pipeline.stages}


def _is_touched(
    project: Project, stage: Stage, before: Mapping[tuple[str, str | None], Stage], staged: Collection[str]
) -> bool:
    """Does the commit change the stage, its record or one of its files?"""
    old = before.get((stage.file, stage.name))
    if old is None or (old.record, old.definition) != (stage.record, stage.definition):
        return True
    named = {d.path for d in stage.deps} | {p.path for p in stage.params} | {o.path for o in stage.outs}
    return any(is_inside(path, project.in_repo(one)) for one in named for path in staged)


def _is_accepted(tree: IndexTree, change: Change, *, touched: bool) -> bool:
    """No reason to refuse: a stage that always runs; data that is elsewhere, of a stage that the commit leaves alone
    (a clone need not have all data); a file whose other forms agree (line ends, filters)."""
    if change.role == "always" or (change.state == "not in cache" and not touched):
        return True
    return (
        change.state == "modified"
        and change.key is None
        and isinstance(change.recorded, Digest)
        and not change.recorded.is_dir
        and tree.accepts(change.path, change.recorded)
    )


def _findings(project: Project, pipeline: Pipeline, one: StageStatus, reasons: Sequence[Change]) -> list[Finding]:
    stage = one.stage
    label = stage.label()
    if stage.is_data:
        metadata = project.in_repo(stage.file)
        repair = f"git stage commit -f {shlex.quote(metadata)} && git add {shlex.quote(metadata)}"
        return [Finding(label, _words(project, change), repair) for change in reasons]
    lock = shlex.quote(project.in_repo(stage.lock_file))
    repair = f"git stage repro {shlex.quote(project.in_repo(label) if ':' in label else label)} && git add {lock}"
    if one.never_ran:
        return [Finding(label, "was never run", repair)]
    found = []
    for change in reasons:
        path = project.in_repo(change.path)
        unstaged = change.role in ("dep", "param") and change.state == "deleted" and change.key is None
        if unstaged and project.worktree.exists(change.path):
            producer = pipeline.owner(change.path)
            if producer is None:
                found.append(Finding(label, f"dependency {path} is not staged", f"git add {shlex.quote(path)}"))
                continue
        found.append(Finding(label, _words(project, change), repair))
    return found


def _words(project: Project, change: Change) -> str:
    path = project.in_repo(change.path) if change.path else ""
    name = f"{path}: {change.key}" if change.key is not None else path
    if change.role == "cmd":
        return "its command changed since it ran"
    kind = {"dep": "dependency", "param": "parameter", "out": "output"}[change.role]
    states = {"deleted": "is missing", "new": "is new", "removed": "is no longer declared", "not in cache": "is lost"}
    text = f"{kind} {name} {states.get(change.state, 'changed')}"
    if change.state == "not in cache":
        return f"{text}: {_short(change.recorded)} is not in the cache"
    if change.state == "modified":
        return f"{text} (recorded {_short(change.recorded)}, staged {_short(change.found)})"
    return text


def _short(value: object) -> str:
    if isinstance(value, Digest):
        return value.hex[:8] + (".dir" if value.is_dir else "")
    return "nothing" if value is None else str(value)[:40]


def tell(findings: Sequence[Finding], *, refused: bool) -> None:
    shown = findings[:20]
    lines = [
        f"gitstage: {'commit refused' if refused else 'warning'}: what the index records was not made from what it holds"
    ]
    lines += [
        f"  stage '{f.label}': {f.what}" if not f.label.endswith(".dvc") else f"  {f.label}: {f.what}" for f in shown
    ]
    if len(findings) > len(shown):
        lines.append(f"  and {len(findings) - len(shown)} more")
    lines += [f"hint: {repair}" for repair in dict.fromkeys(f.repair for f in shown)]
    if refused:
        lines.append("hint: git commit --no-verify commits it all the same")
    print("\n".join(lines), file=sys.stderr)  # noqa: T201

"""One state of one project, the index or a commit, compared with what it records."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from gitstage.digest import Digest
from gitstage.git import CommitTree, IndexTree
from gitstage.pipeline import Output, Pipeline, Stage
from gitstage.project import Project
from gitstage.recorded import Overlay, Recorded
from gitstage.static import Any, Literal, NamedTuple
from gitstage.status import Change, Holder, Role, StageStatus, status
from gitstage.tree import Tree


class Finding(NamedTuple):
    """One reason why a record is not what its state of the files gives, and the command that repairs it.

    `untold`: no reason, but something that cannot be told from what is at hand. `file`: the pipeline file, and `path`
    what differs, both from the top of the work tree; `stage` is None for a `.dvc` file; `key`: the parameter;
    `recorded` and `found` as in status.Change; `line` of a file that cannot be read; `is_loss`: data is missing;
    `is_forgotten`: an input that was not added; `prefix`: the project's folder.
    """

    label: str
    what: str
    repair: str
    file: str
    stage: str | None = None
    cause: Role | Literal["file"] = "file"
    path: str = ""
    key: str | None = None
    recorded: Any = None
    found: Any = None
    untold: bool = False
    line: int | None = None
    is_loss: bool = False
    is_forgotten: bool = False
    prefix: str = ""

    @property
    def name(self) -> str:
        """What it is about, for messages."""
        return f"stage '{self.label}'" if self.stage is not None else self.label


def nothing_excused(paths: Collection[str]) -> Mapping[str, str]:
    """No input may be absent."""
    return {}


class State(NamedTuple):
    """A project as a commit or the index has it.

    `word`: what was done to the files, for messages ("staged", "committed"). `loose` answers for inputs that are in no
    commit by intention, if anything does; otherwise `excused` says why they are absent, path -> reason. `is_forgotten`:
    an absent input that lies in the work tree. `holder` is asked for the outputs' data, if anything is, and `place` is
    where it keeps them. `made_up`: stages whose record a merge made up.
    """

    project: Project
    pipeline: Pipeline
    tree: IndexTree | CommitTree
    word: str
    loose: Tree | None = None
    excused: Callable[[Collection[str]], Mapping[str, str]] = nothing_excused
    is_forgotten: Callable[[str], bool] = lambda path: False
    holder: Holder | None = None
    place: str = "in the cache"
    made_up: Collection[Stage] = ()


def judge(
    state: State,
    stages: Iterable[Stage] | None = None,
    *,
    is_touched: Callable[[Stage], bool] = lambda stage: True,
) -> list[Finding]:
    """What speaks against `stages` (default: all). Of those that are not touched, nothing is said that is due to missing
    data: a clone need not have all of it."""
    chosen = [*(state.pipeline.stages if stages is None else stages)]
    near = [stage for stage in chosen if not _remote(stage)]
    tree = Overlay(state.tree, Recorded(state.pipeline, state.project.cache), state.loose)
    found = {id(one.stage): one for one in status(state.pipeline, tree, state.holder, near)}
    findings: list[Finding] = []
    for stage in chosen:
        one = found.get(id(stage))
        if one is None:
            text = f"its input {_remote(stage)} lies elsewhere, and cannot be checked from here"
            if is_touched(stage):
                findings.append(_finding(state, stage, text, "", path=_remote(stage) or "", untold=True))
            continue
        if stage in state.made_up:
            findings.append(made_up_finding(state, stage))
        reasons = [c for c in one.changes if c.role != "always" and not _is_accepted(state.tree, c)]
        told = _findings(state, one, reasons)
        if any(one.untold or one.is_loss for one in told) and not is_touched(stage):
            told = [one for one in told if not (one.untold or one.is_loss)]
        findings += told
    return findings


def made_up_finding(state: State, stage: Stage, *, is_known: bool = True) -> Finding:
    """That its record is the work of a merge; see verdict.merged.

    Not `is_known`: nobody runs stages here. A run that came out like one of the sides leaves the same record, so it
    cannot be told whether there was one.
    """
    if not is_known:
        text = "a merge put its record together from both sides; whether it was run since cannot be told without a run cache"
        return _finding(state, stage, text, "", cause="record", untold=True)
    text = "was never run: a merge put its record together from both sides"
    return _finding(state, stage, text, _repair(state, stage), cause="record")


def _remote(stage: Stage) -> str | None:
    """An input with a URL."""
    return None if stage.frozen else next((dep.path for dep in stage.deps if "://" in dep.path), None)


def _is_accepted(tree: IndexTree | CommitTree, change: Change) -> bool:
    """A file whose other forms agree (line ends, filters)."""
    return (
        change.state == "modified"
        and change.key is None
        and isinstance(change.recorded, Digest)
        and not change.recorded.is_dir
        and tree.accepts(change.path, change.recorded)
    )


def _finding(state: State, stage: Stage, what: str, repair: str, **more: Any) -> Finding:
    file = state.project.in_repo(stage.file)
    return Finding(stage.label(), what, repair, file, stage.name, prefix=state.project.prefix, **more)


def _repair(state: State, stage: Stage) -> str:
    prefix, in_repo = state.project.prefix, state.project.in_repo
    git = f"git -C {shlex.quote(prefix)} stage" if prefix else "git stage"
    if stage.is_data:
        return f"{git} commit -f {shlex.quote(stage.file)} && git add {shlex.quote(in_repo(stage.file))}"
    return f"{git} repro {shlex.quote(stage.label())} && git add {shlex.quote(in_repo(stage.lock_file))}"


def _findings(state: State, one: StageStatus, reasons: Sequence[Change]) -> list[Finding]:
    stage, project = one.stage, state.project
    repair = _repair(state, stage)
    if one.never_ran and reasons and not stage.is_data:
        return [_finding(state, stage, "was never run", repair, cause="record")]
    owner = state.pipeline.owner
    absent = {c.path for c in reasons if c.state == "deleted" and c.key is None and owner(c.path) is None}
    excused = state.excused(absent) if absent else {}
    found = []
    for change in reasons:
        more: dict[str, Any] = {
            "cause": change.role, "path": project.in_repo(change.path) if change.path else "", "key": change.key,
            "recorded": change.recorded, "found": change.found, "is_loss": change.state == "not in cache",
        }  # fmt: skip
        why = _why_untold(state, change) or excused.get(change.path)
        if why:
            text = f"{_name(state, change)} cannot be checked: {why}"
            found.append(_finding(state, stage, text, "", untold=True, **more))
            continue
        text, mend = _words(state, change), repair
        if change.path in absent and change.role in ("dep", "param") and state.is_forgotten(change.path):
            text = f"{_name(state, change)} is not staged"
            mend = f"git add {shlex.quote(project.in_repo(change.path))}"
            more["is_forgotten"] = True
        found.append(_finding(state, stage, text, mend, **more))
    return found


def _why_untold(state: State, change: Change) -> str | None:
    """Why a difference may be none: the data that would tell is not here. None if it is one."""
    if change.role not in ("dep", "param") or change.key is not None:
        return None
    recorded, cache = state.pipeline, state.project.cache
    owned = recorded.owner(change.path)
    if owned is not None:
        stage, out = owned
        digest = stage.recorded(out)
        if digest is None or not out.cache:
            return None
        if digest.is_dir and out.path != change.path and cache.manifest(digest) is None:
            return f"the list of files of {state.project.in_repo(out.path)} ({_short(digest)}) is not here"
        if change.role == "param" and not digest.is_dir and not cache.has(digest):
            return f"its content ({_short(digest)}) is not here"
        return None
    for stage, out in recorded.outputs_below(change.path):
        if _is_unlisted(state, stage, out):
            return f"the list of files of {state.project.in_repo(out.path)} is not here"
    return None


def _is_unlisted(state: State, stage: Stage, out: Output) -> bool:
    digest = stage.recorded(out) if out.cache else None
    return digest is not None and digest.is_dir and state.project.cache.manifest(digest) is None


def _name(state: State, change: Change) -> str:
    kind = {"dep": "dependency", "param": "parameter", "out": "output"}[change.role]
    path = state.project.in_repo(change.path)
    return f"{kind} {path}: {change.key}" if change.key is not None else f"{kind} {path}"


def _words(state: State, change: Change) -> str:
    if change.role == "cmd":
        return "its command changed since it ran"
    states = {"deleted": "is missing", "new": "is new", "removed": "is no longer declared", "not in cache": "is lost"}
    text = f"{_name(state, change)} {states.get(change.state, 'changed')}"
    if change.state == "not in cache":
        return f"{text}: {_short(change.recorded)} is not {state.place}"
    if change.state == "modified":
        return f"{text} (recorded {_short(change.recorded)}, {state.word} {_short(change.found)})"
    return text


def _short(value: object) -> str:
    if isinstance(value, Digest):
        return value.hex[:8] + (".dir" if value.is_dir else "")
    return "nothing" if value is None else str(value)[:40]


def excused_by(project: Project, tree: CommitTree) -> Callable[[Collection[str]], Mapping[str, str]]:
    """Why inputs may be absent from a commit: they are in none by intention."""

    def excused(paths: Collection[str]) -> Mapping[str, str]:
        outside = {path for path in paths if posixpath.isabs(path) or project.in_repo(path).startswith("../")}
        found = dict.fromkeys(outside, "it lies outside the repository")
        found.update(dict.fromkeys(tree.ignored(set(paths) - outside), "Git ignores it, so it is in no commit"))
        return found

    return excused


class Loose:
    """Inputs that are in no commit by intention: ignored by Git or outside the repository; taken from the disk."""

    label = "the work tree"

    def __init__(self, project: Project) -> None:
        self._project = project

    def _allowed(self, paths: Collection[str]) -> list[str]:
        repo = self._project.repo
        assert repo is not None
        inside = {path: self._project.in_repo(path) for path in paths if not posixpath.isabs(path)}
        ignored = repo.ignored([p for p in inside.values() if not p.startswith("../")])
        return [p for p in paths if p not in inside or inside[p].startswith("../") or inside[p] in ignored]

    def read(self, path: str) -> bytes | None:
        return self._project.worktree.read(path) if self._allowed([path]) else None

    def pipeline_files(self) -> list[str]:
        return []

    def listing(self, path: str, *, legacy: bool = False) -> Mapping[str, Digest] | None:
        return self._project.worktree.listing(path, legacy=legacy) if self._allowed([path]) else None

    def digests(self, paths: Collection[str], *, legacy: bool = False) -> Mapping[str, Digest]:
        return self._project.worktree.digests(self._allowed(paths), legacy=legacy)

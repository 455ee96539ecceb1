"""`gitstage.verify = fix`: pre-commit reproduces the stale stages and adds the result to the commit.

This is the only place in which a hook runs a stage's command, and only who asked for it in the Git configuration gets it:
nothing that a repository contains can.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence

from gitstage import events as happened
from gitstage import run
from gitstage.errors import GitstageError
from gitstage.git import Repo
from gitstage.locks import RepoLock
from gitstage.pipeline import Stage
from gitstage.project import Project
from gitstage.verdict import current
from gitstage.verdict.judge import Finding

_WAIT = 10.0  # seconds for another command of ours or DVC's to end


def fix(repo: Repo, findings: Sequence[Finding]) -> list[Finding]:
    """Run what `findings` call stale, and stage what that writes. Returns what still speaks against the commit.

    The index is changed only if the commit is then consistent. Raises GitstageError, before anything runs, if the work
    tree's inputs are not those that would be committed, and what a run raises.
    """
    files: list[str] = []
    for prefix in dict.fromkeys(one.prefix for one in findings):
        mine = [one for one in findings if one.prefix == prefix]
        if any(one.stage is None or one.is_forgotten for one in mine):
            return list(findings)  # nothing that a run could mend
        assert repo.top is not None
        root = os.path.join(repo.top, prefix) if prefix else repo.top
        with (
            contextlib.closing(Project(root, "", repo)) as project,
            RepoLock(project.tmp_dir, hardlink_lock=project.config.hardlink_lock, timeout=_WAIT) as lock,
        ):
            project.sweep()
            files += _reproduced(project, lock, [(project.from_repo(one.file), one.stage) for one in mine])
    left = _with(repo, files)
    if not left:
        repo.add(files)
    return left


def _reproduced(project: Project, lock: RepoLock, names: Sequence[tuple[str, str | None]]) -> list[str]:
    """Run the named stages, what they need and what needs them; the files to commit, from the top of the work tree."""
    pipeline = project.pipeline
    stale = [stage for stage in pipeline.stages if (stage.file, stage.name) in names]
    stages = pipeline.order(pipeline.downstream(stale))
    _refuse_other_inputs(project, stages)
    written: list[str] = []
    for event in run.reproduce(project, stages, run.Options(), lock, written):
        if isinstance(event, happened.Running):
            _say(f"gitstage: running stage '{event.label}', because gitstage.verify = fix")
        elif isinstance(event, happened.Executing):
            _say(f"> {event.command}")
        elif isinstance(event, happened.Restored):
            _say(f"gitstage: stage '{event.label}' is known from an earlier run")
        elif isinstance(event, happened.Warned):
            _say(f"gitstage: {event.message}")
    locks = [stage.lock_file for stage in stages if not stage.is_data and project.worktree.exists(stage.lock_file)]
    return [project.in_repo(path) for path in dict.fromkeys([*written, *locks])]


def _refuse_other_inputs(project: Project, stages: Iterable[Stage]) -> None:
    assert project.repo is not None
    paths = {stage.file for stage in stages} | set(project.pipeline.sources)
    for stage in stages:
        if not stage.is_data:
            paths.update(one.path for named in (stage.deps, stage.params) for one in named)
    inside = [project.in_repo(path) for path in paths if not path.startswith("/")]
    other = project.repo.unstaged([path for path in inside if not path.startswith("../")])
    if other:
        raise GitstageError(
            f"{other[0]}: differs in the work tree from what is to be committed, so a run would not use what the commit has",
            f"git add {shlex.quote(other[0])}, or git stash --keep-index",
        )


def _with(repo: Repo, files: Sequence[str]) -> list[Finding]:
    """What would speak against the commit if `files` were staged, too; tried out on a copy of the index."""
    trial = os.path.join(os.path.dirname(repo.index_path), f"gitstage-index-{os.getpid()}")
    try:
        shutil.copyfile(repo.index_path, trial)
        copy = repo.with_index(trial)
        copy.add(files)
        return [one for one in current.of_index(copy, copy.staged()) if not one.untold]
    finally:
        for path in (trial, f"{trial}.lock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def tell_staged() -> None:
    """What to do in a merge, whose tree Git has made before it asks."""
    _say("gitstage: the result is staged; it is not in the tree that Git has merged already")
    _say("hint: git commit completes the merge with it")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201

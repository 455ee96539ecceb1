"""What is about to be committed, or just was, here: the work tree has the inputs that are in no commit, the cache the data.

Judged is the index that Git handed over, so every form of commit is judged by what it commits.
"""

from __future__ import annotations

import contextlib
import posixpath
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence

from gitstage.git import Commit, CommitTree, IndexTree, Repo
from gitstage.memo import Memo
from gitstage.pipeline import Pipeline, Stage, is_inside
from gitstage.project import Project
from gitstage.verdict import merged
from gitstage.verdict.judge import Finding, Loose, State, judge


def of_index(repo: Repo, staged: Collection[str]) -> list[Finding]:
    """What speaks against committing the index, in all its projects. `staged`: paths at which it differs from the last
    commit, from the top of the work tree."""
    before = repo.head()
    others = repo.others()
    sides = [before, *others] if before and others else []
    findings = []
    for project in projects(repo):
        with contextlib.closing(project):
            tree = repo.index(project.prefix, project.memo)
            torn = [path for path in tree.conflicts() if is_pipeline_file(path)]
            if torn:
                findings += [_torn(project, path) for path in torn]
                continue
            pipeline = project.loader().load(tree)
            state = State(
                project, pipeline, tree, "staged",
                loose=Loose(project), is_forgotten=_lies_in(project), holder=project.cache,
                made_up=_made_up(project, pipeline, sides),
            )  # fmt: skip
            findings += _judge(state, before, staged)
    return findings


def of_commit(repo: Repo, commit: Commit, changed: Collection[str]) -> list[Finding]:
    """What speaks against the commit that is checked out, as `of_index` would have told before it was made.

    `changed`: paths at which it differs from its first parent.
    """
    before = commit.parents[0] if commit.parents else None
    sides = [*commit.parents, *repo.others()]
    findings = []
    for project in _projects(repo, repo.commit(commit.id, "", Memo(None))):
        with contextlib.closing(project):
            tree = repo.commit(commit.id, project.prefix, project.memo)
            pipeline = project.loader().load(tree)
            state = State(
                project, pipeline, tree, "committed",
                loose=Loose(project), holder=project.cache, made_up=_made_up(project, pipeline, sides),
            )  # fmt: skip
            findings += _judge(state, before, changed)
    return findings


def projects(repo: Repo) -> Iterator[Project]:
    """The projects of the index; the caller closes them."""
    return _projects(repo, repo.index("", Memo(None)))


def _projects(repo: Repo, tree: IndexTree | CommitTree) -> Iterator[Project]:
    """The projects in `tree`, which is seen from the top; the caller closes them."""
    for prefix in tree.projects():
        yield Project.of_tree(repo, prefix, tree.read(posixpath.join(prefix, ".dvc/config")))


def _made_up(project: Project, pipeline: Pipeline, sides: Sequence[str]) -> Collection[Stage]:
    if len(sides) < 2:
        return ()
    return merged.made_up(project, pipeline.stages, merged.load_sides(project, sides))


def _judge(state: State, before: str | None, changed: Collection[str]) -> list[Finding]:
    """`before`: the commit that this one follows."""
    project = state.project
    old: dict[tuple[str, str | None], Stage] | None = None

    def is_touched(stage: Stage) -> bool:
        """Does the commit change the stage, its record or one of its files?"""
        nonlocal old
        if old is None:
            sides = merged.load_sides(project, [before]) if before else []
            old = {(one.file, one.name): one for side in sides for one in side.stages}
        earlier = old.get((stage.file, stage.name))
        if earlier is None or (earlier.record, earlier.definition) != (stage.record, stage.definition):
            return True
        named = {d.path for d in stage.deps} | {p.path for p in stage.params} | {o.path for o in stage.outs}
        return any(is_inside(path, project.in_repo(one)) for one in named for path in changed)

    return judge(state, is_touched=is_touched)


def _lies_in(project: Project) -> Callable[[str], bool]:
    """Is there a file in the work tree, or a folder with any?"""
    tree = project.worktree
    return lambda path: tree.exists(path) and (not tree.is_dir(path) or next(tree.walk(path), None) is not None)


def is_pipeline_file(path: str) -> bool:
    return posixpath.basename(path) in ("dvc.yaml", "dvc.lock") or path.endswith(".dvc")


def _torn(project: Project, path: str) -> Finding:
    file = project.in_repo(path)
    return Finding(path, "is not merged yet", f"git stage resolve {shlex.quote(file)}", file, prefix=project.prefix)

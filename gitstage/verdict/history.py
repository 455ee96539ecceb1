"""Commits, judged from Git's objects alone: without a checkout, in any clone, several projects in one repository.

From one commit to the next little changes. A stage is judged again only if something that it names has changed: its
description, its record, one of its files, or the record of a stage whose outputs it reads.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from gitstage import formats
from gitstage.digest import Digest
from gitstage.errors import ConfigError, FormatError, GitstageError, PipelineError, UsageError
from gitstage.git import Commit, CommitTree, Repo, is_special, parents
from gitstage.memo import Memo
from gitstage.pipeline import Loader, Pipeline, Stage
from gitstage.project import Project
from gitstage.verdict import merged
from gitstage.verdict.holders import Holders
from gitstage.verdict.judge import Finding, State, excused_by, judge, made_up_finding

_Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one commit, and how many projects and stages it has."""

    commit: Commit
    findings: tuple[Finding, ...]
    projects: int = 0
    stages: int = 0

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """What speaks against it."""
        return tuple(one for one in self.findings if not one.untold)

    @property
    def is_consistent(self) -> bool:
        return not self.reasons


@dataclass
class _Known:
    """A project as the last commit had it. `findings`: what was found of each stage, by its file and name."""

    project: Project
    loader: Loader
    config: bytes | None
    pipeline: Pipeline = field(default_factory=lambda: Pipeline(()))
    findings: dict[_Key, list[Finding]] = field(default_factory=dict)


class History:
    """Judges commits one after the other; faster the less two that follow each other differ. To be closed.

    `bulk`: there will be many, so that loading pygit2 pays.
    """

    def __init__(self, repo: Repo, holders: Holders | None = None, *, bulk: bool = True) -> None:
        self._repo, self._holders, self._bulk = repo, holders, bulk
        self._reader = formats.Reader()
        self._prefixes: list[str] = []
        self._known: dict[str, _Known] = {}
        self._projects: list[Project] = []
        self._last: str | None = None
        self._has_links = False
        self.without_data: set[str] = set()
        """Folders of projects whose outputs' data was not asked for, because there is nothing that could keep it."""

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        for project in reversed(self._projects):
            project.close()

    def verdict(self, commit: Commit) -> Verdict:
        """What speaks against a commit. What cannot be read in it is a finding, too."""
        changed = None if self._last is None else self._repo.changed(self._last, commit.id)
        self._last = commit.id
        if changed is None or any(is_special(path) and path.endswith("config") for path in changed):
            self._prefixes = self._tree(commit, "").projects()
            for prefix in self._known.keys() - set(self._prefixes):
                del self._known[prefix]
        findings: list[Finding] = []
        count = 0
        for prefix in self._prefixes:
            try:
                known = self._bring_to(commit, prefix, changed)
            except (PipelineError, ConfigError) as error:
                self._known.pop(prefix, None)
                findings.append(_unreadable(prefix, error))
                continue
            count += len(known.pipeline.stages)
            for stage in known.pipeline.stages:
                findings += known.findings.get(_key(stage), ())
            findings += self._of_merge(commit, known)
        return Verdict(commit, tuple(findings), len(self._prefixes), count)

    def _tree(self, commit: Commit, prefix: str, memo: Memo | None = None) -> CommitTree:
        return self._repo.commit(commit.id, prefix, memo or Memo(None), bulk=self._bulk)

    def _bring_to(self, commit: Commit, prefix: str, changed: Collection[str] | None) -> _Known:
        """The project in folder `prefix` as `commit` has it, every stage of it judged."""
        old = self._known.get(prefix)
        if old is not None and changed is not None and not changed:
            return old
        memo = old.project.memo if old is not None else None
        tree = self._tree(commit, prefix, memo)
        everything = old is None or changed is None or self._has_links or any(map(_concerns_all, changed))
        known = old or self._opened(prefix, tree.read(".dvc/config"))
        if everything and old is not None and (config := tree.read(".dvc/config")) != old.config:
            known = self._opened(prefix, config)
        if memo is None:
            tree = self._tree(commit, prefix, known.project.memo)
        touched = _Paths(changed or ())
        sources = map(known.project.in_repo, known.pipeline.sources)
        if everything or any(map(is_special, changed or ())) or any(map(touched.overlap, sources)):
            before, known.pipeline = known.pipeline, known.loader.load(tree)
            touched = _Paths([*(changed or ()), *_moved_outputs(known.project, before, known.pipeline)])
            same = {_key(stage): stage for stage in before.stages}
        else:
            same = {_key(stage): stage for stage in known.pipeline.stages}
        stale = [
            stage
            for stage in known.pipeline.stages
            if everything
            or _key(stage) not in known.findings
            or not _is_same(stage, same.get(_key(stage)))
            or any(touched.overlap(known.project.in_repo(path)) for path in _named(stage))
        ]
        self._judge(known, tree, stale)
        self._known[prefix] = known
        return known

    def _opened(self, prefix: str, config: bytes | None) -> _Known:
        project = Project.of_tree(self._repo, prefix, config)
        self._projects.append(project)
        return _Known(project, project.loader(self._reader), config)

    def _judge(self, known: _Known, tree: CommitTree, stages: Sequence[Stage]) -> None:
        if not stages:
            return
        state = self._state(known, tree, stages)
        found: dict[_Key, list[Finding]] = {_key(stage): [] for stage in stages}
        for one in judge(state, stages):
            found[known.project.from_repo(one.file), one.stage].append(one)
        known.findings.update(found)
        self._has_links |= tree.has_links

    def _state(self, known: _Known, tree: CommitTree, stages: Sequence[Stage]) -> State:
        project = known.project
        asked = self._holders(project, stages) if self._holders else None
        if asked is None:
            self.without_data.add(project.prefix)
        holder, place = asked or (None, "")
        return State(
            project, known.pipeline, tree, "committed",
            excused=excused_by(project, tree), holder=holder, place=place,
        )  # fmt: skip

    def _of_merge(self, commit: Commit, known: _Known) -> list[Finding]:
        """Records that this commit made up, if it is a merge."""
        if self._repo.hidden_parents(commit.id) > 1:
            text = "it is a merge whose parents this shallow clone does not have: whether it made up records cannot be told"
            return [Finding(commit.id[:10], text, "", "", untold=True)]
        if len(commit.parents) < 2:
            return []
        sides = merged.load_sides(known.project, commit.parents, known.loader)
        found = merged.made_up(known.project, known.pipeline.stages, sides)
        state = State(known.project, known.pipeline, self._tree(commit, known.project.prefix), "committed")
        is_known = os.path.isdir(known.project.runs.folder)
        return [made_up_finding(state, one, is_known=is_known) for one in known.pipeline.stages if one in found]


def _key(stage: Stage) -> _Key:
    return stage.file, stage.name


def _is_same(stage: Stage, other: Stage | None) -> bool:
    return stage is other or (
        other is not None and stage.definition == other.definition and stage.record == other.record
    )


def _named(stage: Stage) -> Iterator[str]:
    for named in (stage.deps, stage.params, stage.outs):
        for one in named:
            yield one.path


def _concerns_all(path: str) -> bool:
    """Does a change of this file change what all others mean?"""
    return is_special(path) and path.rpartition("/")[2] in (".gitattributes", ".dvcignore", "config")


class _Paths:
    """Changed paths, from the top of the work tree."""

    def __init__(self, paths: Collection[str]) -> None:
        self._paths = set(paths)
        self._folders = {folder for path in paths for folder in parents(path)} if paths else set()

    def overlap(self, path: str) -> bool:
        """Is `path` one of them, or does it contain one, or lie in one?"""
        path = "" if path == "." else path
        return bool(self._paths) and (
            not path or path in self._folders or any(folder in self._paths for folder in parents(path))
        )


def _moved_outputs(project: Project, old: Pipeline, new: Pipeline) -> Iterator[str]:
    """Outputs whose recorded content differs, or that only one of the two has, from the top of the work tree."""

    def recorded(pipeline: Pipeline) -> dict[str, tuple[bool, Digest | None]]:
        return {out.path: (out.cache, stage.recorded(out)) for stage in pipeline.stages for out in stage.outs}

    before, after = recorded(old), recorded(new)
    for path in before.keys() | after.keys():
        if before.get(path) != after.get(path):
            yield project.in_repo(path)


def _unreadable(prefix: str, error: GitstageError) -> Finding:
    if isinstance(error, FormatError):
        file = posixpath.normpath(posixpath.join(prefix, error.path))
        line = "" if error.line is None else f"line {error.line}: "
        return Finding(file, f"{line}{error.message}", "", file, line=error.line)
    return Finding(prefix or ".", str(error), error.hint or "", posixpath.join(prefix, "dvc.yaml"))


def line_of(repo: Repo, commit: str, finding: Finding) -> int | None:
    """The line of the finding's file, as the commit has it, on which the stage begins; None if it cannot be found."""
    if finding.line is not None or finding.stage is None:
        return finding.line
    text = repo.git("cat-file", "blob", f"{commit}:{finding.file}", check=False).decode("utf-8", "replace")
    with contextlib.suppress(Exception):
        return formats.line_of(text, ("stages", finding.stage.partition("@")[0]))
    return None


def named(repo: Repo, revision: str) -> list[Commit]:
    """The commit that a user's word names, or those of a range (`A..B`), oldest first. Raises GitstageError if there is
    none."""
    is_range = ".." in revision
    try:
        found = repo.history("--end-of-options", revision, walk=is_range)
    except GitstageError:
        found = []
        missing = [end for end in (revision.split("..") if is_range else [revision]) if end and not repo.id(end)]
        hint = "git fetch --unshallow" if repo.is_shallow else "git log"
        if missing:
            raise GitstageError(f"{missing[0]}: is no commit here", hint) from None
        raise
    if not found and not is_range:
        raise GitstageError(f"{revision}: is no commit here", "git log")
    return found


def pushed(repo: Repo, lines: str) -> list[Commit]:
    """The commits that a push brings: `lines` are "OLD NEW REF" for each ref, as Git tells a pre-receive hook, which
    runs before any ref is changed. Deleted refs, and refs to something else than commits, bring none."""
    tips = []
    for line in lines.splitlines():
        words = line.split(" ", 2)
        if len(words) != 3 or not _HEX.issuperset(words[1]):
            raise UsageError(f"{line[:80]!r} is not a line of OLD NEW REF", "git stage help verify")
        if words[1].strip("0") and repo.id(words[1]):
            tips.append(words[1])
    return repo.history("--not", "--all", stdin=tips) if tips else []


_HEX = frozenset("0123456789abcdef")

"""Whenever Git has moved the work tree: the outputs follow the files that say what they are.

Nothing that is in no cache is ever overwritten; what is left alone is said, with the command that would replace it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from gitstage import checkout
from gitstage.config import config_path, with_value
from gitstage.errors import Busy, GitstageError
from gitstage.fs import atomic_write
from gitstage.git import Repo
from gitstage.hooks import notes, projects
from gitstage.locks import RepoLock
from gitstage.pipeline import Pipeline, Target
from gitstage.project import Project

_WAIT = 5.0  # seconds for another command of ours or DVC's to end; Git's user is waiting


EVENTS = frozenset({"post-merge", "post-rewrite", "post-commit", "post-applypatch", "post-index-change"})


def post_checkout(old: str, new: str, flag: str) -> None:
    """After `git checkout`. `flag` "1": a switch of branches; "0": of files, then only what they describe is restored."""
    if os.environ.get("GIT_INDEX_FILE") or os.environ.get("_PRE_COMMIT_SKIP_POST_CHECKOUT"):
        return  # in the middle of another hook, which looks after itself
    repo = Repo.discover()
    if repo is not None and repo.top is not None:
        bring_in_line(repo, only_changed=flag == "0")


def after(event: str) -> None:
    """After another event of Git's (see EVENTS)."""
    repo = Repo.discover()
    if repo is None or repo.top is None:
        return
    if event == "post-index-change" and not repo.setting_bool("followresets", True):
        return
    bring_in_line(repo)


def bring_in_line(repo: Repo, *, only_changed: bool = False) -> None:
    """Restore the outputs of every project of the repository that Git's hook is about."""
    repo.offline = True
    files: list[str] = []
    complete = True
    stamp = Stamp(repo)
    for prefix in projects.with_outputs(repo):
        with contextlib.closing(projects.at(repo, prefix)) as project:
            if not os.path.isdir(project.dvc_dir):
                continue
            try:
                _share_cache(project)
                with RepoLock(project.tmp_dir, hardlink_lock=project.config.hardlink_lock, timeout=_WAIT):
                    pipeline = project.pipeline
                    files += [project.in_repo(path) for path in _metadata(pipeline)]
                    complete &= restore(project, only_changed=only_changed)
            except Busy as error:
                _say(f"{error}; the outputs were not brought in line", "git stage checkout")
                complete = False
            except GitstageError as error:
                _say(str(error), error.hint)
                complete = False
    if complete:
        stamp.write(files)


def _share_cache(project: Project) -> None:
    """In a linked worktree we use the main one's cache: DVC is told to do so, too, by a setting that Git ignores."""
    own = project.config.cache_dir
    if project.cache_dir == own or os.path.exists(own) or project.repo is None:
        return
    path = config_path("local", project.dvc_dir)
    if project.repo.ignored([project.in_repo(".dvc/config.local")]):
        try:
            with open(path, encoding="utf-8") as stream:
                text = stream.read()
        except FileNotFoundError:
            text = ""
        atomic_write(path, with_value(text, path, "cache.dir", project.cache_dir).encode())


def restore(project: Project, *, only_changed: bool = False) -> bool:
    """Check out every output that may be; tells whether nothing failed. `only_changed`: those whose record changed
    since they were last in agreement with it."""
    pipeline = project.pipeline
    known = project.restored()
    wanted = checkout.wanted_by([Target(stage) for stage in pipeline.stages])
    if only_changed:
        wanted = [one for one in wanted if one.digest is not None and known.get(one.path) != one.digest]
    gone = checkout.no_longer_declared(known, [out.path for stage in pipeline.stages for out in stage.outs])
    planned = checkout.plan(project, wanted, gone=gone)
    result = checkout.apply(project, planned)
    checkout.remember(project, planned, gone, result)
    _report(planned, result)
    return not result.errors


def _report(planned: checkout.Plan, result: checkout.Result) -> None:
    kept = [out.path for out in planned.outputs if out.unsaved]
    missing = [out.path for out in planned.outputs if out.missing]
    refused = [out.refused for out in planned.outputs if out.refused]
    if kept:
        _say(f"left as it is, for its content is in no cache: {_some(kept)}", "git stage checkout --force replaces it")
    if missing:
        count = "1 output is" if len(missing) == 1 else f"{len(missing)} outputs are"
        _say(f"{count} not in the cache: {_some(missing)}", "git stage pull")
    for message in [*refused, *map(str, result.errors.values())]:
        _say(message)


def _some(paths: Sequence[str]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _metadata(pipeline: Pipeline) -> list[str]:
    """The files that say what the outputs are."""
    found = dict.fromkeys(stage.file for stage in pipeline.stages)
    found.update(dict.fromkeys(stage.lock_file for stage in pipeline.stages if not stage.is_data))
    return list(found)


class Stamp:
    """When the outputs were last brought in line, for the hooks' shell part (changed.sh), which compares the times of the
    files that say what the outputs are with it, and their listing in the index with the one beside it.

    Both are taken first: what changes while the outputs are brought in line counts as changed since.
    """

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._time = notes.clock(repo)
        self._listing = repo.git("ls-files", "-s", "--", "*.dvc", "*dvc.lock", "*dvc.yaml")

    def write(self, files: Sequence[str]) -> None:
        """Note that the outputs are in line; `files` (relative to the top) say what they are."""
        if self._time is not None:
            # those of the index too, for a sparse checkout may bring them back; it quotes names with line breaks
            listed = [os.fsdecode(line.partition(b"\t")[2]) for line in self._listing.splitlines()]
            lines = "".join(f"{name}\n" for name in dict.fromkeys([*files, *listed]) if "\n" not in name)
            notes.write(self._repo, {"stamp.index": self._listing, "stamp": os.fsencode(lines)}, time=self._time)


def _say(text: str, hint: str | None = None) -> None:
    print(f"gitstage: {text}", file=sys.stderr)  # noqa: T201
    if hint:
        print(f"hint: {hint}", file=sys.stderr)  # noqa: T201

"""Conflicts in pipeline files that arose without the merge driver: merged as the driver would have."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitstage import fs
from gitstage.errors import GitstageError
from gitstage.git import Repo
from gitstage.git.textmerge import merge_texts
from gitstage.locks import RepoLock
from gitstage.merge import markers
from gitstage.merge.driver import cache_of
from gitstage.merge.files import MERGED, is_merged, merge
from gitstage.merge.outcome import Cannot, Merged, Note, Options, Side
from gitstage.project import Project, find_root


@dataclass(frozen=True, slots=True)
class Conflict:
    """A file (from the top of the work tree) and its versions, None where it did not exist or its text is not known."""

    path: str
    base: bytes | None
    ours: bytes | None
    theirs: bytes | None


@dataclass(frozen=True, slots=True)
class Resolution:
    """What `resolve` made of one file. `merged` is None if it was left as it is; `notes` say what is left to the user."""

    path: str
    merged: Merged | None
    notes: tuple[Note, ...] = ()

    @property
    def is_done(self) -> bool:
        return self.merged is not None and not any(note.conflict for note in self.notes)


def conflicts(repo: Repo, paths: Sequence[str] | None = None) -> list[Conflict]:
    """The pipeline files (of `paths`, if given, from the top) that are unmerged in the index, or hold conflict markers.

    Their versions come from the index, which keeps them also when the conflict was declared resolved; else from the
    markers. Raises GitstageError for a path that is no pipeline file.
    """
    for path in paths or ():
        if not is_merged(path):
            raise GitstageError(f"{path}: is none of {', '.join(MERGED)}", f"git mergetool {shlex.quote(path)}")
    unmerged = _stages(repo, "-u")
    marked = {path: data for path in repo.pipeline_files("") if _has_markers(data := _on_disk(repo, path) or b"")}
    earlier = _stages(repo, "--resolve-undo") if marked.keys() - unmerged.keys() else {}
    found = []
    for path in sorted(unmerged.keys() | marked.keys()):
        if not is_merged(path) or (paths is not None and path not in paths):
            continue
        ids = unmerged.get(path) or earlier.get(path)
        if ids is not None:
            found.append(Conflict(path, *(_blob(repo, ids.get(stage)) for stage in ("1", "2", "3"))))
        elif (versions := markers.versions(marked[path], path)) is not None:
            found.append(Conflict(path, *versions))
        else:
            found.append(Conflict(path, None, None, None))
    return found


def resolve(repo: Repo, found: Iterable[Conflict], side: Side | None = None) -> list[Resolution]:
    """Merge each file, write it, and stage it if nothing of it is left to the user. `side`: whose version is taken of
    what does not merge."""
    done = []
    with contextlib.ExitStack() as stack:
        roots: set[str] = set()
        for one in found:
            root = find_root(os.path.dirname(_absolute(repo, one.path)))
            if root is not None and root not in roots:
                roots.add(root)
                project = stack.enter_context(Project(root))
                stack.enter_context(RepoLock(project.tmp_dir, hardlink_lock=project.config.hardlink_lock))
            done.append(_resolve(repo, one, side))
            merged = done[-1].merged
            if merged is not None:
                _keep(repo, one.path)
                fs.atomic_write(_absolute(repo, one.path), merged.data)
    repo.add([one.path for one in done if one.is_done])
    return done


def _resolve(repo: Repo, one: Conflict, side: Side | None) -> Resolution:
    file = shlex.quote(one.path)
    if one.ours is None or one.theirs is None:
        if one.ours is None and one.theirs is None:
            why, hint = "its conflict markers are not in order", f"edit {file}, then git add {file}"
        else:
            why, hint = "was deleted on one side and changed on the other", f"git add {file}, or git rm {file}"
        return Resolution(one.path, None, (Note(f"{one.path}: {why}", hint),))
    done = _merged(repo, one, side)
    lying = _on_disk(repo, one.path)
    is_done = done.merged is not None and done.merged.data == lying  # by an earlier call that died before `git add`
    if lying is not None and not is_done and not _has_markers(lying) and lying not in (one.base, one.ours, one.theirs):
        text = f"{one.path}: was edited since the merge, and no conflict marker is left in it"
        return Resolution(one.path, None, (Note(text, f"git add {file}, or git checkout -m -- {file} to start again"),))
    return done


def _merged(repo: Repo, one: Conflict, side: Side | None) -> Resolution:
    assert one.ours is not None and one.theirs is not None
    file = shlex.quote(one.path)
    try:
        with cache_of(repo.top or "", one.path) as cache:
            merged = merge(one.path, one.base, one.ours, one.theirs, Options(side=side, cache=cache))
    except Cannot as error:
        data, is_clean = merge_texts(one.base or b"", one.ours, one.theirs)
        left = () if is_clean else (Note(str(error), f"edit {file}, then git add {file}"),)
        return Resolution(one.path, Merged(data), left)
    except GitstageError as error:
        return Resolution(one.path, None, (Note(str(error), f"edit {file}, then git add {file}"),))
    return Resolution(one.path, merged, merged.notes)


def _stages(repo: Repo, option: str) -> dict[str, dict[str, str]]:
    """Path -> stage ("1" base, "2" ours, "3" theirs) -> blob id."""
    found: dict[str, dict[str, str]] = {}
    for record in repo.git("ls-files", option, "-z", "--full-name").split(b"\0"):
        head, _, name = record.partition(b"\t")
        if name:
            _, id_, stage = head.decode().split()
            found.setdefault(os.fsdecode(name), {})[stage] = id_
    return found


def _blob(repo: Repo, id_: str | None) -> bytes | None:
    return None if id_ is None else repo.git("cat-file", "blob", id_)


def _has_markers(data: bytes) -> bool:
    return data.startswith(b"<<<<<<< ") or b"\n<<<<<<< " in data


def _absolute(repo: Repo, path: str) -> str:
    return os.path.join(repo.top or "", path)


def _on_disk(repo: Repo, path: str) -> bytes | None:
    try:
        with open(_absolute(repo, path), "rb") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _keep(repo: Repo, path: str) -> None:
    """Somebody may have edited what lies there, and it exists nowhere else."""
    data = _on_disk(repo, path)
    if data is not None:
        target = kept_path(repo, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        fs.atomic_write(target, data)


def kept_path(repo: Repo, path: str) -> str:
    """Where the file that `resolve` replaced is kept (absolute)."""
    return os.path.join(repo.worktree_state_dir, "unresolved", path)

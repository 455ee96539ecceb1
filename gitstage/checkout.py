"""From the cache to the work tree: first a plan (actions as values), then the doing.

The rules, per file: what is right already stays; what is absent is made; what differs is replaced only if its present
content is in the cache; anything else is unsaved and named, never overwritten unless forced.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from gitstage.cache import Cache, make_executable
from gitstage.digest import Digest
from gitstage.errors import GitstageError, SystemFailure
from gitstage.fs import Root, components
from gitstage.pipeline import Target, is_inside
from gitstage.project import Project
from gitstage.static import Literal, NamedTuple
from gitstage.tree import Measured, WorkTree


class Wanted(NamedTuple):
    """An output that should hold `digest` (None: nothing was recorded). `part`: only this path inside it.

    `file` says so, for messages. `own`: its files are copies, whatever the link type (nobody protects them).
    """

    path: str
    digest: Digest | None
    isexec: bool = False
    part: str | None = None
    file: str = ""
    own: bool = False


class Action(NamedTuple):
    """One step on one path (root-relative): put content there, delete a file, make a folder, set the executable bit."""

    kind: Literal["create", "replace", "delete", "mkdir", "chmod"]
    path: str
    digest: Digest | None = None
    isexec: bool = False


class OutputPlan(NamedTuple):
    """What is to be done for one output. `change` is for the user; `unsaved`: files that would lose bytes;
    `missing`: objects the cache lacks, then nothing is done. `own`: see Wanted."""

    path: str
    is_dir: bool
    change: Literal["added", "modified", "deleted"] | None
    actions: tuple[Action, ...] = ()
    unsaved: tuple[str, ...] = ()
    missing: tuple[Digest, ...] = ()
    unknown: bool = False
    refused: str | None = None
    own: bool = False
    now: Measured | None = None
    """What lies there now."""

    @property
    def shown(self) -> str:
        return self.path + "/" if self.is_dir else self.path


class Plan(NamedTuple):
    """What a checkout would do, output by output."""

    wanted: tuple[OutputPlan, ...]
    removals: tuple[OutputPlan, ...] = ()
    agreed: Mapping[str, Digest] = MappingProxyType({})

    @property
    def outputs(self) -> tuple[OutputPlan, ...]:
        return self.wanted + self.removals

    @property
    def unsaved(self) -> list[str]:
        """Files that stand in the way of what is wanted and are saved nowhere."""
        return [path for out in self.wanted for path in out.unsaved]


def wanted_by(targets: Iterable[Target]) -> list[Wanted]:
    """The cached outputs of targets, each once; a target inside an output asks for that part only."""
    found: dict[tuple[str, str | None], Wanted] = {}
    for target in targets:
        for out in target.stage.outs:
            if not out.cache or target.out not in (None, out.path):
                continue
            entry = target.stage.record.outs.get(out.spelled) if target.stage.record else None
            isexec = bool(entry and entry.raw.get("isexec"))
            found[out.path, target.path] = Wanted(
                out.path, entry.digest if entry else None, isexec, target.path, target.stage.file
            )
    return list(found.values())


def plan(
    project: Project, wanted: Sequence[Wanted], *, gone: Mapping[str, Digest] | None = None, relink: bool = False
) -> Plan:
    """Compare the work tree with `wanted`. `gone`: outputs that nothing declares any more -> what was restored there;
    they are deleted if their content is saved."""
    planner = _Planner(project.worktree, project.cache, project.folder, relink)
    outputs, removals, agreed = [], [], {}
    for one in wanted:
        made = planner.output(one)._replace(own=one.own)
        outputs.append(made)
        if one.digest is not None and one.part is None and not (made.unsaved or made.missing or made.refused):
            agreed[one.path] = one.digest
    refused = any(out.refused for out in outputs)  # then nothing here is to be believed
    for path, digest in (gone or {}).items() if not refused else ():
        removal = planner.removal(path, digest)
        if removal is not None:
            removals.append(removal)
    return Plan(tuple(outputs), tuple(removals), agreed)


class _Planner:
    def __init__(self, worktree: WorkTree, cache: Cache, root: Root, relink: bool) -> None:
        self.worktree, self.cache, self.root, self.relink = worktree, cache, root, relink

    def output(self, one: Wanted) -> OutputPlan:
        is_dir = one.digest.is_dir if one.digest else False
        if one.digest is None:
            return OutputPlan(one.path, is_dir, None, unknown=True)
        try:
            components(one.path)
            self.root.lstat(one.path)
        except GitstageError as error:
            return OutputPlan(one.path, is_dir, None, refused=f"{one.file}: output {error}")
        now = self.worktree.measure(one.path, legacy=one.digest.legacy)
        if one.part is not None and one.part != one.path:
            return self._part(one, now)
        if now is not None and now.content.digest == one.digest:
            return self._unchanged(one, now)
        missing = self.cache.lacks(one.digest)
        if missing:
            return OutputPlan(one.path, is_dir, None, missing=tuple(missing))
        target = self.cache.manifest(one.digest) if one.digest.is_dir else None
        steps = self._steps(one.path, now, target, one.digest, one.isexec)
        present = now is not None or self.worktree.exists(one.path)
        return OutputPlan(
            one.path, is_dir, "modified" if present else "added", tuple(steps),
            tuple(self._unsaved(steps, one.path, now, one.digest.legacy)), now=now,
        )  # fmt: skip

    def _unchanged(self, one: Wanted, now: Measured) -> OutputPlan:
        assert one.digest is not None
        steps = []
        if one.isexec and not now.content.isexec:
            steps.append(Action("chmod", one.path))
        if self.relink:
            missing = self.cache.lacks(one.digest)
            if missing:
                return OutputPlan(one.path, one.digest.is_dir, None, missing=tuple(missing))
            steps += [
                Action("replace", path, digest, one.isexec)
                for path, digest in now.at(one.path).items()
                if not self.cache.is_linked(self.root.absolute(path), digest)
            ]
        return OutputPlan(
            one.path, one.digest.is_dir, "modified" if steps and not self.relink else None, tuple(steps), now=now
        )

    def _part(self, one: Wanted, now: Measured | None) -> OutputPlan:
        assert one.digest is not None and one.part is not None
        listing = self.cache.manifest(one.digest) if one.digest.is_dir else None
        if listing is None:
            return OutputPlan(one.path, True, None, missing=(one.digest,))
        inside = posixpath.relpath(one.part, one.path)
        target = {name: digest for name, digest in listing.items() if is_inside(name, inside)}
        missing = [digest for digest in dict.fromkeys(target.values()) if not self.cache.has(digest)]
        if missing:
            return OutputPlan(one.path, True, None, missing=tuple(missing))
        present = {name: d for name, d in now.listing.items() if is_inside(name, inside)} if now else {}
        steps = _differences(one.path, present, target)
        change: Literal["added", "modified", "deleted"] | None = None
        if steps:
            change = "modified" if now is not None else "added"
        return OutputPlan(
            one.path, True, change, tuple(steps), tuple(self._unsaved(steps, one.path, now, one.digest.legacy)), now=now
        )

    def removal(self, path: str, digest: Digest) -> OutputPlan | None:
        try:
            if self.root.lstat(path) is None:
                return None
        except GitstageError:
            return None
        now = self.worktree.measure(path, legacy=digest.legacy)
        if now is None:
            return None
        steps = _deletions(path, now)
        unsaved = list(self._unsaved(steps, path, now, digest.legacy))
        return OutputPlan(path, now.is_dir, None if unsaved else "deleted", tuple(steps), tuple(unsaved), now=now)

    def _steps(
        self, path: str, now: Measured | None, target: Mapping[str, Digest] | None, digest: Digest, isexec: bool
    ) -> list[Action]:
        if target is None:
            if now is not None and now.is_dir:
                return [*_deletions(path, now), Action("create", path, digest, isexec)]
            there = self.worktree.exists(path)
            return [Action("replace" if there else "create", path, digest, isexec)]
        if now is not None and not now.is_dir:
            return [Action("delete", path), *_differences(path, {}, target)]
        steps = _differences(path, now.listing if now else {}, target)
        if now is None and self.worktree.exists(path):
            steps.insert(0, Action("delete", path))  # a broken symlink
        return steps if target or now is not None else [*steps, Action("mkdir", path)]

    def _unsaved(self, steps: Iterable[Action], path: str, now: Measured | None, legacy: bool) -> Iterable[str]:
        if now is None:
            return
        present = now.at(path)
        for step in steps:
            is_lossy = step.kind in ("replace", "delete") and step.path in present
            if is_lossy and not self._is_saved(step.path, present[step.path], legacy):
                yield step.path

    def _is_saved(self, path: str, digest: Digest, legacy: bool) -> bool:
        if self.cache.has(digest):
            return True
        other = self.worktree.measure(path, legacy=not legacy) if legacy else None
        return other is not None and self.cache.has(other.content.digest)


def _differences(path: str, present: Mapping[str, Digest], target: Mapping[str, Digest]) -> list[Action]:
    """Deletions first, so that a file may take the place of a folder and the other way round."""
    steps = [Action("delete", f"{path}/{name}") for name in present if name not in target]
    for name, digest in target.items():
        if name not in present:
            steps.append(Action("create", f"{path}/{name}", digest))
        elif present[name] != digest:
            steps.append(Action("replace", f"{path}/{name}", digest))
    return steps


def _deletions(path: str, now: Measured) -> list[Action]:
    if now.files is None:
        return [Action("delete", path)]
    return [Action("delete", f"{path}/{name}") for name in now.files] or [Action("delete", path)]


class Result(NamedTuple):
    """What a checkout did: outputs by kind of change (shown paths), files by kind, and what could not be done."""

    added: tuple[str, ...]
    modified: tuple[str, ...]
    deleted: tuple[str, ...]
    files: Mapping[str, int]
    errors: Mapping[str, GitstageError] = MappingProxyType({})


def apply(project: Project, planned: Plan, *, force: bool = False) -> Result:
    """Carry out a plan. Outputs with unsaved files are left alone unless `force`; those lacking objects always."""
    done: dict[str, list[str]] = {"added": [], "modified": [], "deleted": []}
    files = {"added": 0, "modified": 0, "deleted": 0}
    errors: dict[str, GitstageError] = {}
    replaced = {digest for out in planned.outputs for digest in _replaced(out)}
    if replaced:
        project.cache.settle(replaced)
    for out in planned.outputs:
        if out.missing or out.unknown or out.refused or (out.unsaved and not force):
            continue
        try:
            _note(project, out)
            wanted = []
            for action in out.actions:
                if action.digest is not None:
                    wanted.append((action.digest, action.path, action.isexec))
                else:
                    _do(project.folder, action, "" if out.change == "deleted" else out.path)
            project.cache.restore_all(wanted, project.folder, kind="copy" if out.own else None)
            if out.actions:
                _drop_empty_folders(project, out)
        except OSError as error:
            errors[out.path] = SystemFailure(f"{out.path}: {error.strerror or error}")
            continue
        except GitstageError as error:
            errors[out.path] = error
            continue
        if out.change or (out.unsaved and force):
            done[out.change or "deleted"].append(out.shown)
        for action in out.actions:
            kind = {"create": "added", "replace": "modified", "delete": "deleted"}.get(action.kind)
            if kind and out.change:
                files[kind] += 1
    order = {kind: tuple(sorted(paths, key=lambda p: (not p.endswith("/"), p))) for kind, paths in done.items()}
    return Result(order["added"], order["modified"], order["deleted"], files, errors)


def _replaced(out: OutputPlan) -> Iterable[Digest]:
    """What lies now where something else is to be, or nothing."""
    paths = [action.path for action in out.actions if action.kind in ("replace", "delete")]
    present = out.now.at(out.path) if paths and out.now is not None else {}
    return (present[path] for path in paths if path in present)


def _note(project: Project, out: OutputPlan) -> None:
    """Write down for undo what is about to be replaced; what the cache does not have is moved there."""
    if not out.actions or not project.journal.is_on or project.scratch.is_aside(out.path):
        return  # what was moved aside is written down when it is let go
    journal, root, cache = project.journal, project.folder, project.cache
    from gitstage.journal import digest_text

    if root.lstat(out.path) is None:
        journal.was(out.path, None)
        journal.flush()
        return
    present = out.now.at(out.path) if out.now is not None else {}
    unsaved = set(out.unsaved)
    for action in out.actions:
        path = action.path
        found = root.lstat(path) if action.kind != "create" else None
        if found is None:
            journal.was(path, None)
            continue
        digest = present.get(path)
        if action.kind == "chmod" or (digest is not None and digest == action.digest):
            journal.form(path, found)
        elif stat.S_ISDIR(found.st_mode):
            journal.was(path, {"folder": stat.S_IMODE(found.st_mode)}, whole=False)
        elif stat.S_ISLNK(found.st_mode):
            journal.was(path, {"symlink": os.readlink(root.absolute(path))})
        elif digest is None or path in unsaved or (digest.legacy and not cache.has(digest)):
            journal.take(path)
        else:
            link = {"link": "hardlink"} if found.st_nlink > 1 else {}
            journal.was(path, {"md5": digest_text(digest), "mode": stat.S_IMODE(found.st_mode), **link})
    journal.flush()


def _do(root: Root, action: Action, within: str) -> None:
    if action.kind == "mkdir":
        root.mkdir(action.path)
    elif action.kind == "delete":
        found = root.lstat(action.path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            root.rmdir(action.path)
        else:
            root.unlink(action.path)
            _drop_empty_parents(root, action.path, within)
    elif action.kind == "chmod":
        make_executable(root.absolute(action.path))


def _drop_empty_parents(root: Root, path: str, within: str) -> None:
    """A folder that is emptied goes, so that a file can take its name; outside `within` none is touched."""
    folder = posixpath.dirname(path)
    while folder and (not within or is_inside(folder, within)) and root.rmdir(folder):
        folder = posixpath.dirname(folder)


def _drop_empty_folders(project: Project, out: OutputPlan) -> None:
    """Folders without files are no content of a directory output; they go when it is touched."""
    if not out.is_dir:
        return
    top = project.folder.absolute(out.path)
    keep_top = out.change != "deleted"
    for folder, folders, names in os.walk(top, topdown=False):
        if names or (folder == top and keep_top):
            continue
        if all(not os.path.lexists(os.path.join(folder, one)) for one in folders):
            with contextlib.suppress(OSError):
                mode = stat.S_IMODE(os.lstat(folder).st_mode)
                os.rmdir(folder)
                below = os.path.relpath(folder, project.root).replace(os.sep, "/")
                project.journal.was(below, {"folder": mode}, whole=False)
                project.folder.forget(below)


def remember(project: Project, planned: Plan, gone: Mapping[str, Digest], result: Result) -> None:
    """Note what now agrees with the lock, so that a later checkout knows what it may remove."""
    known = {path: digest for path, digest in project.restored().items() if path not in gone}
    left = {out.path for out in planned.outputs if out.unsaved or out.refused}
    known |= {path: digest for path, digest in gone.items() if path in left or path in result.errors}
    known |= {path: digest for path, digest in planned.agreed.items() if path not in result.errors}
    project.remember_restored(known)


def no_longer_declared(known: Mapping[str, Digest], declared: Collection[str]) -> dict[str, Digest]:
    """Outputs restored earlier that no stage declares any more, and that lie in none that is declared."""
    owned = set(declared)
    found = {}
    for path, digest in known.items():
        parent = path
        while parent.strip("/") and parent not in owned:
            parent = posixpath.dirname(parent)
        if not parent.strip("/") and not any(is_inside(one, path) for one in owned):
            found[path] = digest
    return found

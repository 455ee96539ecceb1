"""The one comparison: does what a tree holds agree with what the lock recorded?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from gitstage import params
from gitstage.cache import Cache
from gitstage.digest import Digest, has_checksum
from gitstage.errors import PipelineError
from gitstage.pipeline import Output, ParamsFile, Pipeline, Stage, join
from gitstage.static import Any, Literal, NamedTuple, Protocol
from gitstage.tree import Tree

Role = Literal["cmd", "dep", "param", "out", "always", "record", "checksum"]
State = Literal[
    "changed", "modified", "deleted", "new", "removed", "not in cache", "corrupt in cache", "always changed", "made up",
    "edited", "update available",
]  # fmt: skip


class Change(NamedTuple):
    """One reason why a stage is not up to date.

    `path` is root-relative (empty for a command); `key`: the parameter. `recorded` and `found` are digests, parameter
    values or commands; None where there is none. "removed": recorded as an input, but no longer declared. "made up"
    and "edited": the record as a whole, by a merge or by hand (see verdict); no comparison with the files shows that.
    """

    role: Role
    state: State
    path: str = ""
    key: str | None = None
    recorded: Any = None
    found: Any = None


class StageStatus(NamedTuple):
    """What differs for one stage; no changes: it is up to date."""

    stage: Stage
    changes: tuple[Change, ...]

    @property
    def never_ran(self) -> bool:
        return self.stage.name is not None and self.stage.record is None

    def has(self, *roles: Role) -> bool:
        return any(change.role in roles for change in self.changes)


class Found(NamedTuple):
    """What a tree and the cache hold for a stage: digests by root-relative path, once per kind of digest.

    `params`: file -> its values, None if the file is absent. `lost`: output path -> is an object of it missing?
    """

    plain: Mapping[str, Digest]
    legacy: Mapping[str, Digest]
    params: Mapping[str, Mapping[str, Any] | None]
    lost: Mapping[str, bool]


class Holder(Protocol):
    """What keeps objects: the cache, or a remote."""

    def lacks(self, digest: Digest) -> Collection[Digest]:
        """What is missing of an object: itself or, of a directory, files of it."""


def status(
    pipeline: Pipeline, tree: Tree, holder: Holder | None, stages: Sequence[Stage] | None = None
) -> list[StageStatus]:
    """Compare `stages` (default: all) with `tree`, and ask `holder`, if any, for the recorded outputs."""
    chosen = pipeline.stages if stages is None else stages
    found = look(tree, holder, chosen)
    return [StageStatus(stage, tuple(compare(stage, found))) for stage in chosen]


def look(tree: Tree, holder: Holder | None, stages: Iterable[Stage]) -> Found:
    """Ask `tree` for all that `stages` name, each path once."""
    plain: dict[str, None] = {}
    legacy: dict[str, None] = {}
    values: dict[str, Mapping[str, Any] | None] = {}
    lost: dict[str, bool] = {}
    for stage in stages:
        for path, recorded in _paths(stage):
            (legacy if recorded is not None and recorded.legacy else plain)[path] = None
        for file in () if stage.frozen else stage.params:
            if file.path not in values:
                text = tree.read(file.path)
                values[file.path] = None if text is None else params.read_values(text, file.path)
        for out in stage.outs:
            entry = stage.record.outs.get(out.spelled) if stage.record else None
            if holder is not None and out.cache and entry is not None and "md5" in entry.raw:
                lost[out.path] = entry.digest is None or bool(holder.lacks(entry.digest))
    return Found(tree.digests(plain), tree.digests(legacy, legacy=True) if legacy else {}, values, lost)


def _paths(stage: Stage) -> Iterable[tuple[str, Digest | None]]:
    if not stage.frozen:
        for dep in stage.deps:
            if "://" in dep.path:
                raise PipelineError(
                    f"{stage.file}: stage {stage.label()!r}: {dep.path}: a stage's inputs are files of the project",
                    f"git stage import-url {dep.path}",
                )
            entry = stage.record.deps.get(dep.spelled) if stage.record else None
            yield dep.path, entry.digest if entry else None
    for out in stage.outs:
        yield out.path, stage.recorded(out)


def compare(stage: Stage, found: Found) -> Iterable[Change]:
    """Every difference between a stage's record and what was found, in the order in which they make it run."""
    record = stage.record
    if record is not None and stage.name is not None and record.cmd != stage.cmd:
        yield Change("cmd", "changed", recorded=record.cmd, found=stage.cmd)
    if stage.is_callback or stage.always_changed:  # also of a frozen stage, which is not run for it
        yield Change("always", "always changed")
    if not stage.frozen:
        yield from _inputs(stage, found)
    for out in stage.outs:
        yield from _output(stage, out, found)
    is_checked = stage.is_import or (stage.name is None and stage.cmd is not None)
    if is_checked and not has_checksum(stage.definition):
        yield Change("checksum", "changed")


def _inputs(stage: Stage, found: Found) -> Iterable[Change]:
    record = stage.record
    for dep in stage.deps:
        entry = record.deps.get(dep.spelled) if record else None
        recorded = entry.digest if entry else None
        digest = (found.legacy if recorded is not None and recorded.legacy else found.plain).get(dep.path)
        if digest is None:
            yield Change("dep", "deleted", dep.path, recorded=recorded)
        elif digest != recorded:
            is_new = record is not None and entry is None
            yield Change("dep", "new" if is_new else "modified", dep.path, recorded=recorded, found=digest)
    for file in stage.params:
        yield from _param_changes(file, record.params.get(file.spelled) if record else None, found.params[file.path])
    if record is not None and stage.name is not None:
        declared = {dep.path for dep in stage.deps} | {file.path for file in stage.params}
        for spelled, entry in record.deps.items():
            if (path := join(stage.wdir, spelled)) not in declared:
                yield Change("dep", "removed", path, recorded=entry.digest)
        for spelled, values in record.params.items():
            if (path := join(stage.wdir, spelled)) not in declared:
                yield Change("param", "removed", path, recorded=values)


def _param_changes(
    file: ParamsFile, recorded: Mapping[str, Any] | None, values: Mapping[str, Any] | None
) -> Iterable[Change]:
    if values is None:
        yield Change("param", "deleted", file.path, recorded=recorded)
        return
    if recorded is None:
        yield Change("param", "new", file.path, found=params.select(values, file.keys))
        return
    now = params.select(values, file.keys)
    for key in file.keys or dict.fromkeys([*recorded, *now]):
        if key not in now:
            yield Change("param", "deleted", file.path, key, recorded.get(key))
        elif key not in recorded:
            yield Change("param", "new", file.path, key, None, now[key])
        elif not params.same(recorded[key], now[key]):
            yield Change("param", "modified", file.path, key, recorded[key], now[key])
    for key in recorded if file.keys else ():
        if key not in file.keys:
            yield Change("param", "removed", file.path, key, recorded[key])


def _output(stage: Stage, out: Output, found: Found) -> Iterable[Change]:
    recorded = stage.recorded(out)
    digest = (found.legacy if recorded is not None and recorded.legacy else found.plain).get(out.path)
    if found.lost.get(out.path):
        yield Change("out", "not in cache", out.path, recorded=recorded, found=digest)
    elif digest is None:
        yield Change("out", "deleted", out.path, recorded=recorded)
    elif digest != recorded:
        yield Change("out", "modified", out.path, recorded=recorded, found=digest)


def with_corrupt(statuses: Iterable[StageStatus], cache: Cache) -> list[StageStatus]:
    """`statuses`, with every recorded object of theirs hashed: an output with one that is not what its name says is
    "corrupt in cache". Nothing is changed."""
    known: dict[Digest, bool] = {}

    def is_corrupt(digest: Digest) -> bool:
        if digest not in known:
            known[digest] = cache.is_corrupt(digest)
        return known[digest]

    found = []
    for one in statuses:
        changes = list(one.changes)
        for out in one.stage.outs:
            digest = one.stage.recorded(out) if out.cache else None
            if digest is None:
                continue
            listing = cache.manifest(digest) if digest.is_dir else None
            if any(is_corrupt(each) for each in (digest, *(listing or {}).values())):
                changes = [c for c in changes if (c.role, c.path) != ("out", out.path)]
                changes.append(Change("out", "corrupt in cache", out.path, recorded=digest))
        found.append(one._replace(changes=tuple(changes)))
    return found


def changed(statuses: Collection[StageStatus]) -> list[StageStatus]:
    """Those that are not up to date."""
    return [one for one in statuses if one.changes]

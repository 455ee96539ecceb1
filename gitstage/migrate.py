"""`git stage cache migrate`: objects of DVC 1 and 2 under their DVC 3 names as well, and entries that name them so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitstage import formats
from gitstage.cache import Cache
from gitstage.digest import Digest, checksum, hash_stream, manifest_digest
from gitstage.fs import atomic_write
from gitstage.pipeline import Stage, join
from gitstage.project import Project
from gitstage.static import Any


@dataclass
class Migration:
    """What a migration does: legacy digests -> what they are called in DVC 3; `new`: those that the cache lacks so far;
    `corrupt`: objects whose content is not what their name says, which stay as they are."""

    names: dict[Digest, Digest] = field(default_factory=dict)
    new: list[Digest] = field(default_factory=list)
    corrupt: list[Digest] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FileChange:
    """A metadata file with its new text; `left`: paths of entries that could not be translated."""

    path: str
    data: bytes
    stages: tuple[str, ...]
    left: tuple[str, ...]
    results: tuple[Mapping[str, Any], ...] = ()
    """Whole lock entries, for the run cache."""


def plan(cache: Cache) -> Migration:
    """Hash every legacy object of the cache."""
    found = Migration()
    for digest, path in cache.objects():
        if not digest.legacy:
            continue
        with open(path, "rb") as stream:
            legacy, _ = hash_stream(stream, legacy=True)
            if legacy != digest.hex:
                found.corrupt.append(digest)
                continue
            stream.seek(0)
            plain = Digest(hash_stream(stream)[0], digest.is_dir)
        found.names[digest] = plain
        if not cache.has(plain):
            found.new.append(digest)
    return found


def apply(cache: Cache, planned: Migration) -> None:
    """Give every new object its second name: a hard link where that works, else a copy."""
    for digest in planned.new:
        cache.adopt(cache.path(digest), planned.names[digest])


# -- metadata ----------------------------------------------------------------------------------------------------------


def plan_files(project: Project, planned: Migration, *, keep: bool) -> list[FileChange]:
    """The `.dvc` and lock files that have legacy entries, with those translated that can be: from what the cache has
    or, for what it does not keep, from the work tree if that agrees with the entry. `keep`: the new manifests of
    directories go to the cache."""
    by_file: dict[str, list[Stage]] = {}
    for stage in project.pipeline.stages:
        record = stage.record
        entries = [*record.deps.values(), *record.outs.values()] if record else []
        if any(one.digest is not None and one.digest.legacy for one in entries):
            by_file.setdefault(stage.lock_file, []).append(stage)
    translate = _Translator(project, planned, keep)
    return [translate.file(path, stages) for path, stages in by_file.items()]


def apply_files(project: Project, changes: Sequence[FileChange], written: list[str]) -> None:
    """Write what `plan_files` gave."""
    for change in changes:
        if change.data != project.worktree.read(change.path):
            atomic_write(project.worktree.absolute(change.path), change.data)
            written.append(change.path)
        for result in change.results:
            project.runs.save(result)
    project.changed_files(written)


class _Translator:
    def __init__(self, project: Project, planned: Migration, keep: bool) -> None:
        self.project, self.names, self.keep = project, planned.names, keep

    def file(self, path: str, stages: Sequence[Stage]) -> FileChange:
        """All stages of one file that have legacy entries."""
        old = self.project.worktree.read(path)
        assert old is not None
        left: list[str] = []
        if stages[0].name is None:
            given = formats.parse_dvc(old, path)
            whole = self._whole(stages[0], given, left)
            if "md5" in given and (stages[0].is_import or stages[0].cmd is not None):
                whole["md5"] = checksum(whole)
            return FileChange(path, formats.dump_dvc(whole, old, path), (path,), tuple(left))
        locked = formats.parse_lock(old, path)["stages"]
        entries = {stage.name: self._whole(stage, locked[stage.name], left) for stage in stages if stage.name}
        data = formats.update_lock(old, path, entries)
        assert data is not None
        results = [entries[stage.name] for stage in stages if stage.name and _is_shared(stage, entries[stage.name])]
        return FileChange(path, data, tuple(entries), tuple(left), tuple(results))

    def _whole(self, stage: Stage, given: Mapping[str, Any], left: list[str]) -> dict[str, Any]:
        parts = {
            part: [self._entry(stage, dict(one), left) for one in given[part]]
            for part in ("deps", "outs")
            if given.get(part)
        }
        return {**given, **parts}

    def _entry(self, stage: Stage, given: dict[str, Any], left: list[str]) -> dict[str, Any]:
        """One entry, translated if it can be."""
        if "md5" not in given or given.get("hash") == "md5":
            return given
        path = join(stage.wdir, str(given["path"]))
        digest = self._digest(Digest.parse(str(given["md5"]), legacy=True), path)
        if digest is None:
            left.append(path)
            return given
        new = {**given, "hash": "md5", "md5": str(digest)}
        return new if stage.name is None else {key: new[key] for key in _LOCK_ORDER if key in new}

    def _digest(self, legacy: Digest, path: str) -> Digest | None:
        if legacy not in self.names:
            worktree = self.project.worktree
            agrees = worktree.digests([path], legacy=True).get(path) == legacy
            return worktree.digests([path]).get(path) if agrees else None
        if not legacy.is_dir:
            return self.names[legacy]
        listing = self.project.cache.manifest(legacy)
        if listing is None or any(one not in self.names for one in listing.values()):
            return None
        translated = {name: self.names[one] for name, one in listing.items()}
        return self.project.cache.add_manifest(translated) if self.keep else manifest_digest(translated)


_LOCK_ORDER = ("path", "hash", "md5", "size", "nfiles", "isexec")


def _is_shared(stage: Stage, entry: Mapping[str, Any]) -> bool:
    """Is the result one for the run cache?"""
    has_inputs = bool(entry.get("deps") or entry.get("params"))
    return (
        has_inputs
        and bool(stage.outs)
        and not stage.always_changed
        and all(out.cache and not out.persist for out in stage.outs)
    )

"""From the work tree into the cache: hash, keep, link back, and the entries that go into dvc.lock and *.dvc."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping

from gitstage import params
from gitstage.cache import SMALL, Cache, make_executable
from gitstage.digest import Content, Digest
from gitstage.errors import GitstageError, PipelineError, StageFailed
from gitstage.fs import FILE_MODE, Root, in_threads
from gitstage.memo import Stamp, stamp
from gitstage.pipeline import Dependency, Entry, Output, Stage
from gitstage.static import Any
from gitstage.tree import Measured, WorkTree


def entry(path: str, content: Content) -> dict[str, Any]:
    """A lock entry for `path`, keys in the order in which DVC writes them."""
    found: dict[str, Any] = {"path": path}
    if not content.digest.legacy:
        found["hash"] = "md5"
    found["md5"] = str(content.digest)
    if content.size is not None:
        found["size"] = content.size
    if content.nfiles is not None:
        found["nfiles"] = content.nfiles
    if content.isexec:
        found["isexec"] = True
    return found


def data_entry(path: str, content: Content) -> dict[str, Any]:
    """The entry of a `.dvc` file, whose keys come in another order."""
    found = entry(path, content)
    hash_ = {"hash": found.pop("hash")} if "hash" in found else {}
    del found["path"]
    return {**found, **hash_, "path": path}


class Store:
    """Saves outputs of `worktree` in `cache`. `legacy`: new entries are written as DVC 1 and 2 did; `note_form`: told of files
    that are about to become links or copies, see Journal.form."""

    def __init__(
        self,
        worktree: WorkTree,
        cache: Cache,
        root: Root,
        *,
        legacy: bool,
        note_form: Callable[[str, os.stat_result | None], None] | None = None,
    ) -> None:
        self.worktree, self.cache, self.root, self.legacy = worktree, cache, root, legacy
        self._note = note_form
        self._in_place: dict[str, set[str]] = {}
        """Of a directory, the files (below it) that became the object, or were copied to it, and so need no relinking."""

    def input(self, dep: Dependency, recorded: Entry | None) -> dict[str, Any]:
        """The entry for an input as it is now. Raises GitstageError if it is missing."""
        measured = self._measure(dep.path, recorded)
        if measured is None:
            raise GitstageError(f"dependency '{dep.path}' does not exist")
        return entry(dep.spelled, measured.content)

    def params(self, stage: Stage) -> dict[str, dict[str, Any]]:
        """The parameter values to record: file -> key -> value, the default file first, keys sorted.

        Raises GitstageError if a file or key is missing.
        """
        found: dict[str, dict[str, Any]] = {}
        for file in sorted(stage.params, key=lambda p: (p.spelled != params.DEFAULT_FILE, p.spelled)):
            data = self.worktree.read(file.path)
            if data is None:
                raise GitstageError(f"parameter file '{file.path}' does not exist")
            values = params.select(params.read_values(data, file.path), file.keys)
            missing = [key for key in file.keys if key not in values]
            if missing:
                raise GitstageError(f"{file.path}: parameters {', '.join(map(repr, missing))} are missing")
            found[file.spelled] = {key: params.jsonable(values[key], file.path, key) for key in sorted(values)}
        return found

    def inputs(self, stage: Stage) -> dict[str, Any]:
        """cmd, deps and params of a lock entry, as they are now."""
        record = stage.record
        found: dict[str, Any] = {"cmd": stage.cmd}
        deps = [self.input(dep, record.deps.get(dep.spelled) if record else None) for dep in stage.deps]
        if deps:
            found["deps"] = sorted(deps, key=lambda d: str(d["path"]))
        values = self.params(stage)
        if values:
            found["params"] = values
        return found

    def uses_legacy(self, path: str, recorded: Digest | None) -> bool:
        """Is what lies at `path` to be recorded by the legacy hash? In a legacy project always, else as long as it
        agrees with a legacy record, so that the entry stays."""
        if self.legacy or recorded is None or not recorded.legacy:
            return self.legacy
        now = self.worktree.measure(path, legacy=True)
        return now is not None and now.content.digest == recorded

    def _measure(self, path: str, recorded: Entry | None) -> Measured | None:
        return self.worktree.measure(path, legacy=self.uses_legacy(path, recorded.digest if recorded else None))

    def output(self, stage: Stage, out: Output, *, commit: bool, keep: bool = False) -> Measured:
        """Measure an output and, with `commit`, keep its content in the cache (`keep`: even if it is not `cache`).

        Raises StageFailed if it is not there.
        """
        recorded = stage.record.outs.get(out.spelled) if stage.record else None
        if commit and (out.cache or keep):
            legacy = self.uses_legacy(out.path, recorded.digest if recorded else None)
            before = recorded.digest if recorded else None
            measured = self.keep(out.path, legacy=legacy, may_link=out.cache, recorded=before)
        else:
            measured = self._measure(out.path, recorded)
        if measured is None:
            raise StageFailed(f"output '{out.path}' does not exist")
        return measured

    def keep(
        self, path: str, *, legacy: bool, may_link: bool = True, recorded: Digest | None = None
    ) -> Measured | None:
        """Put a file, or a directory's files and manifest, into the cache; None if nothing is at `path`.

        `may_link`: the files may become the objects, where the link type says so. `recorded`: what was there before.
        """
        absolute = self.worktree.absolute(path)
        try:
            found = os.stat(absolute)
        except (FileNotFoundError, NotADirectoryError):
            return None
        notes = may_link and self._note is not None and self.cache.link_type == "hardlink"  # see Cache.take
        if stat.S_ISREG(found.st_mode):
            if notes:
                self._note_form(path)
            known = self.worktree.memo.file(absolute, found, legacy=legacy)
            digest, _ = self.cache.take(absolute, stamp(found), known=known, legacy=legacy, may_link=may_link)
            return Measured(Content(digest, found.st_size, None, bool(found.st_mode & stat.S_IXUSR)))
        if not stat.S_ISDIR(found.st_mode):
            raise PipelineError(f"{path}: is not a file or directory")
        for name, _ in self.worktree.walk(path) if notes else ():
            self._note_form(f"{path}/{name}")
        seen = self.cache.folders_seen() if recorded is not None else None
        held = self.cache.complete(recorded) if recorded is not None and recorded.legacy == legacy else frozenset()
        files = self._keep_files(path, absolute, legacy, may_link, held)
        digest = self.cache.add_manifest({name: one for name, (one, _) in files.items()}, legacy=legacy)
        if seen is not None:
            self.cache.remember_complete(digest, len(files), seen)
        return Measured(Content(digest, sum(size for _, size in files.values()), len(files)), files)

    def _keep_files(
        self, path: str, absolute: str, legacy: bool, may_link: bool, held: Collection[str]
    ) -> dict[str, tuple[Digest, int]]:
        """The same for a directory's files; those with an MD5 in `held` are known to be objects."""
        memo, cache = self.worktree.memo, self.cache
        is_copied = cache.link_type in ("copy", "reflink")
        memo.load_below(absolute, legacy=legacy)
        files: dict[str, tuple[Digest, int]] = {}
        in_place: set[str] = set()
        small: list[tuple[str, Stamp, str | None]] = []
        large: list[tuple[str, Stamp]] = []
        for folder in self.worktree.folders(path, whole=True):
            known = memo.files_in(folder.absolute, legacy=legacy)
            for short, found in folder.files:
                before = known.get(short)
                md5 = before[1] if before is not None and before[0] == found else None
                name = folder.prefix + short
                if md5 is not None and md5 in held:
                    files[name] = Digest(md5, False, legacy), found[0]
                    if is_copied and short not in folder.linked:
                        in_place.add(name)
                elif md5 is None and found[0] > SMALL:
                    large.append((name, found))
                else:
                    small.append((name, found, md5))

        taken = cache.take_all(absolute, small, legacy=legacy, may_link=may_link)
        for (name, found, _), (digest, is_there) in zip(small, taken, strict=True):
            if is_there:
                in_place.add(name)
            files[name] = digest, found[0]

        def add(one: tuple[str, Stamp]) -> tuple[Digest, bool]:
            return cache.take(f"{absolute}/{one[0]}", one[1], legacy=legacy, may_link=may_link)

        for (name, found), (digest, is_there) in zip(large, in_threads(add, large), strict=True):
            if is_there:
                in_place.add(name)
            files[name] = digest, found[0]
        self._in_place[path] = in_place
        return files

    def relink(self, path: str, measured: Measured) -> None:
        """Make the files at `path` links of the configured kind, as after every run, add and commit."""
        if self.cache.link_type in ("hardlink", "symlink"):
            self.cache.settle()
        if measured.files is None:
            single = self._to_relink(path, measured.content.digest, single=True, isexec=measured.content.isexec)
            self.cache.restore_all(single, self.root)
            return
        in_place = self._in_place.pop(path, set())
        files = [
            file
            for name, (digest, _) in measured.files.items()
            if name not in in_place
            for file in self._to_relink(f"{path}/{name}", digest, single=False, isexec=False)
        ]
        self.cache.restore_all(files, self.root)

    def _to_relink(self, path: str, digest: Digest, *, single: bool, isexec: bool) -> list[tuple[Digest, str, bool]]:
        """What Cache.restore_all has to do about a file: nothing, if only its permissions were wrong."""
        absolute = self.root.absolute(path)
        if not self.cache.is_linked(absolute, digest):
            self._note_form(path)
            return [(digest, path, isexec)]
        elif single and self.cache.link_type in ("copy", "reflink"):
            mode = FILE_MODE | (stat.S_IXUSR if isexec else 0)
            found = os.lstat(absolute)
            if stat.S_IMODE(found.st_mode) != mode:
                self._note_form(path, found)
                os.chmod(absolute, mode)
        elif single and isexec:
            make_executable(absolute)
        return []

    def _note_form(self, path: str, found: os.stat_result | None = None) -> None:
        """Write down for undo what kind of file it is."""
        if self._note is not None:
            self._note(path, found)

    def unprotect(self, path: str) -> None:
        """Replace links into the cache by copies, so that writing to them cannot reach an object."""
        measured = self.worktree.measure(path)
        if measured is None:
            return
        links: list[tuple[Digest, str, bool]] = []
        for name, digest in measured.at(path).items():
            found = os.lstat(self.root.absolute(name))
            if (stat.S_ISLNK(found.st_mode) or found.st_nlink > 1) and self.cache.has(digest):
                links.append((digest, name, False))
        self.cache.restore_all(links, self.root, kind="copy")


def lock_entry(inputs: Mapping[str, Any], outs: Iterable[tuple[Output, Content]]) -> dict[str, Any]:
    """A stage's whole lock entry: what went in (see Store.inputs) and what came out."""
    found = dict(inputs)
    entries = sorted((entry(out.spelled, content) for out, content in outs), key=lambda e: str(e["path"]))
    if entries:
        found["outs"] = entries
    return found

"""`git stage fsck`: is everything in the cache what its name says, and what mends what is not.

Every object is read, whatever its mode or the memo say of it. A wrong one leaves the cache for
`.dvc/tmp/gitstage/corrupt`, so that it is never linked into a work tree; where an intact copy is found, it takes the place.
Nothing is deleted, and no file of a work tree changes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from gitstage import collect
from gitstage.cache import PROTECTED, SMALL
from gitstage.digest import Digest, hash_bytes, hash_stream, parse_manifest
from gitstage.errors import FormatError, GitstageError
from gitstage.fs import components, in_threads
from gitstage.memo import stamp
from gitstage.pipeline import Target
from gitstage.project import Project
from gitstage.remote import Need, Progress, Remote
from gitstage.static import Literal, NamedTuple
from gitstage.undo import kept_object

Kind = Literal[
    "corrupt", "unreadable", "written through", "manifest", "mode", "memo", "run cache", "leftover", "missing", "kept"
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be; of kind "kept", one that is good to know.

    `text` says what, `path` where (relative to the project's root if it is in it). `mended`: what was done about it, None if it
    is left to the user, with `hint` to help. `outputs` (root-relative) and `commits` (ids) need the object.
    """

    kind: Kind
    path: str
    text: str
    mended: str | None = None
    hint: str | None = None
    digest: Digest | None = None
    outputs: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()

    @property
    def is_fault(self) -> bool:
        return self.kind != "kept"


@dataclass
class Counts:
    """What was looked at."""

    objects: int = 0
    files: int = 0
    results: int = 0
    remote: int = 0
    size: int = 0


@dataclass
class Report:
    """What was looked at, and what was found so far."""

    counts: Counts = field(default_factory=Counts)
    findings: list[Finding] = field(default_factory=list)

    @property
    def faults(self) -> int:
        return sum(one.is_fault for one in self.findings)


class _Object(NamedTuple):
    digest: Digest
    path: str
    found: os.stat_result


def check(
    project: Project, targets: Sequence[Target] | None, remote: Remote | None, report: Report, progress: Progress
) -> Iterator[Finding]:
    """Examine the objects that `targets` need (None: the whole cache, with the results of runs and what crashes left), and the
    memo's word on the files in the work tree; with `remote`, also what it has of them.

    The project's lock is held. Yields findings as they are made; all are in `report` at the end.
    """
    examination = _Examination(project, targets, remote, report.counts, progress)
    for finding in examination.all():
        report.findings.append(finding)
        yield finding


class _Examination:
    def __init__(
        self,
        project: Project,
        targets: Sequence[Target] | None,
        remote: Remote | None,
        counts: Counts,
        progress: Progress,
    ) -> None:
        self._project, self._targets, self._remote = project, targets, remote
        self._counts, self._progress = counts, progress
        self._known: dict[tuple[int, int], str] = {}
        """What files of the cache hold, by device and inode."""
        self._bad: set[Digest] = set()

    def all(self) -> Iterator[Finding]:
        waiting = [*self._waiting()]  # what we put away ourselves is said elsewhere
        yield from self._objects()
        yield from self._memo()
        if self._targets is None:
            yield from self._results()
            yield from self._leftovers()
            yield from waiting
        if self._remote is not None:
            yield from self._on_remote(self._remote)

    # -- what is to be examined ----------------------------------------------------------------------------

    @cached_property
    def _outputs(self) -> dict[str, Digest]:
        """Output (root-relative) -> what is recorded, of the targets."""
        targets = self._targets
        stages = self._project.pipeline.stages
        chosen = [Target(stage) for stage in stages] if targets is None else targets
        return {
            out.path: digest
            for target in chosen
            for out in target.stage.outs
            if target.out in (None, out.path) and out.cache and (digest := target.stage.recorded(out)) is not None
        }

    def _needed(self) -> dict[Digest, list[str]]:
        """What the outputs need -> the paths of the work tree that hold it."""
        found: dict[Digest, list[str]] = {}
        for path, digest in self._outputs.items():
            found.setdefault(digest, []).append(path)
            for name, one in (self._listing(path, digest) if digest.is_dir else {}).items():
                found.setdefault(one, []).append(f"{path}/{name}")
        return found

    def _listing(self, path: str, digest: Digest) -> Mapping[str, Digest]:
        """The files of a directory, by its manifest; if that is wrong or not there, by the work tree."""
        place = self._project.cache.path(digest)
        with contextlib.suppress(OSError, FormatError), open(place, "rb") as stream:
            data = stream.read()
            if hash_bytes(data, legacy=digest.legacy) == digest.hex:
                return parse_manifest(data, place, legacy=digest.legacy)
        with contextlib.suppress(GitstageError, OSError):
            measured = self._project.worktree.measure(path, legacy=digest.legacy)
            if measured is not None and measured.content.digest == digest:
                return measured.listing
        return {}

    @cached_property
    def _users(self) -> dict[Digest, list[str]]:
        """The same as it was before anything was put away."""
        return self._needed()

    def _present(self) -> Iterator[_Object]:
        cache = self._project.cache
        if self._targets is None:
            named = cache.objects()
        else:
            named = ((digest, cache.path(digest)) for digest in self._users)
        for digest, path in named:
            with contextlib.suppress(FileNotFoundError):
                yield _Object(digest, path, os.lstat(path))

    # -- objects -------------------------------------------------------------------------------------------

    def _objects(self) -> Iterator[Finding]:
        _ = self._users  # the manifests are read before a wrong one is put away
        objects = list(self._present())
        self._progress.expect(len(objects), sum(one.found.st_size for one in objects))
        large = [one for one in objects if one.found.st_size > SMALL]
        small = (one for one in objects if one.found.st_size <= SMALL)
        wrong: list[tuple[_Object, str | None]] = []
        for one, md5 in [*zip(large, in_threads(self._hash, large), strict=True)]:
            yield from self._judge(one, md5, wrong)
        for one in small:
            yield from self._judge(one, self._hash(one), wrong)
        self._bad = {one.digest for one, _ in wrong}
        named = self._commits_naming(self._bad) if wrong else {}
        for one, _ in wrong:
            yield self._put_away(one, named.get(one.digest, ()))

    def _hash(self, one: _Object) -> str | OSError | None:
        """The MD5 of an object; None if it is no file, and the error if the disk does not give it."""
        if not stat.S_ISREG(one.found.st_mode):
            return None
        try:
            with open(one.path, "rb", buffering=0) as stream:
                md5, _ = hash_stream(stream, legacy=one.digest.legacy)
        except OSError as error:
            return error
        self._progress.moved(one.digest.key, one.found.st_size)
        return md5

    def _judge(
        self, one: _Object, md5: str | OSError | None, wrong: list[tuple[_Object, str | None]]
    ) -> Iterator[Finding]:
        self._counts.objects += 1
        self._counts.size += one.found.st_size
        self._progress.done(one.digest.key)
        if isinstance(md5, OSError):
            yield Finding(
                "unreadable", self._shown(one.path), f"cannot be read: {md5.strerror or md5}", None,
                "it stays where it is; look after the disk, or who may read it", one.digest,
                tuple(self._users.get(one.digest, ())),
            )  # fmt: skip
            return
        if md5 is not None and not one.digest.legacy:
            self._known[one.found.st_dev, one.found.st_ino] = md5
        if md5 != one.digest.hex:
            wrong.append((one, md5))
            return
        mode = stat.S_IMODE(one.found.st_mode)
        right = PROTECTED | mode & 0o111  # a link to it may be executable
        if mode != right:
            mended = None
            with contextlib.suppress(OSError):
                os.chmod(one.path, right)
                mended = f"it is {right:04o} now"
            text = f"its mode was {mode:04o}, so that it could be written to"
            yield Finding(
                "mode", self._shown(one.path), text, mended, f"chmod 444 {self._quoted(one.path)}", one.digest
            )
        if one.digest.is_dir:
            yield from self._manifest(one)

    def _manifest(self, one: _Object) -> Iterator[Finding]:
        with open(one.path, "rb") as stream:
            data = stream.read()
        text = None
        try:
            for name in parse_manifest(data, "", legacy=one.digest.legacy):
                components(name)
        except FormatError as error:
            text = error.message
        except GitstageError as error:
            text = str(error)
        if text is not None:
            yield Finding(
                "manifest", self._shown(one.path), text, None, "it is what it was when it was made; make the output anew",
                one.digest, tuple(self._users.get(one.digest, ())),
            )  # fmt: skip

    def _put_away(self, one: _Object, commits: Sequence[str]) -> Finding:
        """Quarantine a wrong object, and put an intact one in its place if there is one."""
        project, digest = self._project, one.digest
        paths = self._users.get(digest, [])
        sharing = [root_path for root_path in self._work_tree_files(paths) if _is_same(root_path, one.found)]
        place = project.cache.quarantine(digest)
        mended = self._repair(digest, paths)
        outputs = tuple(sorted({out for out in self._outputs if any(_lies_in(path, out) for path in paths)}))
        away = f"put away as {self._shown(place)}"
        if sharing:
            names = ", ".join(self._shown(path) for path in sharing)
            text = f"was written through its hard link {names}, which keeps what was written"
            words = " ".join(map(self._quoted, sharing))
            hint = f"git stage commit keeps it as a new version; git stage unprotect {words} makes it a file of its own"
            kind: Kind = "written through"
        else:
            text, kind = "is not what its name says", "corrupt"
            hint = "git stage fsck --remote looks for it in the remote, git stage repro makes it anew"
        if mended is not None:
            mended = f"{away}; {mended}"
        else:
            text = f"{text}; {away}"
        return Finding(kind, self._shown(one.path), text, mended, hint, digest, outputs, tuple(commits))

    def _work_tree_files(self, paths: Sequence[str]) -> list[str]:
        """`paths` in every work tree of the repository, absolute."""
        return [os.path.join(root, path) for root in self._roots for path in paths]

    @cached_property
    def _roots(self) -> list[str]:
        return [self._project.root, *collect.other_roots(self._project)]

    def _repair(self, digest: Digest, paths: Sequence[str]) -> str | None:
        """Find an intact copy; says where it was. Its bytes are checked before they are believed."""
        cache = self._project.cache
        if digest.is_dir:
            for path in paths:
                with contextlib.suppress(GitstageError, OSError):
                    measured = self._project.worktree.measure(path, legacy=digest.legacy)
                    if measured is not None and measured.content.digest == digest:
                        cache.add_manifest(measured.listing, legacy=digest.legacy)
                        return f"made anew from {self._project.relative(path)}"
        else:
            for path in self._work_tree_files(paths):
                if self._take(path, digest):
                    return f"replaced by the intact {self._shown(path)}"
        kept = kept_object(self._project, digest)
        if kept is not None and self._take(kept, digest):
            return "replaced by the one that is kept for undo"
        if self._remote is not None:
            with contextlib.suppress(GitstageError):
                self._remote.fetch([Need(digest, paths[0] if paths else str(digest))])
                if digest.is_dir and cache.manifest(digest) is None:
                    self._remote.fetch_manifests([Need(digest, str(digest))])
            if cache.has(digest):
                return f"fetched from remote '{self._remote.name}'"
        return None

    def _take(self, path: str, digest: Digest) -> bool:
        """Copy a file into the cache if it holds the object."""
        with contextlib.suppress(OSError):
            if not stat.S_ISREG(os.stat(path).st_mode):
                return False
            temporary = self._project.cache.temporary()
            shutil.copyfile(path, temporary)
            return self._project.cache.take_in(temporary, digest)
        return False

    def _commits_naming(self, digests: set[Digest]) -> Mapping[Digest, tuple[str, ...]]:
        """The commits, in any branch, tag or stash, that need objects: they name them or a directory with them in it."""
        if self._project.repo is None:
            return {}
        wanted = {digest: {digest.hex} for digest in digests}
        cache = self._project.cache
        for digest, _ in cache.objects():
            for one in (cache.manifest(digest) or {}).values() if digest.is_dir and digest not in digests else ():
                if one in wanted:
                    wanted[one].add(digest.hex)
        for digest in digests:  # of a directory whose manifest is wrong nobody knows what it needs
            wanted[digest].update(d.hex for d in self._users if d.is_dir and d in digests and self._needs(d, digest))
        found: dict[Digest, list[str]] = {digest: [] for digest in digests}
        for commit, names in collect.digests_by_commit(self._project):
            for digest, hexes in wanted.items():
                if not hexes.isdisjoint(names):
                    found[digest].append(commit)
        return {digest: tuple(commits) for digest, commits in found.items()}

    def _needs(self, folder: Digest, digest: Digest) -> bool:
        return any(_lies_in(path, out) for out in self._users.get(folder, ()) for path in self._users.get(digest, ()))

    # -- the memo ------------------------------------------------------------------------------------------

    def _memo(self) -> Iterator[Finding]:
        """Files of the work tree of which the memo says that they were read, read again."""
        memo, worktree = self._project.memo, self._project.worktree
        files: list[tuple[str, str, os.stat_result]] = []
        for path in self._outputs:
            with contextlib.suppress(GitstageError, OSError):
                absolute = worktree.absolute(path)
                names = (
                    [f"{absolute}/{name}" for name, _ in worktree.walk(path)] if os.path.isdir(absolute) else [absolute]
                )
                for name in names:
                    found = os.stat(name)
                    md5 = memo.file(name, found)
                    if md5 is not None:
                        files.append((name, md5, found))
        self._progress.expect(len(files), sum(found.st_size for _, _, found in files))
        wrong = []
        for (name, md5, found), now in zip(files, in_threads(self._read, files), strict=True):
            self._counts.files += 1
            self._progress.done(name)
            if now is not None and now != md5:
                wrong.append(name)
                memo.remember_file(name, found, now, time.time_ns())
        if wrong:
            memo.forget_wholes()
        for name in wrong:
            yield Finding(
                "memo", self._shown(name), "the memo had another digest for it", "the memo has the right one now"
            )

    def _read(self, file: tuple[str, str, os.stat_result]) -> str | None:
        """The MD5 of a file of the work tree; None if it changed meanwhile."""
        name, _, found = file
        known = self._known.get((found.st_dev, found.st_ino))
        if known is None:
            with contextlib.suppress(OSError), open(name, "rb", buffering=0) as stream:
                known, _ = hash_stream(stream)
                if stamp(os.fstat(stream.fileno())) != stamp(found):
                    known = None
        self._progress.moved(name, found.st_size)
        return known

    # -- the rest of the cache -----------------------------------------------------------------------------

    def _results(self) -> Iterator[Finding]:
        runs = self._project.runs
        for base, _, names in os.walk(runs.folder):
            for name in names:
                path = os.path.join(base, name)
                below = os.path.relpath(path, runs.folder).replace(os.sep, "/")
                self._counts.results += 1
                if not runs.is_right(below):
                    place = os.path.join(self._quarantine(), f"{name}-{time.time_ns()}")
                    shutil.move(path, place)
                    away = f"put away as {self._shown(place)}"
                    yield Finding(
                        "run cache", self._shown(path), "is no result of a run, or not the one of its name", away
                    )

    def _quarantine(self) -> str:
        folder = os.path.join(self._project.scratch.parent, "corrupt")
        os.makedirs(folder, exist_ok=True)
        return folder

    def _leftovers(self) -> Iterator[Finding]:
        """Files in the cache that are named like no object."""
        cache = self._project.cache.folder
        objects = {path for _, path in self._project.cache.objects()}
        for base in (cache, f"{cache}/files", f"{cache}/files/md5"):
            for entry in _entries(base):
                is_folder = entry.is_dir(follow_symlinks=False)
                if (
                    is_folder
                    and len(entry.name) == 2
                    and re.fullmatch("[0-9a-f]{2}", entry.name)
                    and base[-6:] != "/files"
                ):
                    strange = [one.path for one in _entries(entry.path) if one.path not in objects]
                elif is_folder and (entry.name in ("files", "md5", "runs") or entry.name.startswith(".undo-")):
                    continue
                else:
                    strange = [entry.path]
                for path in strange:
                    text = "a crash may have left it in the cache: it is named like no object"
                    yield Finding("leftover", self._shown(path), text, None, f"rm -r {self._quoted(path)}")

    def _waiting(self) -> Iterator[Finding]:
        """What lies in `.dvc/tmp/gitstage` for somebody to look at."""
        scratch = self._project.scratch.parent
        for name, text in (
            ("corrupt", "objects that were not what their names say"),
            ("kept", "bytes that no cache has"),
        ):
            count = sum(len(names) for _, _, names in os.walk(os.path.join(scratch, name)))
            if count:
                path = self._shown(os.path.join(scratch, name))
                yield Finding(
                    "kept",
                    path,
                    f"{count} file{'s' if count > 1 else ''}: {text}",
                    None,
                    f"look at them, then: rm -r {self._quoted(os.path.join(scratch, name))}",
                )

    # -- the remote ----------------------------------------------------------------------------------------

    def _on_remote(self, remote: Remote) -> Iterator[Finding]:
        """What the remote has of what the outputs need: fetched, to see what it is, and thrown away again."""
        needed = [*self._needed()]
        sizes = remote.backend.head([digest.key for digest in needed])
        cache = self._project.cache
        for digest in needed:
            if digest.key not in sizes:
                outputs = tuple(self._users.get(digest, ()))
                text = f"remote '{remote.name}' does not have it"
                hint = "git stage push" if cache.has(digest) else None
                yield Finding("missing", digest.key, text, None, hint, digest, outputs)
        there = [digest for digest in needed if digest.key in sizes]
        self._progress.expect(len(there), sum(sizes.values()))
        for start in range(0, len(there), _AT_ONCE):
            yield from self._compare(remote, there[start : start + _AT_ONCE])

    def _compare(self, remote: Remote, digests: Sequence[Digest]) -> Iterator[Finding]:
        cache = self._project.cache
        by_key = {digest.key: (digest, self._project.scratch.new()) for digest in digests}
        items = [(key, temporary) for key, (_, temporary) in by_key.items()]
        for key, error in remote.backend.get(items, self._progress.moved):
            digest, temporary = by_key[key]
            self._counts.remote += 1
            self._progress.done(key)
            if error is not None:
                yield Finding("missing", key, str(error), None, error.hint, digest, tuple(self._users.get(digest, ())))
                continue
            with open(temporary, "rb") as stream:
                md5, _ = hash_stream(stream, legacy=digest.legacy)
            os.unlink(temporary)
            if md5 == digest.hex:
                continue
            mended = None
            if cache.has(digest) and remote.backend.can_write:
                done = [problem for _, problem in remote.backend.put([(cache.path(digest), key)], self._progress.moved)]
                mended = "replaced by the cache's" if done == [None] else None
            text = f"remote '{remote.name}' has something else under its name"
            hint = "git stage push from where it is intact, after deleting it there"
            yield Finding("corrupt", key, text, mended, hint, digest, tuple(self._users.get(digest, ())))

    def _quoted(self, path: str) -> str:
        """The same for a shell; with "--" where it could be taken for an option."""
        shown = shlex.quote(self._shown(path))
        return f"-- {shown}" if shown[:1] == "-" else shown

    def _shown(self, path: str) -> str:
        """A path as seen from where the user stands, if it is in the project."""
        root = self._project.root
        if not path.startswith(root + os.sep):
            return path
        return self._project.relative(os.path.relpath(path, root).replace(os.sep, "/"))


_AT_ONCE = 64


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as scan:
            return sorted(scan, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_same(path: str, found: os.stat_result) -> bool:
    """Is the file another name of the object?"""
    try:
        other = os.lstat(path)
    except OSError:
        return False
    return found.st_nlink > 1 and (other.st_dev, other.st_ino) == (found.st_dev, found.st_ino)


def _lies_in(path: str, out: str) -> bool:
    return path == out or path.startswith(out + "/")

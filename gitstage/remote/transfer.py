"""Between the cache and one remote: which objects to move, in which order, and whether they arrived right.

The rules. An object is believed to be on the remote if the remote says so with the right size, or if it was seen there
within a day (record.py). A directory's object is sent after all its files. A fetched object enters the cache after its
digest was found right, never before.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

from gitstage.cache import Cache
from gitstage.digest import Digest, hash_stream
from gitstage.errors import CacheMiss, GitstageError, SystemFailure
from gitstage.fs import walk
from gitstage.remote.backend import Backend, Hashed, Listed, RemoteError
from gitstage.remote.generation import Generation
from gitstage.remote.record import DAY, PushRecord
from gitstage.static import Protocol

_PAGE = 1000  # objects that a server lists in one request
_SAME_AS_LISTING = 16  # questions about single objects that take as long as one page: they are asked beside each other
_SMALL = 64 << 10  # bytes that are sent as fast as it is asked whether they must be
_FEW = 16  # small objects that are new since the last push: sent without asking
_HASH_INLINE = 1 << 20
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Need:
    """Content that a state of the project needs: `digest` at `path`, in commit `rev` (None: the work tree).

    `part`: of a directory, only what lies at this path inside it. `required` False: that it is nowhere is no failure.
    `size`: of a file, in bytes, if it is known.
    """

    digest: Digest
    path: str
    rev: str | None = None
    part: str | None = None
    required: bool = True
    size: int | None = None

    def covers(self, name: str) -> bool:
        """Is the file `name` of a directory asked for?"""
        return self.part is None or name == self.part or name.startswith(self.part + "/")


@dataclass(frozen=True, slots=True)
class Problem:
    """An object that could not be moved. `is_absent`: nobody has it, neither the cache nor the remote."""

    path: str
    rev: str | None
    error: GitstageError
    is_absent: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was moved: objects (results of earlier runs included) and bytes; and what could not be."""

    count: int = 0
    size: int = 0
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.count + other.count, self.size + other.size, self.problems + other.problems)


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed, or would: objects of the remote; and what it could not."""

    removed: tuple[Listed, ...] = ()
    problems: tuple[Problem, ...] = ()


class Progress(Protocol):
    """Who is told how a transfer goes on; `moved` is called from any thread."""

    def expect(self, count: int, size: int | None) -> None:
        """So many more objects are to be moved, of so many bytes if that is known."""

    def moved(self, key: str, size: int) -> None:
        """Bytes of one object were moved."""

    def done(self, key: str) -> None:
        """An object was dealt with."""


class Silent:
    """Tells nobody."""

    def expect(self, count: int, size: int | None) -> None: ...
    def moved(self, key: str, size: int) -> None: ...
    def done(self, key: str) -> None: ...


@dataclass
class _Plan:
    """Objects to move, by what needs them. `others`: files that a directory holds beside the part that is asked for;
    `folders`: with all their files (None: the cache has no manifest); `outputs`: digests that a lock file names."""

    outputs: set[Digest] = field(default_factory=set)
    files: dict[Digest, Need] = field(default_factory=dict)
    others: set[Digest] = field(default_factory=set)
    folders: dict[Digest, tuple[Need, frozenset[Digest] | None]] = field(default_factory=dict)

    @property
    def objects(self) -> list[Digest]:
        return [*self.files, *(self.others - self.files.keys()), *self.folders]


class Remote:
    """The remote called `name`. `record`: what this clone knows to be there; `trusts`: it is believed, because asking
    takes longer."""

    def __init__(
        self, name: str, cache: Cache, backend: Callable[[], Backend], record: PushRecord, *, trusts: bool = True
    ) -> None:
        self.name, self.cache = name, cache
        self._open, self._record, self._trusts = backend, record, trusts
        self._generation = Generation(name, lambda: self.backend, cache.temporary)

    @cached_property
    def backend(self) -> Backend:
        return self._open()

    def close(self) -> None:
        if "backend" in self.__dict__:
            self.backend.close()
        self._record.close()

    # -- what is there -------------------------------------------------------------------------------------

    def missing(self, digests: Collection[Digest], *, check: bool = False) -> set[Digest]:
        """Those of `digests` that the remote lacks, or has with a wrong size.

        A directory is missing too if a file is that its manifest (where the cache has it) names. `check`: ask the
        remote about every object, whatever is recorded.
        """
        plan = self._plan([Need(digest, "") for digest in digests])
        absent = self._absent(plan, check=check)
        return {d for d in digests if d in absent or absent & (plan.folders[d][1] or set() if d.is_dir else set())}

    def _plan(self, needs: Iterable[Need]) -> _Plan:
        plan = _Plan()
        for need in needs:
            plan.outputs.add(need.digest)
            if not need.digest.is_dir:
                _note(plan.files, need.digest, need)
                continue
            listing = self.cache.manifest(need.digest)
            inside = frozenset(listing.values()) if listing is not None else None
            plan.folders.setdefault(need.digest, (need, inside))
            for name, digest in (listing or {}).items():
                if need.covers(name):
                    file = Need(digest, f"{need.path}/{name}", need.rev, required=need.required)
                    _note(plan.files, digest, file)
                else:
                    plan.others.add(digest)
        return plan

    def _absent(self, plan: _Plan, *, check: bool, sending: bool = False) -> set[Digest]:
        """The planned objects that the remote lacks. `sending`: an object may be called absent without being asked
        about if sending it costs no more."""
        objects = plan.objects
        known = self._known(plan, objects) if self._trusts and not check else set()
        unknown = [digest for digest in objects if digest not in known]
        if sending and known and self._is_cheap(unknown):
            return set(unknown)
        absent = self._ask(unknown)
        self._record.drop(absent)
        self._remember(digest for digest in unknown if digest not in absent and self._size(digest) is not None)
        return absent

    def _known(self, plan: _Plan, objects: Collection[Digest]) -> set[Digest]:
        """Objects that the record may be believed about. What it says of outputs is checked when a day old, of the
        oldest one always: if that is wrong, so may be all else."""
        if self._record.generation() is None:
            return set()
        if self._record.generation() != self._generation.known():
            self._record.void()
            return set()
        known = self._record.known(objects)
        if not known:
            return set()
        outputs = [digest for digest in plan.outputs if digest in known]
        stale = [digest for digest in outputs if known[digest] < time.time() - DAY]
        if self._ask_each(stale or [min(outputs or known, key=lambda digest: known[digest])]):
            self._record.void()
            return set()
        for digest in stale:
            inside = plan.folders[digest][1] if digest.is_dir else None
            self._remember([digest, *((inside or frozenset()) & known.keys())])
        return set(known)

    def _is_cheap(self, digests: Sequence[Digest]) -> bool:
        if len(digests) > _FEW:
            return False
        sizes = [self._size(digest) for digest in digests]
        return all(size is not None and size <= _SMALL for size in sizes)

    def _ask(self, digests: Sequence[Digest]) -> set[Digest]:
        """Those that the remote lacks, found out by as few requests as possible."""
        plain = [digest for digest in digests if not digest.legacy]
        legacy = [digest for digest in digests if digest.legacy]
        if len(plain) > _SAME_AS_LISTING and self.backend.can_list and self._pages() * _SAME_AS_LISTING <= len(plain):
            return self._look_up(plain) | self._ask_each(legacy)
        return self._ask_each(digests)

    def _ask_each(self, digests: Sequence[Digest]) -> set[Digest]:
        sizes = self.backend.head([digest.key for digest in digests]) if digests else {}
        return {digest for digest in digests if not self._is_right(digest, sizes.get(digest.key))}

    def _look_up(self, digests: Sequence[Digest]) -> set[Digest]:
        sizes = {listed.key: listed.size for listed in self.backend.list("files/md5/")}
        return {digest for digest in digests if not self._is_right(digest, sizes.get(digest.key))}

    def _pages(self) -> int:
        """About how many requests listing everything takes, by the number of objects in one of 256 folders."""
        some = itertools.islice(self.backend.list("files/md5/00/"), 40 * _PAGE)
        return max(1, sum(1 for _ in some) * 256 // _PAGE)

    def _is_right(self, digest: Digest, size: int | None) -> bool:
        expected = self._size(digest)
        return size is not None and (expected is None or size == expected)

    def _size(self, digest: Digest) -> int | None:
        """The object's size, if the cache has it."""
        try:
            return os.stat(self.cache.path(digest)).st_size
        except OSError:
            return None

    def _remember(self, digests: Iterable[Digest]) -> None:
        found = list(digests)
        if found:
            known = self._record.generation() if not self._generation.was_read else None
            self._record.add(found, self._generation.known() if known is None else known)

    # -- push ----------------------------------------------------------------------------------------------

    def push(self, needs: Sequence[Need], *, check: bool = False, progress: Progress | None = None) -> Outcome:
        """Send what the remote lacks of `needs`. `check`: ask it about every object, whatever is recorded.

        Raises RemoteError if the remote cannot be used at all.
        """
        progress = progress or Silent()
        plan = self._plan(needs)
        if not plan.objects:
            return Outcome()
        result = Outcome()
        for round_ in range(4):
            before = self._generation.known()
            outcome = self._push(plan, check or round_ > 0, progress)
            result = Outcome(result.count + outcome.count, result.size + outcome.size, outcome.problems)
            if (self._trusts and not outcome.count) or before == self._generation.read():
                return result
        raise RemoteError(f"{self.name}: objects are being removed from it all the time", "git stage push")

    def _push(self, plan: _Plan, check: bool, progress: Progress) -> Outcome:
        absent = self._absent(plan, check=check, sending=True)
        problems: list[Problem] = []
        files: list[Digest] = []
        for digest, need in plan.files.items():
            if digest not in absent:
                continue
            if self.cache.has(digest):
                files.append(digest)
            else:
                problems.append(self._lost(digest, need))
        unsent = {digest for digest in absent if not digest.is_dir}
        failed = self._send(files, progress)
        problems += [_failed(plan.files[digest], error) for digest, error in failed.items()]
        unsent -= {digest for digest in files if digest not in failed}
        folders: list[Digest] = []
        for digest, (need, inside) in plan.folders.items():
            if digest not in absent:
                continue
            if inside is None:
                problems.append(self._lost(digest, need))
            elif not inside & unsent:
                folders.append(digest)
        held = self._send(folders, progress)
        problems += [_failed(plan.folders[digest][0], error) for digest, error in held.items()]
        sent = [digest for digest in (*files, *folders) if digest not in failed and digest not in held]
        return Outcome(len(sent), sum(self._size(digest) or 0 for digest in sent), tuple(problems))

    def _send(self, digests: Sequence[Digest], progress: Progress) -> dict[Digest, RemoteError]:
        """Send objects of the cache; returns those that failed. What arrived is recorded, whatever ends the transfer."""
        if not digests:
            return {}
        by_key = {digest.key: digest for digest in digests}
        progress.expect(len(digests), sum(self._size(digest) or 0 for digest in digests))
        sent: list[Digest] = []
        failed: dict[Digest, RemoteError] = {}
        try:
            items = [(self.cache.path(digest), digest.key) for digest in digests]
            for key, error in self.backend.put(items, progress.moved):
                if error is None:
                    sent.append(by_key[key])
                else:
                    failed[by_key[key]] = error
                progress.done(key)
        finally:
            with contextlib.suppress(GitstageError):
                self._remember(sent)
        return failed

    def send_files(
        self,
        files: Mapping[Digest, str],
        manifest: tuple[Digest, bytes] | None = None,
        *,
        progress: Progress | None = None,
    ) -> Outcome:
        """Send files that are not in the cache: digest -> absolute path; then, if all arrived, a directory's manifest.

        The caller sees to it that no file changed since it was hashed.
        """
        progress = progress or Silent()
        sizes = self.backend.head([digest.key for digest in files])
        lacking = {d: path for d, path in files.items() if sizes.get(d.key) != _file_size(path)}
        outcome = self._put([(path, digest.key) for digest, path in lacking.items()], progress)
        if manifest is None or outcome.problems:
            return outcome
        temporary = self.cache.temporary()
        try:
            with open(temporary, "xb") as stream:
                stream.write(manifest[1])
            return outcome + self._put([(temporary, manifest[0].key)], progress)
        finally:
            _remove([temporary])

    def _put(self, items: Sequence[tuple[str, str]], progress: Progress) -> Outcome:
        """Send files (absolute path, key) that are no objects of the cache."""
        if not items:
            return Outcome()
        places = {key: path for path, key in items}
        progress.expect(len(items), sum(map(_file_size, places.values())))
        problems, size = [], 0
        for key, error in self.backend.put(items, progress.moved):
            progress.done(key)
            if error is None:
                size += _file_size(places[key])
            else:
                problems.append(Problem(places[key], None, error))
        return Outcome(len(items) - len(problems), size, tuple(problems))

    def withdraw(self, digests: Collection[Digest]) -> None:
        """Delete objects that turned out to be wrong."""
        for _ in self.backend.delete([digest.key for digest in digests]):
            pass

    def _lost(self, digest: Digest, need: Need) -> Problem:
        return Problem(need.path, need.rev, _nowhere(need, digest, self.name), True, need.required)

    # -- fetch ---------------------------------------------------------------------------------------------

    def fetch(self, needs: Sequence[Need], *, progress: Progress | None = None) -> Outcome:
        """Bring what the cache lacks of `needs` into it. Raises RemoteError if the remote cannot be used at all."""
        first = self.fetch_manifests(needs, progress=progress)
        lost = {need.digest for need in needs if need.digest.is_dir and self.cache.manifest(need.digest) is None}
        plan = self._plan(need for need in needs if need.digest not in lost)
        wanted = {digest: need for digest, need in plan.files.items() if not self.cache.has(digest)}
        return first + self._receive(wanted, progress or Silent())

    def fetch_manifests(self, needs: Iterable[Need], *, progress: Progress | None = None) -> Outcome:
        """Bring the manifests of directories, without their files."""
        wanted: dict[Digest, Need] = {}
        for need in needs:
            if need.digest.is_dir and self.cache.manifest(need.digest) is None:
                _note(wanted, need.digest, need)
        return self._receive(wanted, progress or Silent())

    def _receive(self, wanted: Mapping[Digest, Need], progress: Progress) -> Outcome:
        """Fetch objects into the cache. A wrong one is fetched once more, then named."""
        if not wanted:
            return Outcome()
        got: list[Digest] = []
        problems: list[Problem] = []
        size = 0
        try:
            left = dict(wanted)
            sizes = [need.size for need in left.values()]
            progress.expect(len(left), None if None in sizes else sum(size or 0 for size in sizes))
            for is_last in (False, True):
                again: dict[Digest, Need] = {}
                for digest, result in self._get(list(left), progress):
                    if isinstance(result, int):
                        got.append(digest)
                        size += result
                    elif isinstance(result, _Wrong) and not is_last:
                        again[digest] = left[digest]
                    else:
                        problems.append(self._not_received(digest, left[digest], result))
                left = again
                if not left:
                    break
        finally:
            with contextlib.suppress(GitstageError):
                self._remember(got)
        return Outcome(len(got), size, tuple(problems))

    def _not_received(self, digest: Digest, need: Need, error: GitstageError) -> Problem:
        if isinstance(error, RemoteError) and error.absent:
            return self._lost(digest, need)
        self._record.drop([digest])
        return _failed(need, error)

    def _get(self, digests: Sequence[Digest], progress: Progress) -> Iterator[tuple[Digest, int | GitstageError]]:
        """Each object with its size, now that it is in the cache, or with what went wrong."""
        places = {digest.key: (digest, self.cache.temporary()) for digest in digests}
        hashed: Hashed = {}
        waiting: list[tuple[str, Future[int | GitstageError]]] = []
        pool: ThreadPoolExecutor | None = None
        try:
            items = [(key, temporary) for key, (_, temporary) in places.items()]
            for key, error in self.backend.get(items, progress.moved, hashed):
                digest, temporary = places[key]
                known = None if digest.legacy else hashed.get(key)
                if error is not None:
                    progress.done(key)
                    yield digest, error
                elif known is not None or _file_size(temporary) <= _HASH_INLINE:
                    progress.done(key)
                    result = self._take_in(digest, temporary, known)
                    if isinstance(result, int):
                        del places[key]
                    yield digest, result
                else:
                    pool = pool or ThreadPoolExecutor(min(4, os.cpu_count() or 1))
                    waiting.append((key, pool.submit(self._take_in, digest, temporary, None)))
            for key, future in waiting:
                progress.done(key)
                yield places[key][0], future.result()
        finally:
            if pool is not None:
                pool.shutdown(cancel_futures=True)
            _remove(temporary for _, temporary in places.values())

    def _take_in(self, digest: Digest, temporary: str, known: tuple[str, int] | None) -> int | GitstageError:
        """A fetched file becomes an object of the cache if it is what its name says. `known`: what was written into it
        (MD5 and size), else it is read."""
        try:
            if known is not None:
                md5, size = known
            else:
                with open(temporary, "rb") as stream:
                    md5, size = hash_stream(stream, legacy=digest.legacy)
            if md5 != digest.hex:
                return _Wrong(
                    f"remote '{self.name}' holds something else as {digest.key} ({size} bytes, MD5 {md5})",
                    "git stage push --check, where the content is right, repairs it",
                )
            self.cache.publish(temporary, digest)
        except OSError as error:
            return SystemFailure(f"{self.cache.path(digest)}: {error.strerror or error}")
        if digest.is_dir and self.cache.manifest(digest) is None:
            return RemoteError(f"remote '{self.name}': {digest.key} is no directory manifest")
        return size

    # -- compare -------------------------------------------------------------------------------------------

    def compare(self, needs: Sequence[Need]) -> dict[str, str]:
        """Objects that the cache and the remote do not both have, by the first path that needs each: "new" (only in
        the cache), "deleted" (only on the remote) or "missing" (in neither)."""
        plan = self._plan(needs)
        absent = self._absent(plan, check=False)
        found, told = {}, set()
        for need in needs:
            listing = self.cache.manifest(need.digest) if need.digest.is_dir else None
            entries = [(need.path, need.digest)]
            entries += [
                (f"{need.path}/{name}", digest) for name, digest in (listing or {}).items() if need.covers(name)
            ]
            for path, digest in entries:
                here, there = self.cache.has(digest), digest not in absent
                if not (here and there) and digest not in told:
                    told.add(digest)
                    found[path] = "new" if here else "deleted" if there else "missing"
        return found

    # -- collect -------------------------------------------------------------------------------------------

    def collect(
        self, keep: Collection[Digest], *, dry: bool = False, grace: float = 3600.0, progress: Progress | None = None
    ) -> Collected:
        """Delete objects that are not in `keep` (nor files of its directories), manifests first, and what broken
        transfers left more than a day ago. `dry`: only say what would go.

        Objects that this clone neither pushed nor has are spared for `grace` seconds: somebody may be about to push the
        commit that needs them. Raises RemoteError if the remote cannot be used or a manifest in `keep` be read.
        """
        needed = self._with_files(keep)
        if not self.backend.can_list or not self.backend.can_write:
            raise RemoteError(f"remote '{self.name}' can only be read")
        if not dry:
            self._generation.begin_collecting()
        try:
            doomed = self._doomed(needed, time.time(), grace)
            if dry:
                return Collected(tuple(doomed))
            return self._delete(doomed, progress or Silent())
        finally:
            if not dry:
                self._generation.renew()

    def _with_files(self, keep: Collection[Digest]) -> set[Digest]:
        for problem in self.fetch_manifests(Need(digest, str(digest)) for digest in keep if digest.is_dir).problems:
            if not problem.is_absent:  # what nobody has cannot be restored, whatever stays
                raise problem.error
        listings = [self.cache.manifest(digest) for digest in keep if digest.is_dir]
        return {*keep, *(digest for listing in listings if listing for digest in listing.values())}

    def _doomed(self, needed: set[Digest], now: float, grace: float) -> list[Listed]:
        unneeded: dict[Digest, Listed] = {}
        leftovers: list[Listed] = []
        for listed in self.backend.list(""):
            digest = Digest.of_key(listed.key)
            age = None if listed.modified is None else now - listed.modified
            if digest is not None and digest not in needed:
                unneeded[digest] = listed
            elif digest is None and _is_leftover(listed.key) and age is not None and age > DAY:
                leftovers.append(listed)
        known = self._record.known(unneeded)
        doomed = [
            listed
            for digest, listed in sorted(unneeded.items(), key=lambda item: (not item[0].is_dir, item[1].key))
            if listed.modified is None
            or now - listed.modified >= grace
            or digest in known
            or self._size(digest) is not None
        ]
        return doomed + sorted(leftovers, key=lambda listed: listed.key)

    def _delete(self, doomed: Sequence[Listed], progress: Progress) -> Collected:
        """In the order given: manifests go before their files, so that a break leaves none that promises what is not
        there."""
        progress.expect(len(doomed), None)
        removed: list[Listed] = []
        problems: list[Problem] = []
        end = sum(1 for listed in doomed if listed.key.endswith(".dir"))
        parts = [doomed[:end], *(doomed[start : start + _PAGE] for start in range(end, len(doomed), _PAGE))]
        for part in parts:
            by_key = {listed.key: listed for listed in part}
            for key, error in self.backend.delete(list(by_key)) if part else ():
                progress.done(key)
                if error is None:
                    removed.append(by_key[key])
                else:
                    problems.append(Problem(key, None, error))
            self._generation.go_on_collecting()
        return Collected(tuple(removed), tuple(problems))

    # -- results of earlier runs ---------------------------------------------------------------------------

    def push_runs(self, folder: str, *, progress: Progress | None = None) -> Outcome:
        """Send the results below `folder` (the cache's `runs`) that the remote lacks."""
        local = {f"runs/{name}": os.path.join(folder, name) for name in _files_below(folder)}
        there = self._runs_there() if local else {}
        items = [(path, key) for key, path in sorted(local.items()) if there.get(key) != _file_size(path)]
        return self._put(items, progress or Silent())

    def fetch_runs(self, folder: str, take: Callable[[str, str], bool], *, progress: Progress | None = None) -> Outcome:
        """Bring the results that are not below `folder` yet. `take(temporary file, name below runs/)` files one and
        tells whether it was a result."""
        have = {f"runs/{name}" for name in _files_below(folder)}
        keys = sorted(self._runs_there().keys() - have)
        if not keys:
            return Outcome()
        progress = progress or Silent()
        progress.expect(len(keys), None)
        places = {key: self.cache.temporary() for key in keys}
        problems, count, size = [], 0, 0
        try:
            for key, error in self.backend.get(list(places.items()), progress.moved):
                progress.done(key)
                found = _file_size(places[key])
                if error is not None:
                    problems.append(Problem(key, None, error))
                elif take(places[key], key.removeprefix("runs/")):
                    count, size = count + 1, size + found
                else:
                    wrong = RemoteError(f"remote '{self.name}': {key} is not the result that its name says")
                    problems.append(Problem(key, None, wrong, required=False))
        finally:
            _remove(places.values())
        return Outcome(count, size, tuple(problems))

    def _runs_there(self) -> dict[str, int]:
        if not self.backend.can_list:
            raise RemoteError(f"remote '{self.name}' cannot list what it holds, so it can share no results of runs")
        return {listed.key: listed.size for listed in self.backend.list("runs/") if _is_result(listed.key)}


class _Wrong(GitstageError):
    """A fetched object is not what its name says."""


def _note(known: dict[Digest, Need], digest: Digest, need: Need) -> None:
    """The first need of an object speaks for it, unless a later one requires it."""
    if digest not in known or (need.required and not known[digest].required):
        known[digest] = need


def _failed(need: Need, error: GitstageError) -> Problem:
    return Problem(need.path, need.rev, error, required=True)


def _nowhere(need: Need, digest: Digest, remote: str) -> CacheMiss:
    where = f" ({need.rev[:10]})" if need.rev else ""
    return CacheMiss(f"{need.path}{where}: {digest} is neither in the cache nor on remote '{remote}'")


def _file_size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _remove(paths: Iterable[str]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _files_below(folder: str) -> list[str]:
    return [
        os.path.relpath(os.path.join(top, name), folder).replace(os.sep, "/")
        for top, _, names in walk(folder)
        for name in names
        if _is_result("runs/" + os.path.relpath(os.path.join(top, name), folder).replace(os.sep, "/"))
    ]


def _is_result(key: str) -> bool:
    """runs/<2 hex digits>/<64 hex digits>/<64 hex digits>"""
    parts = key.split("/")
    return len(parts) == 4 and parts[2][:2] == parts[1] and all(len(p) == 64 and set(p) <= _HEX for p in parts[2:])


def _is_leftover(key: str) -> bool:
    """Half an object, as our backends, DVC's and rclone name it while it is being written."""
    folder, _, name = key.rpartition("/")
    is_temporary = (name.startswith(".") and name.endswith(".tmp")) or name.endswith(".part")
    is_ours = not folder or folder.startswith(("files/md5/", "runs/")) or len(folder) == 2
    return is_ours and (is_temporary or name.startswith(".rclone_temp_"))

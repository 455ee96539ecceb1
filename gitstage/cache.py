"""The content-addressed cache: objects by digest, in the layout of DVC 3 (and of DVC 1 and 2 for legacy digests).

An object is a read-only file named by its digest; mode 0444 says that it was verified. A directory is an object that
lists its files (see digest.py). Objects are renamed into place whole; nothing is ever written into one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from gitstage import forks, progress
from gitstage.digest import Digest, hash_bytes, hash_stream, manifest_bytes, named_in, parse_manifest
from gitstage.errors import CacheMiss, FormatError, GitstageError
from gitstage.fs import (
    CREATE,
    FILE_MODE,
    READ,
    UMASK,
    Folders,
    Root,
    Scratch,
    clone,
    copy_in_kernel,
    exists,
    force_out,
    in_threads,
    is_dir,
    look,
)  # fmt: skip
from gitstage.memo import Known, Memo, Stamp, is_racy, stamp
from gitstage.static import Any, TypeVar

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

LINK_TYPES = ("reflink", "hardlink", "symlink", "copy")
PROTECTED = 0o444
_EXECUTABLE = 0o111  # bits that an object gets from a link to it
SMALL = 1 << 20
"""Files up to this many bytes are read into memory whole."""
EMPTY = "d41d8cd98f00b204e9800998ecf8427e"
"""The MD5 of no bytes."""
_FEW = 100  # objects are quickly looked for one by one
_LONG_AGO = 1_800_000_000_000  # ns: half of the time for which `gc` spares an object in a cache that others use, too
_SEEN_FOR = 50_000_000  # ns
_WRITTEN_BACK = 60_000_000_000  # ns after which what was written is on the disk: systems wait half of it at most
_BACKDATE = 50_000_000  # ns: a restored copy's mtime lies this far back, so that any later write shows


class Cache:
    """Objects below `folder` (absolute). `types`: link types to try in order; `shared`: group-writable folders;
    `others_use`: so may other projects."""

    def __init__(
        self, folder: str, *, types: tuple[str, ...], memo: Memo, scratch: Scratch, shared: bool = False,
        others_use: bool = False,
    ) -> None:  # fmt: skip
        self.folder, self.memo, self.scratch = folder, memo, scratch
        self._types = list(types)
        self._others_use = others_use
        self._maker = Folders(shared=shared)
        self._manifests: dict[Digest, dict[str, Digest] | None] = {}
        self._same_device: bool | None = None
        self._seen: tuple[int, bytes] | None = None
        self._verified: set[Digest] | None = None
        self.put_away: dict[Digest, str] = {}
        """Wrong objects that were moved out of the cache, with their new places."""
        self._settled = 0

    def path(self, digest: Digest) -> str:
        """Where the object lies, or would."""
        return f"{self.folder}/{digest.key}"

    def has(self, digest: Digest) -> bool:
        """Is this one object there and right? An unprotected one is hashed: protected if right, else put away."""
        path = self.path(digest)
        try:
            found = os.lstat(path)  # an object is never a link: it may have come along with a repository
        except (FileNotFoundError, NotADirectoryError):
            return False
        if not stat.S_ISREG(found.st_mode):
            return False
        if self._verified is not None:
            return self._is_verified(path, found, digest)
        return _is_protected(found, digest) or self._reverify(path, found, digest)

    def distrust(self) -> None:
        """From here on no object counts as there before it was read and found right, whatever its mode."""
        self._verified = set()

    def _is_verified(self, path: str, found: os.stat_result, digest: Digest) -> bool:
        assert self._verified is not None
        if digest not in self._verified and self._reverify(path, found, digest):
            self._verified.add(digest)
        return digest in self._verified

    def _reverify(self, path: str, found: os.stat_result, digest: Digest) -> bool:
        with open(path, "rb") as stream:
            md5, _ = hash_stream(stream, legacy=digest.legacy)
            if md5 == digest.hex:
                with contextlib.suppress(OSError):
                    if not _is_protected(found, digest):
                        os.fsync(stream.fileno())  # it is believed from here on
                    os.chmod(path, PROTECTED | stat.S_IMODE(found.st_mode) & _EXECUTABLE)
                return True
        with contextlib.suppress(OSError):
            self.put_away[digest] = self.quarantine(digest)
        return False

    def is_corrupt(self, digest: Digest) -> bool:
        """Is there an object of this name with another content? It is read in full; nothing is changed."""
        try:
            with open(self.path(digest), "rb") as stream:
                return hash_stream(stream, legacy=digest.legacy)[0] != digest.hex
        except (FileNotFoundError, NotADirectoryError):
            return False

    def quarantine(self, digest: Digest) -> str:
        """Move a wrong object out of the cache, bytes kept; returns its new path."""
        folder = os.path.join(self.scratch.parent, "corrupt")
        os.makedirs(folder, exist_ok=True)
        target = os.path.join(folder, f"{digest}-{time.time_ns()}")
        _move(self.path(digest), target)
        return target

    def lacks(self, digest: Digest) -> list[Digest]:
        """What is missing of an object: itself and, of a directory, the files its manifest names."""
        if not self.has(digest):
            return [digest]
        if not digest.is_dir:
            return []
        seen = self.folders_seen() if self._verified is None else None
        if seen is not None:
            known = self._lacks_since(digest, seen)
            if known is not None:
                return known
        listing = self.manifest(digest)
        if listing is None:
            return [digest]
        wanted = list(dict.fromkeys(listing.values()))
        if self._verified is None:
            missing = [one for one in wanted if not self.has(one)]
        else:
            missing = [one for one, is_there in zip(wanted, in_threads(self.has, wanted), strict=True) if not is_there]
        if seen is not None and not missing:
            self.remember_complete(digest, len(listing), seen)
        return missing

    def remember_complete(self, digest: Digest, count: int, seen: bytes) -> None:
        """Keep that all `count` files of a directory were objects here at some time after the folders were as `seen` says."""
        if count > _FEW:
            self.memo.remember_complete(self._name(digest), seen)

    def _name(self, digest: Digest) -> str:
        return f"{digest} {digest.legacy} {self.folder}"

    def _lacks_since(self, digest: Digest, seen: bytes) -> list[Digest] | None:
        """What is missing of a directory that was complete before: only folders that changed since can have lost any of it.

        None if it was not, or too much has changed.
        """
        before = self.memo.complete(self._name(digest))
        doubtful = _differing(before, seen) if before is not None else None
        if doubtful is None or len(doubtful) > 128:
            return None
        base = 256 if digest.legacy else 0
        folders = {f"{number - base:02x}" for number in doubtful if base <= number < base + 256}
        if not folders:
            return []
        data = self._text(digest)
        named = named_in(data) if data is not None else []
        if data is None or len(named) != data.count(b'"md5": "'):  # not as DVC writes it
            return None
        wanted = [Digest(md5, False, digest.legacy) for md5 in dict.fromkeys(named) if md5[:2] in folders]
        missing = [one for one in wanted if not self.has(one)]
        if not missing:
            self.remember_complete(digest, len(named), seen)
        return missing

    def complete(self, digest: Digest | None) -> frozenset[str]:
        """The MD5s of a directory's files, all of which are known to be objects here; nothing if that is not known."""
        if digest is None or not digest.is_dir or self.lacks(digest):
            return frozenset()
        known = self._manifests.get(digest)
        if known is not None:
            return frozenset(one.hex for one in known.values())
        data = self._text(digest)
        return frozenset(named_in(data) if data is not None else ())

    def _text(self, digest: Digest) -> bytes | None:
        """What is in the object of a directory; None if that is not what its name says."""
        with open(self.path(digest), "rb") as stream:
            data = stream.read()
        return data if hash_bytes(data, legacy=digest.legacy) == digest.hex else None

    def folders_seen(self) -> bytes:
        """The stamps of all folders of the cache: one that is the same later has lost no object since.

        Of each, mtime and inode; nothing of one that has just changed, as another change in the same tick would not show.
        """
        now = time.time_ns()
        if self._seen is None or not 0 <= now - self._seen[0] < _SEEN_FOR:
            stamps: list[int] = []
            for base in (f"{self.folder}/files/md5", self.folder):
                for number in range(256):
                    try:
                        found = os.stat(f"{base}/{number:02x}")
                    except OSError:
                        stamps += _ABSENT
                    else:
                        stamps += _UNSETTLED if is_racy(found.st_mtime_ns, now) else (found.st_mtime_ns, found.st_ino)
            self._seen = now, _STAMPS.pack(*stamps)
        return self._seen[1]

    def settle(self, digests: Iterable[Digest] | None = None) -> None:
        """Return when these objects (default: all), with the files of directories, are on the disk. Called before other
        copies of their content go: a power failure must not take both. What was written more than a minute ago is there."""
        now = time.time_ns()
        when = max(self._settled, now - _WRITTEN_BACK)
        if digests is None:
            force_out(self._changed_since(when))
            self._settled = now - 2 * _TICK
            return
        paths = []
        for digest in digests:
            listing = self.manifest(digest) if digest.is_dir else None
            paths += [self.path(one) for one in (digest, *(listing or {}).values())]
        force_out([path for path in paths if (found := look(path)) is not None and found.st_ctime_ns >= when])

    def unprotect_last(self, booted: int, known: int) -> None:
        """After a start of the machine at `booted`, if anything was written between `known` and then (ns since the epoch):
        what may not have been on the disk when it stopped is no longer protected, so that whoever asks for it reads it."""
        times = [found.st_mtime_ns for _, found in self._folders()]
        before = [mtime for mtime in times if mtime < booted]
        last = max(before, default=0)
        for path in self._changed_since(last - _WRITTEN_BACK) if last >= known else ():
            with contextlib.suppress(OSError):
                if os.stat(path).st_ctime_ns < booted:
                    os.chmod(path, _DISTRUSTED)

    def _folders(self) -> Iterator[tuple[str, os.stat_result]]:
        """The folders of objects, with their stats."""
        for base in (f"{self.folder}/files/md5", self.folder):
            for number in range(256):
                path = f"{base}/{number:02x}"
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    yield path, os.stat(path)

    def _changed_since(self, when: int) -> list[str]:
        """The objects that are not older than `when` (ns since the epoch)."""
        found = []
        for folder, stat_of in self._folders():
            if stat_of.st_mtime_ns >= when:
                with os.scandir(folder) as entries:
                    found += [entry.path for entry in entries if entry.stat().st_ctime_ns >= when]
        return found

    def manifest(self, digest: Digest) -> dict[str, Digest] | None:
        """The files of a directory, path -> digest; None if the object is missing or is no manifest."""
        if digest not in self._manifests:
            path, listing = self.path(digest), None
            if self.has(digest):
                with contextlib.suppress(FormatError):
                    data = self._text(digest)
                    listing = parse_manifest(data, path, legacy=digest.legacy) if data is not None else None
            self._manifests[digest] = listing
        return self._manifests[digest]

    def add_manifest(self, listing: Mapping[str, Digest], *, legacy: bool = False) -> Digest:
        """Store the manifest of a directory and return its digest."""
        data = manifest_bytes(listing)
        digest = Digest(hash_bytes(data, legacy=legacy), True, legacy)
        if self.has(digest):
            self._rely_on(digest)
        else:
            self._write(data, digest)
        self._manifests[digest] = dict(listing)
        return digest

    def add_file(self, source: str, found: os.stat_result, *, legacy: bool = False) -> Digest:
        """Store the content of the file at absolute `source` (its stat: `found`) and return its digest. See `take`."""
        known = self.memo.file(source, found, legacy=legacy)
        return self.take(source, stamp(found), known=known, legacy=legacy)[0]

    def take(
        self, source: str, found: Stamp, *, known: str | None = None, legacy: bool = False, may_link: bool = True
    ) -> tuple[Digest, bool]:
        """Store the content of the file at absolute `source`, whose stamp is `found`; `known`: its MD5, if that is known.

        Returns its digest, and whether `source` is by now surely a file of the kind that `restore` would make of it.
        Reads the file once at most, not at all if its digest is known and the object is there. With hardlinks as the
        link type the file itself becomes the object if it `may_link`.
        """
        if known is not None:
            digest = Digest(known, False, legacy)
            if self.has(digest):
                self._rely_on(digest)
                return digest, False
        read_at = time.time_ns()
        try:
            fd = os.open(source, READ | _NOFOLLOW)
            is_link = False
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            fd, is_link = os.open(source, READ), True
        try:
            kind = self.link_type
            may_link = may_link and kind == "hardlink" and not is_link and found[0] > 0
            temporary = None
            if found[0] <= SMALL:
                data = _read_all(fd, found[0])
                progress.moved(found[0])
                md5 = hash_bytes(data, legacy=legacy)
            elif may_link or kind == "reflink":
                md5, data = _hash(fd, None, legacy), None
            else:
                temporary, data = self.temporary(), None
                md5 = self._copy_and_hash(fd, temporary, legacy)
            after = os.fstat(fd)
            if stamp(after)[:3] != found[:3]:
                raise GitstageError(f"{source}: changed while it was read", "run the command again")
            digest = Digest(md5, False, legacy)
            in_place = False
            if self.has(digest):
                self._rely_on(digest)
            else:
                in_place = kind in ("copy", "reflink") and not is_link
                if may_link and self._adopt(source, digest):
                    in_place, after = True, os.stat(source)
                    if stamp(after)[:3] != found[:3]:
                        os.unlink(self.path(digest))
                        raise GitstageError(f"{source}: changed while it was read", "run the command again")
                elif may_link and self.has(digest):  # whoever was faster has a link to it
                    in_place = False
                elif temporary is None and data is None:
                    temporary = self.temporary()
                    if kind != "reflink" or not clone(source, temporary):
                        if kind == "reflink":
                            self._drop(kind)
                        os.lseek(fd, 0, os.SEEK_SET)
                        if self._copy_and_hash(fd, temporary, legacy) != md5:
                            raise GitstageError(f"{source}: changed while it was read", "run the command again")
                    self.publish(temporary, digest)
                elif temporary is not None:
                    self.publish(temporary, digest)
                else:
                    assert data is not None
                    self._write(data, digest)
                temporary = None
        finally:
            os.close(fd)
            if temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
        self.memo.remember_file(source, after, md5, read_at, legacy=legacy)
        progress.done()
        return digest, in_place

    def take_all(
        self,
        folder: str,
        files: Sequence[tuple[str, Stamp, str | None]],
        *,
        legacy: bool = False,
        may_link: bool = True,
    ) -> Iterator[tuple[Digest, bool]]:
        """`take` each of `files` (path below absolute `folder`, stamp, its MD5 if that is known), several at once if they
        are many."""

        def take(some: Sequence[tuple[str, Stamp, str | None]]) -> list[tuple[str, bool]]:
            taken = (
                self.take(f"{folder}/{name}", found, known=md5, legacy=legacy, may_link=may_link)
                for name, found, md5 in some
            )
            return [(digest.hex, in_place) for digest, in_place in taken]

        for answer in self._in_forks(take, files):
            for md5, in_place in answer:
                yield Digest(md5, False, legacy), in_place

    def _in_forks(self, work: Callable[[Sequence[_Item]], _Answer], items: Sequence[_Item]) -> Iterator[_Answer]:
        """`forks.in_forks` for work that uses this cache."""
        if len(items) < 2 * forks.LEAST:
            yield work(items)
            return
        self.temporary()  # the scratch folder is made before, and ours
        owner = os.getpid()

        def part(some: Sequence[_Item]) -> tuple[_Answer, dict[tuple[str, bool], Known], list[str], list[Any]]:
            if os.getpid() != owner:
                self.scratch.split()
            memo, self.memo = self.memo, Memo(None)
            try:
                done = work(some)
            finally:
                learnt, self.memo = self.memo.learnt, memo
            return done, dict(learnt), self._types, [(*digest, place) for digest, place in self.put_away.items()]

        for done, learnt, types, put_away in forks.in_forks(part, items):
            self.memo.learn(learnt)
            self._types = [kind for kind in self._types if kind in types]
            self.put_away.update({Digest(*digest): place for *digest, place in put_away})
            self._seen = None
            yield done

    def _rely_on(self, digest: Digest) -> None:
        """An object that was there already is about to be recorded: to another project's `gc` it must not look old."""
        path = self.path(digest)
        if self._others_use:
            with contextlib.suppress(OSError):
                if time.time_ns() - os.stat(path).st_ctime_ns > _LONG_AGO:
                    os.utime(path)

    def _adopt(self, source: str, digest: Digest) -> bool:
        """Make a file itself the object, by a hard link. Until it is protected, `has` takes nobody's word for it."""
        path = self.path(digest)
        self._maker.make(os.path.dirname(path))
        try:
            os.link(source, path, follow_symlinks=False)
        except OSError:
            return False
        os.chmod(path, PROTECTED)
        self._seen = None
        return True

    def _write(self, data: bytes, digest: Digest) -> None:
        temporary = self.temporary()
        fd = os.open(temporary, CREATE, PROTECTED)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        finally:
            os.close(fd)
        self.publish(temporary, digest, is_protected=not UMASK & PROTECTED)

    def _copy_and_hash(self, fd: int, target: str, legacy: bool) -> str:
        out = os.open(target, CREATE, 0o600)
        try:
            return _hash(fd, out, legacy)
        finally:
            os.close(out)

    def _drop(self, kind: str) -> None:
        if kind in self._types:
            self._types.remove(kind)

    def temporary(self) -> str:
        """A fresh absolute path, on the cache's file system, for what may become an object; nothing is made there."""
        if self._same_device is None:
            self._maker.make(self.folder)
            self._same_device = os.stat(self.scratch.folder).st_dev == os.stat(self.folder).st_dev
        if self._same_device:
            return self.scratch.new()
        name = os.path.basename(self.scratch.folder) + "-" + os.path.basename(self.scratch.new())
        return os.path.join(self.folder, f".{name}.tmp")

    def publish(self, temporary: str, digest: Digest, *, is_protected: bool = False) -> None:
        """The file `temporary`, whose content the caller has hashed to `digest`, becomes that object.

        `is_protected`: it has the mode of one already.
        """
        if not is_protected:
            os.chmod(temporary, PROTECTED)
        path = self.path(digest)
        self._maker.make(os.path.dirname(path))
        try:
            os.replace(temporary, path)
        except OSError as error:
            error.filename = path  # what is wrong is there
            raise
        self._seen = None
        self._manifests.pop(digest, None)

    def objects(self) -> Iterator[tuple[Digest, str]]:
        """Every object, plain and legacy, with its path. Files that are named like none are passed over."""
        for base, legacy in ((f"{self.folder}/files/md5", False), (self.folder, True)):
            for short in _names(base):
                for rest in _names(f"{base}/{short}") if len(short) == 2 else ():
                    with contextlib.suppress(ValueError):
                        yield Digest.parse(short + rest, legacy=legacy), f"{base}/{short}/{rest}"

    def take_in(self, temporary: str, digest: Digest) -> bool:
        """Make a temporary file of ours the object `digest`; it is gone then. False, without a trace, if its content
        is another."""
        with open(temporary, "rb") as stream:
            is_right = hash_stream(stream, legacy=digest.legacy)[0] == digest.hex
        if is_right and not self.has(digest):
            self.publish(temporary, digest)
        else:
            os.unlink(temporary)
        return is_right

    def adopt(self, source: str, digest: Digest) -> None:
        """Make the file at absolute `source`, whose content is `digest`, an object too: by a hard link, else a copy."""
        temporary = self.temporary()
        try:
            os.link(source, temporary)
        except OSError:
            import shutil

            shutil.copyfile(source, temporary)
        self.publish(temporary, digest)

    def remove(self, digest: Digest) -> None:
        """Delete one object; a missing one is fine."""
        self._manifests.pop(digest, None)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(digest))

    def is_beside(self, folder: str) -> bool:
        """Can objects be renamed into `folder`, which exists?"""
        return is_dir(self.folder) and os.stat(folder).st_dev == os.stat(self.folder).st_dev

    def move_out(self, digest: Digest, target: str) -> None:
        """Move one object, as it is, to the absolute path `target`; a missing one is fine."""
        self._manifests.pop(digest, None)
        with contextlib.suppress(FileNotFoundError):
            _move(self.path(digest), target)

    def move_in(self, source: str, digest: Digest) -> None:
        """The reverse of `move_out`; an object that is there stays."""
        path = self.path(digest)
        if exists(path):
            return
        self._maker.make(os.path.dirname(path))
        _move(source, path)
        self._seen = None
        self._manifests.pop(digest, None)

    def sweep(self, dead: Collection[str]) -> None:
        """Remove temporary files at the top of the cache that processes named in `dead` left (other file system)."""
        for name in os.listdir(self.folder) if dead and os.path.isdir(self.folder) else []:
            if name.endswith(".tmp") and any(name.startswith(f".{owner}-") for owner in dead):
                os.unlink(os.path.join(self.folder, name))

    # -- from the cache to the work tree -------------------------------------------------------------------

    @property
    def link_type(self) -> str:
        """The link type tried first."""
        return self._types[0] if self._types else "copy"

    def working_types(self) -> list[str]:
        """The link types that can be made from the cache, which exists, to the work tree; tried with a file of its own."""
        source = os.path.join(self.folder, f".{os.path.basename(self.scratch.folder)}-types.tmp")
        made = []
        try:
            with open(source, "xb") as stream:
                stream.write(b"?")
            with Root(self.scratch.folder) as root:
                for kind in LINK_TYPES:
                    with contextlib.suppress(OSError):
                        if self._put(kind, source, root, f"types-{kind}", isexec=False, is_empty=False):
                            made.append(kind)
                            root.unlink(f"types-{kind}")
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(source)
        return made

    def is_linked(self, absolute: str, digest: Digest) -> bool:
        """Is the file at `absolute`, whose content is `digest`, already of the kind that `restore` would make?"""
        try:
            found = os.lstat(absolute)
            if self.link_type == "symlink":
                return stat.S_ISLNK(found.st_mode) and os.readlink(absolute) == self.path(digest)
            if not stat.S_ISREG(found.st_mode):
                return False
            if self.link_type == "hardlink" and digest.hex == EMPTY:
                return True
            if found.st_nlink == 1:
                return self.link_type != "hardlink"
            held = os.stat(self.path(digest))
        except OSError:
            return False
        same = (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)
        return same == (self.link_type == "hardlink")

    def restore_all(self, files: Sequence[tuple[Digest, str, bool]], root: Root, *, kind: str | None = None) -> None:
        """`restore` each of `files` (digest, path, isexec). Copies of big ones are made beside each other."""
        progress.expect(len(files))
        makes_copies = len(files) > 1 and (kind or self.link_type) == "copy"

        def copied(file: tuple[Digest, str, bool], most: int | None = None) -> str | None:
            temporary = self.scratch.new()
            try:
                is_done = _copy(self.path(file[0]), temporary, _mode(file[2]), time.time_ns() - _BACKDATE, most)
            except FileNotFoundError:
                return None  # `restore` says what is missing
            return temporary if is_done else ""

        def restore(some: Sequence[tuple[Digest, str, bool]]) -> tuple[int, list[int]]:
            """Returns how many they are, and the places of big ones, which are not done."""
            big = []
            for place, file in enumerate(some):
                copy = copied(file, SMALL) if makes_copies else None
                if copy == "":
                    big.append(place)
                else:
                    self.restore(file[0], root, file[1], isexec=file[2], kind=kind, copy=copy)
            return len(some), big

        big: list[tuple[Digest, str, bool]] = []
        start = 0
        for count, places in self._in_forks(restore, files):
            big += [files[start + place] for place in places]
            start += count
        for (digest, path, isexec), copy in zip(big, in_threads(copied, big), strict=True):
            self.restore(digest, root, path, isexec=isexec, kind=kind, copy=copy)

    def restore(
        self, digest: Digest, root: Root, path: str, *, isexec: bool = False, kind: str | None = None,
        copy: str | None = None,
    ) -> None:  # fmt: skip
        """Put a file's content at `path` below `root` by the first link type that works, replacing what is there.

        `kind` asks for one link type alone. `copy`: a temporary file that has become one already, if that is the type.
        Raises CacheMiss if the object is not there, GitstageError if no configured link type works here.
        """
        source = self.path(digest)
        for one in (kind,) if kind else tuple(self._types):
            try:
                found = self._put(one, source, root, path, isexec=isexec, is_empty=digest.hex == EMPTY, copy=copy)
            except FileNotFoundError:
                if os.path.exists(source):
                    raise
                raise CacheMiss(f"{path}: {digest} is not in the cache") from None
            if found is None:
                self._drop(one)
                continue
            if one != "symlink" and not digest.legacy:
                read_at = time.time_ns() if one == "hardlink" else None
                self.memo.remember_file(root.absolute(path), found, digest.hex, read_at)
            progress.done()
            return
        raise GitstageError(
            f"{path}: no link type of cache.type works between the cache and here",
            "git config -f .dvc/config cache.type copy",
        )

    def _put(
        self, kind: str, source: str, root: Root, path: str, *, isexec: bool, is_empty: bool, copy: str | None = None
    ) -> os.stat_result | None:
        """Make one link or copy; its stat, or None if this kind does not work here."""
        fd, name = root.at(path, create=True)
        if kind == "symlink":
            os.stat(source)
            if isexec:
                make_executable(source)
            try:
                os.symlink(source, name, dir_fd=fd)
            except FileExistsError:
                temporary = self.scratch.new()
                os.symlink(source, temporary)
                root.put(temporary, path)
            return os.stat(name, dir_fd=fd, follow_symlinks=False)
        if kind == "hardlink" and not is_empty:  # an empty file shares nothing, and DVC does not link it
            try:
                os.link(source, name, dst_dir_fd=fd)
            except FileExistsError:
                temporary = self.scratch.new()
                os.link(source, temporary)
                root.put(temporary, path)
            except FileNotFoundError:
                raise
            except OSError:
                return None
            if isexec:
                make_executable(source)
            return os.stat(name, dir_fd=fd)
        temporary = copy or self.scratch.new()
        then = time.time_ns() - _BACKDATE
        if kind == "reflink":
            if not clone(source, temporary):
                return None
            os.chmod(temporary, _mode(isexec))
            os.utime(temporary, ns=(then, then))
        elif copy is None:
            _copy(source, temporary, _mode(isexec), then)
        root.put(temporary, path)
        return os.stat(name, dir_fd=fd)


_STAMPS = struct.Struct("<1024Q")
_UNSETTLED = 0, 0
_ABSENT = 0, 1


def _differing(before: bytes, now: bytes) -> list[int] | None:
    """The numbers of the folders that may have changed between two results of Cache.folders_seen."""
    if len(before) != len(now):
        return None
    one, other = _STAMPS.unpack(before), _STAMPS.unpack(now)
    return [
        number
        for number in range(512)
        if one[2 * number : 2 * number + 2] != other[2 * number : 2 * number + 2]
        or one[2 * number : 2 * number + 2] == _UNSETTLED
    ]


_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_TICK = 20_000_000  # ns: how coarse a file system's clock may be
_DISTRUSTED = 0o644


def _is_protected(found: os.stat_result, digest: Digest) -> bool:
    """Does the mode say that the object was verified? Not if it is empty and should not be, as a power failure leaves it."""
    return stat.S_IMODE(found.st_mode) & ~_EXECUTABLE == PROTECTED and (found.st_size > 0 or digest.hex == EMPTY)


def _read_all(fd: int, size: int) -> bytes:
    """All of a small file that should have `size` bytes."""
    data = os.read(fd, size + 1)
    while block := os.read(fd, SMALL) if len(data) != size else b"":
        data += block
    return data


def _hash(fd: int, out: int | None, legacy: bool) -> str:
    """MD5 of the rest of an open file, which is copied to the descriptor `out` on the way."""

    class Stream:
        def read(self, size: int) -> bytes:
            block = os.read(fd, size)
            view = memoryview(block)
            while out is not None and view:
                view = view[os.write(out, view) :]
            return block

    return hash_stream(Stream(), legacy=legacy)[0]


def make_executable(absolute: str) -> None:
    """Let the owner execute a file, or the object that it is a link to, as DVC does; another's stays as it is."""
    mode = os.stat(absolute).st_mode
    if not mode & stat.S_IXUSR:
        with contextlib.suppress(PermissionError):
            os.chmod(absolute, stat.S_IMODE(mode) | stat.S_IXUSR)


def _mode(isexec: bool) -> int:
    """Permissions of a restored copy."""
    return FILE_MODE | (stat.S_IXUSR if isexec else 0)


def _copy(source: str, target: str, mode: int, when: int, most: int | None = None) -> bool:
    """Copy a file's bytes into a new file with permissions `mode` and mtime `when` (ns).

    A file of more than `most` bytes is left for later: False, and no new file.
    """
    fd = os.open(source, READ)
    try:
        data = os.read(fd, SMALL)
        if len(data) == SMALL and most is not None and os.fstat(fd).st_size > most:
            return False
        out = os.open(target, CREATE, mode)
        try:
            if len(data) == SMALL:
                copy_in_kernel(fd, out, progress.moved)
                data = os.read(fd, SMALL)
            while data:
                data = data[os.write(out, data) :] or os.read(fd, SMALL)
            if mode & UMASK:
                os.chmod(target, mode)
            os.utime(out if os.utime in os.supports_fd else target, ns=(when, when))
        finally:
            os.close(out)
    finally:
        os.close(fd)
    return True


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _move(source: str, target: str) -> None:
    try:
        os.replace(source, target)
    except OSError:
        import shutil

        shutil.move(source, target)

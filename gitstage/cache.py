"""The content-addressed cache: objects by digest, in the layout of DVC 3 (and of DVC 1 and 2 for legacy digests).

An object is a read-only file named by its digest; mode 0444 says that it was verified. A directory is an object that
lists its files (see digest.py). Objects are renamed into place whole; nothing is ever written into one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Collection, Iterator, Mapping

from gitstage.digest import Digest, hash_bytes, hash_stream, manifest_bytes, manifest_digest, parse_manifest
from gitstage.errors import CacheMiss, FormatError, GitstageError
from gitstage.fs import FILE_MODE, UMASK, Root, Scratch, clone
from gitstage.memo import Memo, stamp

LINK_TYPES = ("reflink", "hardlink", "symlink", "copy")
PROTECTED = 0o444
_BACKDATE = 50_000_000  # ns: a restored copy's mtime lies this far back, so that any later write shows


class Cache:
    """Objects below `folder` (absolute). `types`: link types to try in order; `shared`: group-writable folders."""

    def __init__(
        self, folder: str, *, types: tuple[str, ...], memo: Memo, scratch: Scratch, shared: bool = False
    ) -> None:
        self.folder, self.memo, self.scratch = folder, memo, scratch
        self._types = list(types)
        self._folder_mode = 0o2775 if shared else 0o777 & ~UMASK
        self._manifests: dict[Digest, dict[str, Digest] | None] = {}
        self._made: set[str] = set()
        self._same_device: bool | None = None

    def path(self, digest: Digest) -> str:
        """Where the object lies, or would."""
        return f"{self.folder}/{digest.key}"

    def has(self, digest: Digest) -> bool:
        """Is this one object there and right? An unprotected one is hashed: protected if right, else put away."""
        path = self.path(digest)
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return stat.S_IMODE(found.st_mode) == PROTECTED or self._reverify(path, found, digest)

    def _reverify(self, path: str, found: os.stat_result, digest: Digest) -> bool:
        if not stat.S_ISREG(found.st_mode):
            return False
        with open(path, "rb") as stream:
            md5, _ = hash_stream(stream, legacy=digest.legacy)
        if md5 == digest.hex:
            with contextlib.suppress(OSError):
                os.chmod(path, PROTECTED)
            return True
        with contextlib.suppress(OSError):
            self.quarantine(digest)
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
        listing = self.manifest(digest)
        if listing is None:
            return [digest]
        return [one for one in dict.fromkeys(listing.values()) if not self.has(one)]

    def manifest(self, digest: Digest) -> dict[str, Digest] | None:
        """The files of a directory, path -> digest; None if the object is missing or is no manifest."""
        if digest not in self._manifests:
            path, listing = self.path(digest), None
            if self.has(digest):
                with contextlib.suppress(FormatError), open(path, "rb") as stream:
                    data = stream.read()
                    if hash_bytes(data, legacy=digest.legacy) == digest.hex:
                        listing = parse_manifest(data, path, legacy=digest.legacy)
            self._manifests[digest] = listing
        return self._manifests[digest]

    def add_manifest(self, listing: Mapping[str, Digest], *, legacy: bool = False) -> Digest:
        """Store the manifest of a directory and return its digest."""
        digest = manifest_digest(listing, legacy=legacy)
        if not self.has(digest):
            temporary = self.temporary()
            with open(temporary, "xb") as stream:
                stream.write(manifest_bytes(listing))
            self.publish(temporary, digest)
        self._manifests[digest] = dict(listing)
        return digest

    def add_file(self, source: str, found: os.stat_result, *, legacy: bool = False) -> Digest:
        """Store the content of the file at absolute `source` (its stat: `found`) and return its digest.

        Reads the file once at most: not at all if the memo knows it and the object is there. With hardlinks or
        symlinks as the link type the file itself becomes the object and `source` is left as a link to it.
        """
        md5 = self.memo.file(source, found, legacy=legacy)
        if md5 is not None:
            digest = Digest(md5, legacy=legacy)
            if self.has(digest):
                return digest
        temporary = self.temporary()
        try:
            read_at = time.time_ns()
            md5 = self._copy_and_hash(source, temporary, legacy=legacy)
            digest = Digest(md5, legacy=legacy)
            if stamp(os.stat(source))[:3] != stamp(found)[:3]:
                raise GitstageError(f"{source}: changed while it was read", "run the command again")
            if self.has(digest):
                os.unlink(temporary)
            else:
                self.publish(temporary, digest)
            self.memo.remember_file(source, os.stat(source), md5, read_at, legacy=legacy)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        return digest

    def _copy_and_hash(self, source: str, target: str, *, legacy: bool) -> str:
        kind = self._types[0] if self._types else "copy"
        if kind == "hardlink" and not os.path.islink(source) and os.path.getsize(source):
            with contextlib.suppress(OSError):
                os.link(source, target)
                with open(target, "rb") as stream:
                    return hash_stream(stream, legacy=legacy)[0]
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target)
        if kind == "reflink" and clone(source, target):
            with open(target, "rb") as stream:
                return hash_stream(stream, legacy=legacy)[0]
        if kind == "reflink":
            self._drop(kind)
        with open(source, "rb") as stream, open(target, "xb", buffering=0) as out:
            return hash_stream(_Tee(stream, out), legacy=legacy)[0]  # type: ignore[arg-type]

    def _drop(self, kind: str) -> None:
        if kind in self._types:
            self._types.remove(kind)

    def temporary(self) -> str:
        """A fresh absolute path, on the cache's file system, for what may become an object; nothing is made there."""
        if self._same_device is None:
            self._make_folder(self.folder)
            self._same_device = os.stat(self.scratch.folder).st_dev == os.stat(self.folder).st_dev
        if self._same_device:
            return self.scratch.new()
        name = os.path.basename(self.scratch.folder) + "-" + os.path.basename(self.scratch.new())
        return os.path.join(self.folder, f".{name}.tmp")

    def publish(self, temporary: str, digest: Digest) -> None:
        """The file `temporary`, whose content the caller has hashed to `digest`, becomes that object."""
        os.chmod(temporary, PROTECTED)
        path = self.path(digest)
        self._make_folder(os.path.dirname(path))
        os.replace(temporary, path)
        self._manifests.pop(digest, None)

    def _make_folder(self, folder: str) -> None:
        if folder in self._made:
            return
        if not os.path.isdir(folder):
            parent = os.path.dirname(folder)
            if parent != folder:
                self._make_folder(parent)
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder)
                os.chmod(folder, self._folder_mode)
        self._made.add(folder)

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
            shutil.copyfile(source, temporary)
        self.publish(temporary, digest)

    def remove(self, digest: Digest) -> None:
        """Delete one object; a missing one is fine."""
        self._manifests.pop(digest, None)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(digest))

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
            for kind in LINK_TYPES:
                target = self.scratch.new()
                with contextlib.suppress(OSError):
                    if self._make_link(kind, source, target):
                        made.append(kind)
                        os.unlink(target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(source)
        return made

    def is_linked(self, absolute: str, digest: Digest) -> bool:
        """Is the file at `absolute`, whose content is `digest`, already of the kind that `restore` would make?"""
        try:
            found = os.lstat(absolute)
            held = os.stat(self.path(digest))
        except OSError:
            return False
        same = (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)
        if self.link_type == "symlink":
            return stat.S_ISLNK(found.st_mode) and os.readlink(absolute) == self.path(digest)
        if self.link_type == "hardlink":
            return same or (held.st_size == 0 and stat.S_ISREG(found.st_mode))
        return stat.S_ISREG(found.st_mode) and not same

    def restore(self, digest: Digest, root: Root, path: str, *, isexec: bool = False, kind: str | None = None) -> None:
        """Put a file's content at `path` below `root` by the first link type that works, replacing what is there.

        `kind` asks for one link type alone. Raises CacheMiss if the object is not there, GitstageError if no
        configured link type works here.
        """
        source = self.path(digest)
        for one in [kind] if kind else list(self._types):
            temporary = self.scratch.new()
            try:
                made = self._make_link(one, source, temporary)
            except FileNotFoundError:
                if os.path.exists(source):
                    raise
                raise CacheMiss(f"{path}: {digest} is not in the cache") from None
            if not made:
                self._drop(one)
                continue
            if isexec and one != "symlink":
                os.chmod(temporary, stat.S_IMODE(os.stat(temporary).st_mode) | stat.S_IXUSR)
            root.put(temporary, path)
            if one != "symlink" and not digest.legacy:
                absolute = root.absolute(path)
                self.memo.remember_file(
                    absolute, os.stat(absolute), digest.hex, time.time_ns() if one == "hardlink" else None
                )
            return
        raise GitstageError(
            f"{path}: no link type of cache.type works between the cache and here",
            "git config -f .dvc/config cache.type copy",
        )

    def _make_link(self, kind: str, source: str, target: str) -> bool:
        if kind == "symlink":
            os.stat(source)
            os.symlink(source, target)
        elif kind == "hardlink":
            if os.stat(source).st_size == 0:  # an empty file shares nothing, and DVC does not link it
                return self._make_link("copy", source, target)
            try:
                os.link(source, target)
            except FileNotFoundError:
                raise
            except OSError:
                return False
        else:
            if kind == "reflink":
                if not clone(source, target):
                    return False
            else:
                shutil.copyfile(source, target)
            os.chmod(target, FILE_MODE)
            then = time.time_ns() - _BACKDATE
            os.utime(target, ns=(then, then))
        return True


class _Tee:
    """A stream that writes what is read from it to a second one."""

    def __init__(self, stream: object, out: object) -> None:
        self._read, self._write = stream.read, out.write  # type: ignore[attr-defined]

    def read(self, size: int) -> bytes:
        block: bytes = self._read(size)
        view = memoryview(block)
        while view:
            view = view[self._write(view) :]
        return block


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _move(source: str, target: str) -> None:
    try:
        os.replace(source, target)
    except OSError:
        shutil.move(source, target)

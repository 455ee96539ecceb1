"""What is recorded of one tracked path."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from gitstage.digest import Digest, manifest_digest
from gitstage.errors import CacheMiss, GitstageError
from gitstage.pipeline import is_inside, join
from gitstage.project import Project
from gitstage.static import Any


@dataclass(frozen=True, slots=True)
class Inspected:
    """`size` in bytes; `cache`: absolute path of the object; `files` of a directory: path -> (digest, size or None)."""

    path: str
    digest: Digest
    size: int | None
    cache: str
    in_cache: bool
    files: Mapping[str, tuple[Digest, int | None]] | None

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"path": self.path, "md5": str(self.digest), "size": self.size}
        if self.files is not None:
            found["nfiles"] = len(self.files)
        found |= {"cache": self.cache, "in_cache": self.in_cache}
        if self.files is not None:
            found["files"] = [{"path": n, "md5": str(d), "size": size} for n, (d, size) in self.files.items()]
        return found


def inspect(project: Project, word: str) -> Inspected:
    """Look up an output, or a path inside a directory output, as typed. Raises GitstageError if it is not tracked,
    or nothing was recorded of it, and CacheMiss if a part is asked for whose manifest is missing."""
    path = join(project.cwd, word.rstrip("/") or word)
    owner = project.pipeline.owner(path)
    if owner is None:
        raise GitstageError(f"{word}: is not tracked", f"git stage add {word}")
    stage, out = owner
    digest = stage.recorded(out)
    if digest is None or stage.record is None:
        raise GitstageError(f"{word}: nothing is recorded of it yet", f"git stage repro {stage.label(project.cwd)}")
    raw = stage.record.outs[out.spelled].raw
    cache = project.cache
    listing = cache.manifest(digest) if digest.is_dir else None
    if path != out.path:
        if listing is None:
            raise CacheMiss(f"{out.path}: its manifest {digest} is not in the cache")
        inside = posixpath.relpath(path, out.path)
        if inside in listing:
            return _file(project, word, listing[inside], None)
        listing = {posixpath.relpath(n, inside): d for n, d in listing.items() if is_inside(n, inside)}
        if not listing:
            raise GitstageError(f"{word}: is not in the tracked directory {out.path}")
        digest = manifest_digest(listing, legacy=digest.legacy)
    elif not digest.is_dir:
        return _file(project, word, digest, raw.get("size"))
    files = {name: (one, _size(cache.path(one))) for name, one in (listing or {}).items()}
    sizes = [size for _, size in files.values()]
    total = sum(s for s in sizes if s is not None) if path != out.path and None not in sizes else raw.get("size")
    return Inspected(word, digest, total, cache.path(digest), cache.has(digest), files if listing is not None else None)


def _file(project: Project, word: str, digest: Digest, size: int | None) -> Inspected:
    path = project.cache.path(digest)
    return Inspected(word, digest, _size(path) if size is None else size, path, project.cache.has(digest), None)


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None

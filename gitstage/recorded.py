"""What the lock says the outputs are, as a tree; and one tree's files with another's outputs laid over them."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping

from gitstage.cache import Cache
from gitstage.digest import Digest, manifest_digest
from gitstage.pipeline import Pipeline
from gitstage.tree import Tree


class Recorded:
    """The outputs of `pipeline` as recorded; the files of directory outputs are read from manifests in `cache`."""

    label = "the lock"

    def __init__(self, pipeline: Pipeline, cache: Cache) -> None:
        self._pipeline, self._cache = pipeline, cache

    def read(self, path: str) -> bytes | None:
        digest = self._digest(path)
        if digest is None or digest.is_dir or not self._cache.has(digest):
            return None
        with open(self._cache.path(digest), "rb") as stream:
            return stream.read()

    def pipeline_files(self) -> list[str]:
        return []

    def listing(self, path: str, *, legacy: bool = False) -> dict[str, Digest] | None:
        """Files of a directory output, of a directory inside one, or of all outputs below `path`."""
        digest = self._digest(path)
        if digest is not None:
            found = self._cache.manifest(digest) if digest.is_dir else None
        else:
            found = self._below(path) or None
        if found is None or any(one.legacy != legacy for one in found.values()):
            return None
        return dict(found)

    def digests(self, paths: Collection[str], *, legacy: bool = False) -> Mapping[str, Digest]:
        found = {}
        for path in paths:
            digest = self._digest(path)
            if digest is not None and digest.legacy == legacy:
                found[path] = digest
        return found

    def covers(self, path: str) -> bool:
        """Is `path` an output kept in the cache, or inside one?"""
        owned = self._pipeline.owner(path)
        return owned is not None and owned[1].cache

    def writes_below(self, path: str) -> bool:
        """Does folder `path` contain an output that is kept in the cache?"""
        return any(out.cache for _, out in self._pipeline.outputs_below(path))

    def _digest(self, path: str) -> Digest | None:
        owned = self._pipeline.owner(path)
        if owned is None:
            return None
        stage, out = owned
        digest = stage.recorded(out)
        if digest is None or path == out.path:
            return digest
        listing = self._cache.manifest(digest) if digest.is_dir else None
        if listing is None:
            return None
        inside = posixpath.relpath(path, out.path)
        if inside in listing:
            return listing[inside]
        below = _shortened(listing, inside)
        return manifest_digest(below, legacy=digest.legacy) if below else None

    def _below(self, path: str) -> dict[str, Digest]:
        found: dict[str, Digest] = {}
        for stage, out in self._pipeline.outputs_below(path):
            digest = stage.recorded(out) if out.cache else None
            if digest is None:
                continue
            inside = posixpath.relpath(out.path, path or ".")
            if digest.is_dir:
                listing = self._cache.manifest(digest) or {}
                found.update({f"{inside}/{name}": one for name, one in listing.items()})
            else:
                found[inside] = digest
        return found


def _shortened(listing: Mapping[str, Digest], folder: str) -> dict[str, Digest]:
    prefix = folder + "/"
    return {name[len(prefix) :]: one for name, one in listing.items() if name.startswith(prefix)}


class Overlay:
    """The files of `base`, but what the pipeline keeps in the cache from `recorded`, and `rest` for what neither has.

    `rest` answers for inputs that are in no commit by intention: outside the repository, or ignored by Git.
    """

    def __init__(self, base: Tree, recorded: Recorded, rest: Tree | None = None) -> None:
        self._base, self._recorded, self._rest = base, recorded, rest
        self.label = base.label

    def read(self, path: str) -> bytes | None:
        if self._recorded.covers(path):
            return self._recorded.read(path)
        data = self._base.read(path)
        return self._rest.read(path) if data is None and self._rest is not None else data

    def pipeline_files(self) -> list[str]:
        return self._base.pipeline_files()

    def listing(self, path: str, *, legacy: bool = False) -> Mapping[str, Digest] | None:
        if self._recorded.covers(path):
            return self._recorded.listing(path, legacy=legacy)
        base = self._base.listing(path, legacy=legacy)
        above = self._recorded.listing(path, legacy=legacy)
        if base is None and above is None:
            return self._rest.listing(path, legacy=legacy) if self._rest is not None else None
        return {**(base or {}), **(above or {})}

    def digests(self, paths: Collection[str], *, legacy: bool = False) -> Mapping[str, Digest]:
        covered = [path for path in paths if self._recorded.covers(path)]
        found = dict(self._recorded.digests(covered, legacy=legacy))
        mixed = [path for path in paths if path not in covered and self._recorded.writes_below(path)]
        for path in mixed:
            listing = self.listing(path, legacy=legacy)
            if listing is not None:
                found[path] = manifest_digest(listing, legacy=legacy)
        skip = {*covered, *mixed}
        plain = [path for path in paths if path not in skip]
        found.update(self._base.digests(plain, legacy=legacy))
        missing = [path for path in plain if path not in found]
        if missing and self._rest is not None:
            found.update(self._rest.digests(missing, legacy=legacy))
        return found

"""*.dvc files by output; directories file by file, from their three manifests."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

from gitstage.cache import Cache
from gitstage.digest import Digest, manifest_bytes, parse_manifest
from gitstage.errors import FormatError
from gitstage.formats.edit import dump_dvc
from gitstage.formats.schema import parse_dvc
from gitstage.merge import markers
from gitstage.merge.outcome import Merged, Note, Options
from gitstage.merge.values import ABSENT, ConflictError, keys_of, one_side
from gitstage.static import Any

_CONTENT = ("md5", "etag", "checksum", "size", "nfiles", "isexec", "version_id", "cloud", "files", "hash")
"""Keys that together say what an output holds."""

_IMPORT = ("deps", "md5", "outs")
"""Of an import: where it comes from, what came, and the checksum over both; they come from one side."""


class _ClashError(Exception):
    """An output that does not merge; the message says why, `hint` what helps."""

    def __init__(self, why: str, hint: str | None = None) -> None:
        super().__init__(why)
        self.hint = hint


def merge(path: str, base: bytes | None, ours: bytes, theirs: bytes, options: Options) -> Merged:
    """Merge three versions of the *.dvc file at `path`. Raises FormatError if one is no such file."""
    old = parse_dvc(base, path) if base else {}
    mine, yours = parse_dvc(ours, path), parse_dvc(theirs, path)
    found: dict[str, Any] = {}
    other: dict[str, Any] = {}
    notes: list[Note] = []
    is_import = any("deps" in version for version in (mine, yours))
    for key in keys_of(mine, yours):
        parts = _IMPORT if is_import and key in _IMPORT else (key,)
        try:
            kept = one_side(*({part: one[part] for part in parts if part in one} for one in (old, mine, yours)))
            found[key] = other[key] = kept.get(key, ABSENT)
        except ConflictError:
            if key == "outs" and not is_import:
                outs = [version.get(key) or [] for version in (old, mine, yours)]
                found[key], other[key], clashes = _outs(path, outs, options)
                notes += clashes
                continue
            found[key], other[key] = mine.get(key, ABSENT), yours.get(key, ABSENT)
            notes.append(Note(f"{path}: both sides changed its {'import' if is_import else key}", _choose(path)))
    notes = list(dict.fromkeys(notes))
    if options.side is not None:
        notes = []
        found = other if options.side == "theirs" else found
    found, other = ({k: v for k, v in one.items() if v is not ABSENT} for one in (found, other))
    data = dump_dvc(found, ours, path)
    if notes:
        data = markers.around(data, dump_dvc(other, ours, path), path, [()], options.marker_size)
    return Merged(data, tuple(notes))


def _outs(path: str, versions: Sequence[list[Any]], options: Options) -> tuple[list[Any], list[Any], list[Note]]:
    """The outputs by their paths: with our version of what does not merge, with theirs, and why it does not."""
    old, mine, yours = ({str(out["path"]): out for out in outs} for outs in versions)
    found: list[Any] = []
    other: list[Any] = []
    notes = []
    for name in keys_of(mine, yours):
        base, *pair = (version.get(name, ABSENT) for version in (old, mine, yours))
        try:
            pair = [_out(options, base, *pair)] * 2
        except _ClashError as error:
            notes.append(Note(f"{path}: {name}: {error}", error.hint or _choose(path)))
        for outs, out in zip((found, other), pair, strict=True):
            if out is not ABSENT:
                outs.append(out)
    return found, other, notes


def _out(options: Options, base: Any, ours: Any, theirs: Any) -> Any:
    try:
        return one_side(base, ours, theirs)
    except ConflictError:
        pass
    if ours is ABSENT or theirs is ABSENT:
        raise _ClashError("was removed on one side and changed on the other")
    before = {} if base is ABSENT else base
    merged: dict[str, Any] = {}
    for key in keys_of(ours, theirs):
        if key not in _CONTENT:
            try:
                merged[key] = one_side(*(version.get(key, ABSENT) for version in (before, ours, theirs)))
            except ConflictError:
                raise _ClashError(f"both sides changed its {key}") from None
    contents = [{key: version[key] for key in _CONTENT if key in version} for version in (before, ours, theirs)]
    try:
        content = one_side(*contents)
    except ConflictError:
        content = _content(options, *contents)
    ordered = {key: (merged | content).get(key, ABSENT) for key in keys_of(ours, content, merged)}
    return {key: value for key, value in ordered.items() if value is not ABSENT}


def _content(options: Options, base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Any:
    mine, yours = _digest(ours), _digest(theirs)
    if mine is not None and mine == yours:
        return ours
    if mine is None or yours is None or not (mine.is_dir and yours.is_dir):
        raise _ClashError("both sides changed it")
    old = _digest(base)
    if old is not None and not old.is_dir:
        old = None
    if len({digest.legacy for digest in (old, mine, yours) if digest is not None}) > 1:
        raise _ClashError("both sides changed it, with different kinds of hashes")
    cache = options.cache()
    if cache is None:
        raise _ClashError("both sides changed it, and there is no cache that has their lists of files")
    listings = [{} if digest is None else cache.manifest(digest) for digest in (old, mine, yours)]
    lacking = [d for d, listing in zip((old, mine, yours), listings, strict=True) if listing is None]
    if lacking:
        raise _ClashError(
            f"both sides changed it, and {lacking[0]} is not in the cache", "git stage fetch, then git stage resolve"
        )
    listing = _listing(*(one or {} for one in listings))
    try:
        parse_manifest(manifest_bytes(listing), "", legacy=mine.legacy)
    except FormatError:
        raise _ClashError("one side made a file where the other made a folder") from None
    digest = cache.add_manifest(listing, legacy=mine.legacy)
    size = _size(cache, listing)
    return (
        {key: value for key, value in ours.items() if key not in ("md5", "size", "nfiles")}
        | {"md5": str(digest), "nfiles": len(listing)}
        | ({} if size is None else {"size": size})
    )


def _digest(content: Mapping[str, Any]) -> Digest | None:
    try:
        return Digest.parse(str(content.get("md5")), legacy=content.get("hash") != "md5")
    except ValueError:
        return None


def _listing(base: Mapping[str, Digest], ours: Mapping[str, Digest], theirs: Mapping[str, Digest]) -> dict[str, Digest]:
    found: dict[str, Digest] = {}
    clashes = []
    for name in keys_of(ours, theirs):
        old, mine, yours = (one.get(name) for one in (base, ours, theirs))
        kept = yours if mine == old else mine
        if mine != old and yours not in (old, mine):
            clashes.append(name)
        elif kept is not None:
            found[name] = kept
    if clashes:
        more = f" and {len(clashes) - 3} more" if len(clashes) > 3 else ""
        raise _ClashError(f"both sides changed {', '.join(sorted(clashes)[:3])}{more}")
    return found


def _size(cache: Cache, listing: Mapping[str, Digest]) -> int | None:
    """Bytes of all files; None if one of them is not in the cache."""
    try:
        return sum(os.stat(cache.path(digest)).st_size for digest in listing.values())
    except OSError:
        return None


def _choose(path: str) -> str:
    return f"git stage resolve --ours {shlex.quote(path)}, or --theirs"

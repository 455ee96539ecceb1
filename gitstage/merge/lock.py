"""dvc.lock by stage.

A stage's entry says that one command ran on these inputs and gave these outputs. So entries are taken whole, from the side
that ran on what the merge makes the inputs; where neither did, no entry is written that says so.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping, Sequence

from gitstage.formats.edit import same, update_lock
from gitstage.formats.schema import parse_lock
from gitstage.merge import markers
from gitstage.merge.outcome import Cannot, Merged, Note, Options
from gitstage.merge.values import ABSENT, ConflictError, flat, keys_of, one_side
from gitstage.static import Any

_Entry = Mapping[str, Any]

_BESIDE = frozenset({"path", "size", "nfiles", "isexec"})
"""Keys of a recorded file that do not decide whether it is the same."""

_NOTHING_RECORDED = b"schema: '2.0'\n"


class _StaleError(Exception):
    """No side ran the stage on what the merge makes its inputs; the message says why."""


def merge(path: str, base: bytes | None, ours: bytes, theirs: bytes, options: Options) -> Merged:
    """Merge three versions of the lock at `path`. Raises FormatError if one is no lock, Cannot if its other keys clash."""
    old = parse_lock(base, path) if base else {"stages": {}}
    mine, yours = parse_lock(ours, path), parse_lock(theirs, path)
    try:
        kept = one_side(*(version.get("datasets", ABSENT) for version in (old, mine, yours)))
    except ConflictError:
        raise Cannot(f"{path}: both sides changed its datasets") from None
    if not same(kept, mine.get("datasets", ABSENT)):
        raise Cannot(f"{path}: its datasets changed")
    changes: dict[str, Any] = {}
    clashes: list[str] = []
    stale: dict[str, list[str]] = {}
    for name in keys_of(mine["stages"], yours["stages"]):
        versions = [version["stages"].get(name) for version in (old, mine, yours)]
        ours_or_theirs = versions[2] if options.side == "theirs" else versions[1]
        try:
            entry = _merged(*versions)
        except ConflictError:
            entry = ours_or_theirs
            clashes.append(name)
        except _StaleError as reason:
            entry = ours_or_theirs if options.side is not None or options.stale() == "conflict" else None
            stale.setdefault(str(reason), []).append(name)
        if not same(entry, versions[1]):
            changes[name] = entry
    data = update_lock(ours, path, changes) if changes else ours
    if data is None:
        data = _NOTHING_RECORDED
    if options.side is not None:
        return Merged(data)
    is_dropped = not stale or options.stale() == "drop"
    notes = [_stale(path, names, reason, dropped=is_dropped) for reason, names in stale.items()]
    notes += [_clash(path, name) for name in clashes]
    left = clashes if is_dropped else [*clashes, *(name for names in stale.values() for name in names)]
    if left:
        data = markers.around(data, theirs, path, [("stages", name) for name in left], options.marker_size)
    return Merged(data, tuple(notes))


def _merged(base: _Entry | None, ours: _Entry | None, theirs: _Entry | None) -> _Entry | None:
    """The entry of one stage. Raises _StaleError, or ConflictError if both sides' results are right."""
    try:
        found: _Entry | None = one_side(base, ours, theirs)
        return found
    except ConflictError:
        pass
    if ours is None or theirs is None:
        raise _StaleError("removed on one side and run anew on the other")
    before, mine, yours = _inputs(base), _inputs(ours), _inputs(theirs)
    if same(mine, yours):
        outs = one_side(_outs(base), _outs(ours), _outs(theirs))
        return ours if same(outs, _outs(ours)) else theirs
    try:
        inputs = flat(before, mine, yours)
    except ConflictError:
        raise _StaleError("inputs changed on both sides") from None
    for entry, its in ((ours, mine), (theirs, yours)):
        if same(inputs, its):
            return entry
    raise _StaleError("inputs changed on both sides")


def _inputs(entry: _Entry | None) -> dict[tuple[str, ...], Any]:
    """What a stage ran on: its command, each dependency's content and each parameter's value."""
    if entry is None:
        return {}
    params = entry.get("params") or {}
    return (
        {("cmd",): entry.get("cmd")}
        | {("dep", path): content for path, content in _contents(entry.get("deps")).items()}
        | {
            ("param", str(file), str(key)): value
            for file, values in params.items()
            for key, value in (values or {}).items()
        }
    )


def _outs(entry: _Entry | None) -> dict[str, Any]:
    return {} if entry is None else _contents(entry.get("outs"))


def _contents(files: Any) -> dict[str, Any]:
    return {str(one["path"]): {k: v for k, v in one.items() if k not in _BESIDE} for one in files or ()}


def _label(path: str, name: str) -> str:
    folder = posixpath.dirname(path)
    return name if not folder else f"{folder}/dvc.yaml:{name}"


def _stale(path: str, names: Sequence[str], reason: str, *, dropped: bool) -> Note:
    """`reason` reads on from the names of the stages."""
    some = ", ".join(f"'{name}'" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    text = f"{path}: stage{'s' if len(names) > 1 else ''} {some}: {reason}, so no run made what the merged inputs give"
    targets = " ".join(shlex.quote(_label(path, name)) for name in names[:3]) if len(names) <= 3 else ""
    repro = f"git stage repro {targets}".rstrip()
    file = shlex.quote(path)
    return Note(text, f"{repro} && git add {file}" if dropped else f"git stage resolve {file} && {repro}", not dropped)


def _clash(path: str, name: str) -> Note:
    return Note(
        f"{path}: stage '{name}' ran on the same inputs on both sides, with different results",
        f"git stage resolve --ours {shlex.quote(path)}, or --theirs",
    )

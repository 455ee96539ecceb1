"""dvc.yaml: by lines where that gives the right stages, so that all comments and formatting stay; else by stage and key."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from gitstage.errors import FormatError
from gitstage.formats.edit import rewrite_pipeline, same
from gitstage.formats.schema import parse_pipeline
from gitstage.git.textmerge import merge_texts
from gitstage.merge import markers
from gitstage.merge.outcome import Merged, Note, Options
from gitstage.merge.values import ABSENT, ConflictError, keys_of, one_side
from gitstage.static import Any

_SETS = frozenset({"deps", "params", "outs", "metrics", "plots", "vars"})
"""Keys, of a stage and of the file, whose lists are merged item by item."""

_Keys = tuple[str, ...]


def merge(path: str, base: bytes | None, ours: bytes, theirs: bytes, options: Options) -> Merged:
    """Merge three versions of the dvc.yaml at `path`. Raises FormatError if one is no such file, or the merged stages
    are none."""
    old, mine, yours = (parse_pipeline(version, path) if version else {} for version in (base, ours, theirs))
    clashes: list[_Keys] = []
    wanted = _maps(old, mine, yours, (), clashes, options)
    by_lines, is_clean = merge_texts(base or b"", ours, theirs)
    if is_clean and _says(by_lines, path, wanted, clashes):
        return Merged(by_lines)
    data = rewrite_pipeline(ours, path, wanted, theirs)
    if not clashes or options.side is not None:
        return Merged(data)
    data = markers.around(data, theirs, path, clashes, options.marker_size)
    named = [f"stage '{keys[1]}'" if len(keys) > 1 else keys[0] for keys in clashes]
    hint = f"edit {shlex.quote(path)}, then git add {shlex.quote(path)}"
    return Merged(data, tuple(Note(f"{path}: both sides changed {name}", hint) for name in named))


def _says(text: bytes, path: str, wanted: Mapping[str, Any], clashes: Sequence[_Keys]) -> bool:
    """Does a merge by lines hold what is wanted? What clashes by value may be right by lines, in a long command say."""
    try:
        found = parse_pipeline(text, path)
    except FormatError:
        return False
    return same(_ordered(_without(found, clashes)), _ordered(_without(wanted, clashes)))


def _without(document: Mapping[str, Any], entries: Sequence[_Keys]) -> dict[str, Any]:
    left = {key: value for key, value in document.items() if (key,) not in entries}
    if "stages" in left:
        left["stages"] = {name: stage for name, stage in left["stages"].items() if ("stages", name) not in entries}
    return left


def _ordered(value: Any, key: str = "") -> Any:
    """`value` with lists whose order means nothing in one order."""
    if isinstance(value, dict):
        return {name: _ordered(inner, name) for name, inner in value.items()}
    if isinstance(value, list) and key in _SETS and key != "vars":
        return sorted((_ordered(item, key) for item in value), key=repr)
    return value


def _maps(
    old: Mapping[str, Any],
    mine: Mapping[str, Any],
    yours: Mapping[str, Any],
    at: _Keys,
    clashes: list[_Keys],
    options: Options,
) -> dict[str, Any]:
    """The file (`at` is empty) or its stages, entry by entry; of what clashes our version, or the side's that is asked for."""
    found = {}
    for key in keys_of(mine, yours):
        versions = [version.get(key, ABSENT) for version in (old, mine, yours)]
        try:
            value = _value(key, *versions)
        except ConflictError:
            stages = [{} if version is ABSENT else version for version in versions]
            if (*at, key) == ("stages",) and all(isinstance(version, dict) for version in stages):
                value = _maps(stages[0], stages[1], stages[2], (key,), clashes, options)
                if not value and any(version is ABSENT for version in versions[1:]):
                    continue
            else:
                clashes.append((*at, key))
                value = versions[2] if options.side == "theirs" else versions[1]
        if value is not ABSENT:
            found[key] = value
    return found


def _value(key: str, old: Any, mine: Any, yours: Any) -> Any:
    """One value; maps and lists that are sets by their parts. Raises ConflictError."""
    try:
        return one_side(old, mine, yours)
    except ConflictError:
        if key != "stages" and all(isinstance(version, dict) for version in (old, mine, yours)):
            return _by_key(old, mine, yours)
        if key in _SETS and all(isinstance(version, list) for version in (mine, yours)):
            return _by_item([] if old is ABSENT else old, mine, yours, key)
        raise


def _by_key(old: Mapping[Any, Any], mine: Mapping[Any, Any], yours: Mapping[Any, Any]) -> dict[Any, Any]:
    merged = {
        key: _value(key, *(version.get(key, ABSENT) for version in (old, mine, yours))) for key in keys_of(mine, yours)
    }
    return {key: value for key, value in merged.items() if value is not ABSENT}


def _by_item(old: Any, mine: list[Any], yours: list[Any], key: str) -> list[Any]:
    """A list whose items are names, or maps of one name: in our order, what they added behind. Raises ConflictError."""
    versions = [_named(items if isinstance(items, list) else []) for items in (old, mine, yours)]
    found = []
    for name in keys_of(*versions[1:]):
        before, ours, theirs = (version.get(name, ABSENT) for version in versions)
        if isinstance(ours, dict) and isinstance(theirs, dict) and key == "params":
            inner = ours[name], theirs[name]
            was = before[name] if isinstance(before, dict) else []
            item: Any = {name: _value(key, was, *inner)}
        else:
            item = one_side(before, ours, theirs)
        if item is not ABSENT:
            found.append(item)
    return found


def _named(items: list[Any]) -> dict[Any, Any]:
    """Items by the name that each is, or is the only key of. Raises ConflictError for other items, or a name twice."""
    found: dict[Any, Any] = {}
    for item in items:
        name = next(iter(item)) if isinstance(item, dict) and len(item) == 1 else item
        if isinstance(name, (dict, list)) or name in found:
            raise ConflictError
        found[name] = item
    return found

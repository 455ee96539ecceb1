"""What may stand in dvc.yaml, dvc.lock and *.dvc files: DVC 3's schemas, checked on the text as written, before
templating.

Beyond DVC's own schemas some texts are refused that DVC accepts and then trips over or silently misreads: an empty
command, a stage name with "@", an output item of two paths, a parameter list that is no list of names, an entry
without a path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gitstage.errors import FormatError
from gitstage.formats.read import decode, line_of, load
from gitstage.static import Any

Check = Callable[[Any], None]


class _MismatchError(Exception):
    """Something is not what was expected; `keys` lead to it, innermost first."""

    def __init__(self, message: str, *keys: Any) -> None:
        super().__init__(message)
        self.message, self.keys = message, list(keys)


def _found(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _expect(wanted: str, value: Any) -> _MismatchError:
    return _MismatchError(f"expected {wanted}, found {_found(value)}")


def _any(value: Any) -> None:
    """Accepts everything."""


def _text(value: Any) -> None:
    if type(value) is not str:
        raise _expect("a string", value)
    if "\0" in value:  # no path, command or address has one
        raise _MismatchError("a NUL byte")


def _bool(value: Any) -> None:
    if type(value) is not bool:
        raise _expect("true or false", value)


def _count(value: Any) -> None:
    if type(value) is not int:
        raise _expect("a whole number", value)


def _hash_value(value: Any) -> None:
    if value is not None and value != "" and (type(value) is not str or len(value) < 3):
        raise _expect("a hash value", value)


def _some_map(value: Any) -> None:
    if type(value) is not dict:
        raise _expect("a map", value)


def _list_of(check: Check) -> Check:
    def inner(value: Any) -> None:
        if type(value) is not list:
            raise _expect("a list", value)
        for i, item in enumerate(value):
            try:
                check(item)
            except _MismatchError as error:
                error.keys.append(i)
                raise

    return inner


def _map_of(check: Check, key_check: Check = _text) -> Check:
    def inner(value: Any) -> None:
        if type(value) is not dict:
            raise _expect("a map", value)
        for key, item in value.items():
            try:
                key_check(key)
                check(item)
            except _MismatchError as error:
                error.keys.append(key)
                raise

    return inner


def _record(checks: Mapping[str, Check], required: tuple[str, ...] = ()) -> Check:
    """A map with known keys only."""

    def inner(value: Any) -> None:
        if type(value) is not dict:
            raise _expect("a map", value)
        for key, item in value.items():
            check = checks.get(key) if type(key) is str else None
            if check is None:
                raise _MismatchError(_unknown(key, checks), key)
            try:
                check(item)
            except _MismatchError as error:
                error.keys.append(key)
                raise
        for key in required:
            if key not in value:
                raise _MismatchError(f"the key {key!r} is missing")

    return inner


def _unknown(key: Any, known: Mapping[str, Check]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(str(key), known, 1)
    return "no such key is allowed here; " + (
        f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"
    )


def _either(wanted: str, **by_type: Check) -> Check:
    """Checks by the type of the value: `text`, `list` and `map` name what is accepted."""

    def inner(value: Any) -> None:
        kind = "text" if type(value) is str else "list" if type(value) is list else "map" if type(value) is dict else ""
        if kind not in by_type:
            raise _expect(wanted, value)
        by_type[kind](value)

    return inner


def _one_path(flags: Mapping[str, Check]) -> Check:
    record = _record(flags)

    def inner(value: Any) -> None:
        if len(value) != 1:
            raise _MismatchError(f"expected a map of exactly one path, found {len(value)} keys")
        _map_of(record)(value)

    return _either("a path or a map of one path", text=_text, map=inner)


# dvc.yaml

_ANNOTATIONS: dict[str, Check] = {"desc": _text, "type": _text, "labels": _list_of(_text), "meta": _any}
_OUT_FLAGS: dict[str, Check] = {
    "cache": _bool,
    "persist": _bool,
    "checkpoint": _bool,
    "remote": _text,
    "push": _bool,
    **_ANNOTATIONS,
}
_AXES: dict[str, Check] = dict.fromkeys(("x_label", "y_label", "title", "template"), _text)
_PLOT_FLAGS: dict[str, Check] = {**_OUT_FLAGS, "x": _text, "y": _text, **_AXES, "header": _bool}


def _command(value: Any) -> None:
    _either("a command or a list of commands", text=_text, list=_list_of(_text))(value)
    if not value:
        raise _MismatchError("the command is empty")


def _param_names(value: Any) -> None:
    if value is not None:
        _list_of(_text)(value)


def _foreach(value: Any) -> None:
    _either("a list, a map or an expression", text=_text, list=_any, map=_any)(value)
    if isinstance(value, str) and "${" not in value:
        raise _expect("a list, a map or an expression", value)


_VARS_ITEM = _either("a file or a map", text=_text, map=_any)
_PARAMS_ITEM = _either("a key or a map of files", text=_text, map=_map_of(_param_names))
_STAGE_KEYS: dict[str, Check] = {
    "cmd": _command,
    "wdir": _text,
    "deps": _list_of(_text),
    "params": _list_of(_PARAMS_ITEM),
    "outs": _list_of(_one_path(_OUT_FLAGS)),
    "metrics": _list_of(_one_path(_OUT_FLAGS)),
    "plots": _list_of(_one_path(_PLOT_FLAGS)),
    "vars": _list_of(_VARS_ITEM),
    "frozen": _bool,
    "always_changed": _bool,
    "desc": _text,
    "meta": _any,
    "matrix": _map_of(_either("a list or an expression", text=_text, list=_any)),
}
_PLAIN_STAGE = _record(_STAGE_KEYS, ("cmd",))
_GROUP = _record({"foreach": _foreach, "do": _PLAIN_STAGE}, ("foreach", "do"))


def _stage(value: Any) -> None:
    if type(value) is dict and ("foreach" in value or "do" in value):
        _GROUP(value)
    else:
        _PLAIN_STAGE(value)


def _stage_name(value: Any) -> None:
    if type(value) is not str:
        raise _expect("a stage name (quote it if it is one)", value)
    _text(value)
    if "@" in value:
        raise _MismatchError("a stage name may not contain '@', which stands for a stage of a foreach or matrix group")


_FIELDS = _either("a field or a map of files to fields", text=_text, map=_map_of(_text))
_FIELD_LIST = _either("a field or a list of fields", text=_text, list=_list_of(_text))
_MANY_FIELDS = _either(
    "a field, a list of fields or a map of files to fields", text=_text, list=_list_of(_text), map=_map_of(_FIELD_LIST)
)
_PLOT = _record({"x": _FIELDS, "y": _MANY_FIELDS, **_AXES})


def _plot_definition(value: Any) -> None:
    if value is not None:
        _PLOT(value)


def _plot_map(value: Any) -> None:
    if not value:
        raise _expect("a map of plots", value)
    _map_of(_plot_definition)(value)


_PIPELINE = _record(
    {
        "stages": _map_of(_stage, _stage_name),
        "vars": _list_of(_VARS_ITEM),
        "params": _list_of(_text),
        "metrics": _list_of(_text),
        "plots": _list_of(_either("a path or a map of plots", text=_text, map=_plot_map)),
        "artifacts": _map_of(_record({"path": _text, **_ANNOTATIONS}, ("path",))),
        "datasets": _any,
    }
)

# dvc.lock and *.dvc

_HASHES: dict[str, Check] = dict.fromkeys(("md5", "etag", "checksum"), _hash_value)
_ABOUT: dict[str, Check] = {"size": _count, "nfiles": _count, "isexec": _bool, "version_id": _text}
_CLOUD = _map_of(_record({**_HASHES, **_ABOUT, "remote": _text, "hash": _text}))
_FILES = _list_of(_record({"relpath": _text, **_HASHES, **_ABOUT, "cloud": _CLOUD}, ("relpath",)))
_ENTRY: dict[str, Check] = {**_HASHES, **_ABOUT, "hash": _text, "cloud": _CLOUD, "files": _FILES, "path": _text}
_LOCK_ENTRIES = _list_of(_record(_ENTRY, ("path",)))
_LOCK_STAGE = _record(
    {
        "cmd": _either("a command or a list of commands", text=_text, list=_any),
        "deps": _LOCK_ENTRIES,
        "params": _map_of(_map_of(_any)),
        "outs": _LOCK_ENTRIES,
    },
    ("cmd",),
)
_LOCK_STAGES = _map_of(_LOCK_STAGE)


def _version(value: Any) -> None:
    if value != "2.0":
        raise _expect("'2.0'", value)


_LOCK = _record({"schema": _version, "stages": _LOCK_STAGES, "datasets": _any}, ("schema",))
_OUT: dict[str, Check] = {
    **_ENTRY,
    **_ANNOTATIONS,
    "cache": _bool,
    "persist": _bool,
    "remote": _text,
    "push": _bool,
    "fs_config": _some_map,
    "metric": _any,  # this and `plot`: of DVC 0.x and 1, which DVC 3 refuses
    "plot": _any,
    "tags": _any,
}
_REPO = _record(
    {
        "url": _text,
        "rev": _text,
        "rev_lock": _text,
        "config": _either("a file or a map", text=_text, map=_any),
        "remote": _either("a name or a map", text=_text, map=_any),
    },
    ("url",),
)
_DEP: dict[str, Check] = {
    **_ENTRY,
    "persist": _bool,
    "fs_config": _some_map,
    "repo": _REPO,
    "db": _some_map,
    "params": _some_map,
}


def _or_nothing(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


_DVC_FILE = _record(
    {
        "cmd": _or_nothing(_command),  # a stage of DVC 0.x or 1 in a file of its own, which DVC 3 refuses
        "desc": _text,
        "md5": _hash_value,
        "wdir": _or_nothing(_text),
        "frozen": _bool,
        "locked": _bool,
        "deps": _or_nothing(_list_of(_record(_DEP, ("path",)))),
        "outs": _or_nothing(_list_of(_record(_OUT, ("path",)))),
        "always_changed": _bool,
        "meta": _any,
    }
)


def parse_pipeline(data: bytes, path: str) -> dict[str, Any]:
    """Read a dvc.yaml: its top-level map as written, templates unresolved; {} for an empty file.

    Raises FormatError, with the line and the key as in `stages.train.outs[0]`, for anything that DVC 3's schema
    refuses, an empty command, and a stage name with "@". Source: DVC 3's pipeline schema, as observed.
    """
    found = load(data, path)
    if found is None:
        return {}
    _check(_PIPELINE, found, data, path)
    assert isinstance(found, dict)
    return found


def parse_lock(data: bytes, path: str) -> dict[str, Any]:
    """Read a dvc.lock into {"schema": "2.0", "stages": {name: {"cmd", "deps", "params", "outs"}}} and "datasets" if
    there.

    "stages" is always there, its entries are as written: `params` maps files to maps, `deps` and `outs` list maps
    with a `path`. The layout of DVC 1 (stages at top level) comes back in the same shape. Raises FormatError for
    anything else, as DVC 3 does for unknown keys at any level and for an empty file. Source: DVC 3's lock schema,
    as observed; DVC 1's as published.
    """
    found = load(data, path)
    if found is None:
        raise FormatError(path, "expected schema: '2.0', found an empty file")
    if _is_first_layout(found):
        _check(_LOCK_STAGES, found, data, path)
        return {"schema": "2.0", "stages": found}
    _check(_LOCK, found, data, path)
    assert isinstance(found, dict)
    if "stages" not in found:
        found["stages"] = {}
    return found


def _is_first_layout(found: Any) -> bool:
    return isinstance(found, dict) and bool(found) and not found.keys() & {"schema", "stages", "datasets"}


def parse_dvc(data: bytes, path: str) -> dict[str, Any]:
    """Read a *.dvc file: its top-level map as written; {} for an empty file.

    Raises FormatError for anything that DVC 3's schema refuses, and for an output or dependency without a path. Read is,
    beyond it, a stage that DVC 0.x and 1 kept in a file of its own. Source: DVC 3's schema, as observed; the older as
    published.
    """
    found = load(data, path)
    if found is None:
        return {}
    _check(_DVC_FILE, found, data, path)
    assert isinstance(found, dict)
    return found


def _check(check: Check, value: Any, data: bytes, path: str) -> None:
    try:
        check(value)
    except _MismatchError as error:
        keys = tuple(reversed(error.keys))
        where = _spell(keys)
        message = f"{where}: {error.message}" if where else error.message
        raise FormatError(path, message, line_of(decode(data, path), keys)) from None


def _spell(keys: tuple[Any, ...]) -> str:
    """Keys as in `stages.train.outs[0]`."""
    text = ""
    for key in keys:
        if isinstance(key, int) and not isinstance(key, bool):
            text += f"[{key}]"
        else:
            word = " ".join(str(key)[:80].split())
            text += f".{word}" if text else word
    return text

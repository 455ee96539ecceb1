"""Parameter values: read from YAML, JSON, TOML and Python files, chosen by dotted keys, compared, made recordable."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping, Sequence

from gitstage import formats
from gitstage.errors import FormatError, PipelineError
from gitstage.static import Any

DEFAULT_FILE = "params.yaml"
"""The file, in a stage's working directory, that bare parameter keys are looked up in."""


def read_values(data: bytes, path: str) -> dict[str, Any]:
    """The mapping that a parameter file holds; {} for an empty one.

    The suffix of `path`, whatever its case, says how to read it: .json, .toml, .py, everything else is YAML. A Python
    file is parsed, never executed: what counts are names with a literal value at module level, classes as nested
    mappings with the names assigned in their body, and what their `__init__` assigns to `self`. Keys of YAML and
    Python mappings need not be text.
    Raises FormatError if the text is not what the suffix says, or not a mapping. Source: DVC 3.
    """
    found = parse(data, path)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise FormatError(path, f"must hold a mapping of names to values, not {_kind(found)}")
    return found


def parse(data: bytes, path: str) -> Any:
    """Whatever value a file holds; otherwise as `read_values`."""
    if len(data) > formats.MAX_SIZE:
        raise FormatError(path, f"is larger than {formats.MAX_SIZE >> 20} MiB")
    suffix = path.rpartition(".")[2].lower()
    if suffix == "json":
        return _json(data, path)
    if suffix == "toml":
        return _toml(data, path)
    if suffix == "py":
        return _python(data, path)
    return formats.load(data, path)


def select(values: Mapping[Any, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The values of dotted `keys`, in that order, missing ones left out; no keys: every top-level key of the file.

    "a.b" is key b of mapping a, "a.0" the first item of list a (negative numbers count from the end). A part that is a
    number also finds an integer key; keys that contain dots cannot be named. Raises PipelineError if all keys of a
    file are wanted and they are of different types, since a record sorts them.
    """
    if not keys:
        if not _sortable(values):
            raise PipelineError(
                "a file whose names are of different types (text, number) cannot be a parameter as a whole"
            )
        return dict(values)
    found: dict[str, Any] = {}
    for key in keys:
        value: Any = values
        for part in key.split("."):
            value = _step(value, part)
            if value is _MISSING:
                break
        else:
            found[key] = value
    return found


def same(recorded: Any, found: Any) -> bool:
    """Whether two parsed values are equal as Python values: 1 == 1.0 == True, and NaN differs from everything.

    A tuple, which only a Python file can hold, equals the list of the same values at any depth; the order of keys is
    free.
    """
    if isinstance(recorded, Mapping):
        return (
            isinstance(found, Mapping)
            and len(recorded) == len(found)
            and all(key in found and same(value, found[key]) for key, value in recorded.items())
        )
    if isinstance(recorded, (list, tuple)):
        return isinstance(found, (list, tuple)) and len(recorded) == len(found) and all(map(same, recorded, found))
    return bool(recorded == found)


def jsonable(value: Any, path: str, key: str) -> Any:
    """`value` as it can be recorded: tuples as lists, otherwise the same object, so that shared parts stay shared.

    Raises FormatError, naming file `path` and `key`, for what neither JSON nor a lock can hold: dates, sets, bytes,
    complex numbers, mappings whose keys cannot be sorted, text that is not Unicode, values that contain themselves.
    """
    try:
        return _recordable(value, path, key)
    except RecursionError:
        raise FormatError(path, f"{key}: nested too deeply, or within itself") from None


def _recordable(value: Any, path: str, key: str) -> Any:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise FormatError(path, f"{key}: text that is not valid Unicode cannot be recorded")
        return value
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        for name in value:
            if not (name is None or isinstance(name, (str, int, float))):
                raise FormatError(path, f"{key}: {_kind(name)} as a key cannot be recorded")
        if not _sortable(value):
            raise FormatError(path, f"{key}: keys of different types (text, number, null) cannot be recorded")
        made = {name: _recordable(item, path, f"{key}.{name}") for name, item in value.items()}
        return value if all(made[name] is item for name, item in value.items()) else made
    if isinstance(value, (list, tuple)):
        items = [_recordable(item, path, f"{key}.{index}") for index, item in enumerate(value)]
        unchanged = isinstance(value, list) and all(a is b for a, b in zip(items, value, strict=True))
        return value if unchanged else items
    raise FormatError(path, f"{key}: {_kind(value)} cannot be recorded as a parameter")


_MISSING: Any = object()


def _step(value: Any, part: str) -> Any:
    """Item `part` of a mapping or list, or `_MISSING`."""
    if isinstance(value, Mapping):
        if part in value:
            return value[part]
        if part in ("True", "False"):
            return value.get(part == "True", _MISSING)
        number = _number(part)
        return _MISSING if number is None else value.get(number, _MISSING)
    if isinstance(value, (list, tuple)):
        number = _number(part)
        if number is not None and -len(value) <= number < len(value):
            return value[number]
    return _MISSING


def _number(part: str) -> int | None:
    try:
        return int(part)
    except ValueError:
        return None


def _sortable(values: Mapping[Any, Any]) -> bool:
    if len(values) < 2:
        return True
    return all(isinstance(name, str) for name in values) or all(isinstance(name, (int, float)) for name in values)


_KINDS = {
    "NoneType": "null",
    "dict": "a mapping",
    "list": "a list",
    "str": "text",
    "int": "a number",
    "float": "a number",
}


def _kind(value: Any) -> str:
    name = type(value).__name__
    return _KINDS.get(name, f"a value of type {name}")


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError(path, "not UTF-8 text", line) from None


def _json(data: bytes, path: str) -> Any:
    try:
        return json.loads(_text(data, path))
    except json.JSONDecodeError as error:
        raise FormatError(path, f"not JSON: {error.msg}", error.lineno) from None
    except (ValueError, RecursionError) as error:
        raise FormatError(path, f"not JSON: {error}") from None


def _toml(data: bytes, path: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        return tomllib.loads(_text(data, path))
    except (ValueError, RecursionError) as error:
        raise FormatError(path, f"not TOML: {error}") from None


def _python(data: bytes, path: str) -> dict[str, Any]:
    from gitstage.params.python import literals

    text = _text(data, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # such as for "\d" in a string: the file's owner sees it when running the file
            return literals(text, path)
    except SyntaxError as error:
        raise FormatError(path, f"not Python: {error.msg}", error.lineno) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise FormatError(path, f"not Python: {error or 'nested too deeply'}") from None

"""Templates in dvc.yaml: `${name}`, `vars`, `foreach` and `matrix`, resolved to plain stages.

Source of the language: DVC 3. An expression is `${` up to the next `}` of the line, with words that are joined by `.` or
put in `[ ]`. `\\${` is no expression and becomes `${`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gitstage.errors import ConfigError
from gitstage.static import Any
from gitstage.template.stages import TOP_KEYS, Resolved, ResolvedStage, check_shape, mapping

__all__ = ["Resolved", "ResolvedStage", "resolve"]


def resolve(
    document: Mapping[str, Any],
    path: str,
    read: Callable[[str], bytes | None],
    values: Callable[[bytes, str], dict[str, Any]],
    *,
    bool_style: str = "store_true",
    list_style: str = "nargs",
) -> Resolved:
    """Fill in the parsed dvc.yaml `document`, whose path relative to the project's root is `path`.

    `read` gives the bytes of a root-relative file, None if there is none; `values` parses them (`params.read_values`).
    Nothing is read unless the document has an expression, `vars`, `foreach` or `matrix`. `bool_style` and `list_style`
    are the settings parsing.bool (store_true, boolean_optional) and parsing.list (nargs, append): how a mapping becomes
    command line options. Raises FormatError naming `path` and the key, such as `stages.train.cmd`, and ConfigError for
    an unknown style.
    """
    if bool_style not in ("store_true", "boolean_optional"):
        raise ConfigError(f"parsing.bool must be store_true or boolean_optional, not {bool_style!r}")
    if list_style not in ("nargs", "append"):
        raise ConfigError(f"parsing.list must be nargs or append, not {list_style!r}")
    definitions = mapping(document.get("stages", {}), path, "stages")
    for name, definition in definitions.items():
        check_shape(name, definition, path)
    if _is_plain(document):
        stages = tuple(ResolvedStage(name, None, dict(given), False) for name, given in definitions.items())
        return Resolved(stages, {}, {key: document[key] for key in TOP_KEYS if key in document})
    from gitstage.template.language import Resolver  # only a document with templates pays for the language

    return Resolver(path, read, values, bool_style == "boolean_optional", list_style == "append").run(document)


def _is_plain(document: Mapping[str, Any]) -> bool:
    if "vars" in document or any(key in each for each in document.get("stages", {}).values() for key in _OWN_KEYS):
        return False
    return not _has_marker(document)


_OWN_KEYS = ("vars", "foreach", "do", "matrix")


def _has_marker(node: Any) -> bool:
    if isinstance(node, str):
        return "${" in node
    if isinstance(node, dict):
        return any(_has_marker(key) or _has_marker(value) for key, value in node.items())
    return isinstance(node, list) and any(map(_has_marker, node))

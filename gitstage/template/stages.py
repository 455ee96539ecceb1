"""What a resolved dvc.yaml is made of, and what its form must be before anything is resolved."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gitstage.errors import FormatError
from gitstage.static import Any, NamedTuple

TOP_KEYS = ("metrics", "plots", "params", "artifacts", "datasets")


class ResolvedStage(NamedTuple):
    """One stage with every expression filled in.

    `name`: "train", or "train@0" where `foreach` or `matrix` made it. `group`: "train" then, None otherwise.
    `definition`: the mapping below the stage's name without `vars`, `foreach`, `do` and `matrix`; it may share parts
    with the document, so it is only to be read. `templated`: it is not what the file says, so the stage cannot be
    written back. `variables`: the values from files that went into it: root-relative path -> dotted key -> value;
    lists and mappings are left out.
    """

    name: str
    group: str | None
    definition: dict[str, Any]
    templated: bool
    variables: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


class Resolved(NamedTuple):
    """What a dvc.yaml says once it is resolved.

    `stages` in the file's order. `groups`: name of a `foreach` or `matrix` stage -> names of the stages made from it,
    maybe none. `top`: those of metrics, plots, params, artifacts and datasets that the file has, filled in. `sources`:
    files that were read for it, relative to the root. `warnings`: sentences for the user.
    """

    stages: tuple[ResolvedStage, ...]
    groups: dict[str, list[str]]
    top: dict[str, Any]
    sources: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def mapping(node: Any, path: str, where: str) -> Mapping[Any, Any]:
    if not isinstance(node, Mapping):
        raise FormatError(path, f"{where}: must be a mapping, not {kind(node)}")
    return node


def check_shape(name: Any, definition: Any, path: str) -> None:
    """Refuse a stage whose name or form could not be resolved, whatever it is filled with."""
    if not isinstance(name, str) or not name:
        raise FormatError(path, f"stages: {name!r} is not a stage name")
    given = mapping(definition, path, f"stages.{name}")
    if "foreach" in given or "do" in given:
        if given.keys() != {"foreach", "do"}:
            raise FormatError(path, f"stages.{name}: a foreach stage has the keys 'foreach' and 'do' and no others")
        mapping(given["do"], path, f"stages.{name}.do")
    elif "@" in name and "matrix" not in given:
        raise FormatError(path, f"stages: '@' in {name!r} is reserved for stages made by foreach and matrix")


def kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names.get(type(value), f"a value of type {type(value).__name__}")

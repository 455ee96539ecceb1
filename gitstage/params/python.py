"""Literal values in Python source, which is parsed and never executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gitstage.static import Any


def literals(text: str, path: str) -> dict[str, Any]:
    """What the module `text` assigns, as params.read_values says. Raises what ast.parse does."""
    return _assigned(ast.parse(text, path).body)


def _assigned(body: Sequence[ast.stmt]) -> dict[str, Any]:
    """Names assigned a literal in a module or class body, later ones replacing earlier ones."""
    found: dict[str, Any] = {}
    for statement in body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            found.update(_attributes(statement.body))
        else:
            found.update(_values(statement, attributes_only=False))
    return found


def _attributes(body: Sequence[ast.stmt]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for statement in body:
        found.update(_values(statement, attributes_only=True))
    return found


def _values(statement: ast.stmt, *, attributes_only: bool) -> Iterator[tuple[str, Any]]:
    """The name and value that one statement defines, if any: `name = literal`, `self.name = literal`, or a class."""
    if isinstance(statement, ast.ClassDef):
        yield statement.name, _assigned(statement.body)
        return
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target: ast.expr = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign):
        target = statement.target
    else:
        return
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
        name = target.attr
    elif isinstance(target, ast.Name) and not attributes_only:
        name = target.id
    else:
        return
    if statement.value is not None:
        try:
            yield name, ast.literal_eval(statement.value)
        except (ValueError, TypeError, SyntaxError):
            pass  # not a literal

"""Metrics and parameters: as tables and as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping

from gitstage.errors import FormatError
from gitstage.pipeline import relative
from gitstage.static import Any
from gitstage.ui import Ui
from gitstage.ui.tables import table
from gitstage.values import Compared, Values, flat

PRECISION = 5
ABSENT = "-"


def note_errors(ui: Ui, states: Mapping[str, Values], cwd: str) -> None:
    """What could not be read, and of which state."""
    for name, state in states.items():
        where = f" of {name}" if name else ""
        if state.error is not None:
            ui.note(f"the pipeline{where} cannot be read: {state.error}")
        for path, error in state.errors.items():
            text = "is neither there nor in the cache" if isinstance(error, FileNotFoundError) else str(error)
            ui.note(f"{relative(path, cwd)}{where} cannot be read: {text}")


def as_json(states: Mapping[str, Values], cwd: str) -> dict[str, Any]:
    """The form that `dvc metrics show --json` has: state -> {"data": {file: {"data": values}}}, or {"error"}."""
    found: dict[str, Any] = {}
    for name, state in states.items():
        if state.error is not None:
            found[name] = {"error": _error(state.error)}
            continue
        files: dict[str, Any] = {relative(path, cwd): {"data": values} for path, values in state.files.items()}
        files.update((relative(path, cwd), {"error": _error(error, path)}) for path, error in state.errors.items())
        found[name] = {"data": files}
    return found


_CORRUPTED = {".json": "JSON", ".toml": "TOML", ".py": "Python"}


def _error(error: Exception, path: str = "") -> dict[str, str]:
    """An error as DVC has it in JSON; that a file at `path` cannot be parsed has a name for each format."""
    name = type(error).__name__
    if path and isinstance(error, FormatError):
        name = f"{_CORRUPTED.get(os.path.splitext(path)[1], 'YAML')}FileCorruptedError"
    return {"type": name, "msg": str(error)}


def as_table(
    ui: Ui, states: Mapping[str, Values], cwd: str, *, precision: int | None, markdown: bool, with_names: bool
) -> None:
    """One row for each file of each state, one column for each key."""
    rows = []
    for name, state in states.items():
        for path in [*state.files, *state.errors]:
            cells = {key: shown(value, precision) for key, value in flat(state.files.get(path, {}))}
            rows.append((name, relative(path, cwd), cells))
    keys = sorted({key for _, _, cells in rows for key in cells})
    first = 0 if with_names else 1
    table(
        ui,
        ["Revision", "Path", *keys][first:],
        [[name, path, *(cells.get(key, ABSENT) for key in keys)][first:] for name, path, cells in rows],
        markdown=markdown,
    )


def differences_as_json(found: Compared, cwd: str) -> dict[str, Any]:
    """The form that `dvc metrics diff --json` and `dvc params diff --json` have."""
    return {relative(path, cwd): changes for path, changes in found.changes.items()}


def differences_as_table(
    ui: Ui, found: Compared, cwd: str, title: str, old: str, new: str,
    *, precision: int | None, markdown: bool, with_path: bool, with_change: bool,
) -> None:  # fmt: skip
    """One row for each key that is to be shown."""
    first, last = 0 if with_path else 1, 5 if with_change else 4
    rows = [
        [relative(path, cwd), key, *(shown(change.get(part), precision) for part in ("old", "new", "diff"))][first:last]
        for path, changes in sorted(found.changes.items())
        for key, change in sorted(changes.items())
    ]
    table(ui, ["Path", title, old, new, "Change"][first:last], rows, markdown=markdown)


def shown(value: Any, precision: int | None) -> str:
    """A value as text, numbers rounded to `precision` places after the point (None: as they are)."""
    if value is None:
        return ABSENT
    return str(round(value, precision) if isinstance(value, float) and precision is not None else value)

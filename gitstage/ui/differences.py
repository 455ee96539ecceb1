"""What differs from the record: as text, as JSON, and in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gitstage.pipeline import relative
from gitstage.status import Change, Role, StageStatus
from gitstage.ui import Ui

_WORDS: dict[Role, str] = {
    "always": "always changed",
    "cmd": "changed command",
    "record": "never run: made up by a merge",
}


def as_text(ui: Ui, statuses: Sequence[StageStatus], cwd: str) -> None:
    """The whole difference, stage by stage."""
    for one in statuses:
        if not one.changes:
            continue
        ui.say(f"{one.stage.label(cwd)}:")
        for title, roles in (("changed deps", ("dep", "param")), ("changed outs", ("out",))):
            entries = _grouped(one.changes, roles, cwd)
            if entries:
                ui.say(f"\t{title}:")
            for path, state in entries.items():
                if isinstance(state, str):
                    ui.say(f"\t\t{state + ':':<20}{path}")
                else:
                    ui.say(f"\t\t{path}:")
                    for key, value in state.items():
                        ui.say(f"\t\t\t{value + ':':<20}{key}")
        for role, text in _WORDS.items():
            if one.has(role):
                ui.say(f"\t{text}")


def as_json(statuses: Sequence[StageStatus], cwd: str) -> dict[str, list[Any]]:
    """The form that `dvc status --json` has: stage -> list of what differs; up-to-date stages are left out."""
    found: dict[str, list[Any]] = {}
    for one in statuses:
        items: list[Any] = []
        for title, roles in (("changed deps", ("dep", "param")), ("changed outs", ("out",))):
            entries = _grouped(one.changes, roles, cwd)
            if entries:
                items.append({title: entries})
        items += [text for role, text in _WORDS.items() if one.has(role)]
        if items:
            found[one.stage.label(cwd)] = items
    return found


def _grouped(changes: Iterable[Change], roles: Sequence[str], cwd: str) -> dict[str, Any]:
    """Path -> state, or for parameters file -> key -> state."""
    found: dict[str, Any] = {}
    for change in changes:
        if change.role not in roles:
            continue
        path = relative(change.path, cwd)
        if change.key is None:
            found[path] = change.state
        else:
            keys = found.setdefault(path, {})
            if isinstance(keys, dict):
                keys[change.key] = change.state
    return found


def reason(change: Change, cwd: str = "") -> str:
    """One change in words."""
    path = relative(change.path, cwd) if change.path else ""
    if change.role == "cmd":
        return "its command changed"
    if change.role == "always":
        return "it is always run"
    if change.role == "record":
        return "a merge put its record together, no run made it"
    name = f"{path}: {change.key}" if change.key is not None else path
    if change.role == "out":
        return {"not in cache": f"output {name} is lost from the cache", "deleted": f"output {name} is missing"}.get(
            change.state, f"output {name} was modified"
        )
    kind = "parameter" if change.role == "param" else "dependency"
    words = {"deleted": "is missing", "new": "is new", "removed": "is no longer declared"}
    return f"{kind} {name} {words.get(change.state, 'was modified')}"

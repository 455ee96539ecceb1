"""What differs from the record: as text, as JSON, and in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitstage.pipeline import relative
from gitstage.static import Any
from gitstage.status import Change, Role, StageStatus, State
from gitstage.ui import Ui

_WORDS: dict[tuple[Role, State], str] = {
    ("always", "always changed"): "always changed",
    ("cmd", "changed"): "changed command",
    ("checksum", "changed"): "changed checksum",
    ("record", "made up"): "never run: made up by a merge",
    ("record", "edited"): "never run: no run known here gave its entry in dvc.lock",
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
        for text in _words(one):
            ui.say(f"\t{text}")


def as_json(statuses: Sequence[StageStatus], cwd: str, *, exact: bool = False) -> dict[str, list[Any]]:
    """The form that `dvc status --json` has: stage -> list of what differs; up-to-date stages are left out.

    DVC calls a dependency "modified" that was added to a stage; `exact`: it is "new", as in the text.
    """
    found: dict[str, list[Any]] = {}
    for one in statuses:
        items: list[Any] = []
        for title, roles in (("changed deps", ("dep", "param")), ("changed outs", ("out",))):
            entries = _grouped(one.changes if exact else map(_in_dvc_words, one.changes), roles, cwd)
            if entries:
                items.append({title: entries})
        items += _words(one)
        if items:
            found[one.stage.label(cwd)] = items
    return found


def _in_dvc_words(change: Change) -> Change:
    return change._replace(state="modified") if (change.role, change.state) == ("dep", "new") else change


def _words(one: StageStatus) -> list[str]:
    known = {(change.role, change.state) for change in one.changes}
    return [text for key, text in _WORDS.items() if key in known]


def _grouped(changes: Iterable[Change], roles: Sequence[str], cwd: str) -> dict[str, Any]:
    """Path -> state, or for parameters file -> key -> state."""
    found: dict[str, Any] = {}
    for change in changes:
        if change.role not in roles:
            continue
        path = change.path if change.state == "update available" else relative(change.path, cwd)
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
        if change.state == "made up":
            return "a merge put its record together, no run made it"
        return "no run known here gave its entry in dvc.lock"
    if change.role == "checksum":
        return "where it is imported from was edited"
    name = f"{path}: {change.key}" if change.key is not None else path
    if change.role == "out":
        words = {
            "not in cache": "is lost from the cache",
            "corrupt in cache": "is corrupt in the cache",
            "deleted": "is missing",
        }
        return f"output {name} {words.get(change.state, 'was modified')}"
    kind = "parameter" if change.role == "param" else "dependency"
    words = {
        "update available": "has an update",
        "deleted": "is missing",
        "new": "was added",
        "removed": "is no longer declared",
    }
    return f"{kind} {name} {words.get(change.state, 'was modified')}"

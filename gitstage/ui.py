"""Events and changes as the user sees them: text and JSON. The only room, beside cli, that prints."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitstage import run
from gitstage.checkout import Plan, Result
from gitstage.errors import GitstageError
from gitstage.pipeline import Stage, relative
from gitstage.project import Project
from gitstage.status import Change, StageStatus

UP_TO_DATE = "Data and pipelines are up to date."
NOTHING_TRACKED = (
    "There are no data or pipelines tracked in this project yet.\n"
    "Start with: git stage add DATA, or git stage run -n NAME ... COMMAND"
)


class Ui:
    """Where messages go. `quiet`: only errors; `verbose`: also why."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose

    def say(self, text: str = "") -> None:
        """A line of result or progress, on stdout."""
        if not self.quiet:
            print(text)

    def note(self, text: str) -> None:
        """A line about the work, on stderr, after what was said before."""
        if not self.quiet:
            sys.stdout.flush()
            print(f"git-stage: {text}", file=sys.stderr)

    def json(self, value: Any) -> None:
        """A value as JSON on stdout, whatever the volume."""
        print(json.dumps(value))

    # -- runs ----------------------------------------------------------------------------------------------

    def events(self, events: Iterable[run.Event], cwd: str = "") -> bool:
        """Tell events as they come; returns whether anything was done."""
        done = ran = False
        for event in events:
            if isinstance(event, run.Skipped):
                self.say(f"{'' if event.is_data else 'Stage '}'{event.label}' didn't change, skipping")
                continue
            if isinstance(event, (run.Running, run.Restored, run.Verifying)):
                if ran:
                    self.say()
                ran = True
            done = True
            self._event(event, cwd)
        return done

    def _event(self, event: run.Event, cwd: str) -> None:
        if isinstance(event, run.Running):
            if self.verbose and event.why:
                self.note(f"stage '{event.label}' runs because " + "; ".join(reason(c, cwd) for c in event.why))
            self.say(f"Running stage '{event.label}':")
        elif isinstance(event, run.Executing):
            self.say(f"> {event.command}")
        elif isinstance(event, run.Restored):
            self.say(f"Stage '{event.label}' is cached - skipping run, checking out outputs")
        elif isinstance(event, run.Verifying):
            self.say(f"Verifying {event.what} stage: '{event.label}'")
        elif isinstance(event, run.Defined):
            self.say(f"Added stage '{event.label}' in '{relative(event.path, cwd)}'")
        elif isinstance(event, run.LockWritten):
            if event.path.endswith("dvc.lock"):
                self.say(f"{'Generating' if event.is_new else 'Updating'} lock file '{relative(event.path, cwd)}'")
        elif isinstance(event, run.Warned):
            self.note(event.message)
        elif isinstance(event, run.Failed):
            self.error(event.error)
        sys.stdout.flush()

    def error(self, error: GitstageError) -> None:
        """One line saying what is wrong, one with what helps; on stderr, whatever the volume."""
        sys.stdout.flush()
        message = " ".join(str(error).split("\n")).strip()
        print(f"git-stage: {message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)

    def to_commit(self, project: Project, paths: Sequence[str]) -> None:
        """Which changed files are Git's to record, as a command to copy."""
        if paths and project.repo is not None and not project.config.autostage:
            names = " ".join(shlex.quote(relative(path, project.cwd)) for path in sorted(dict.fromkeys(paths)))
            self.say(f"\nTo track the changes with git, run:\n\n\tgit add {names}")

    # -- status --------------------------------------------------------------------------------------------

    def status(self, statuses: Sequence[StageStatus], cwd: str) -> None:
        """The whole difference, stage by stage."""
        for one in statuses:
            if not one.changes:
                continue
            self.say(f"{one.stage.label(cwd)}:")
            for title, roles in (("changed deps", ("dep", "param")), ("changed outs", ("out",))):
                entries = _grouped(one.changes, roles, cwd)
                if entries:
                    self.say(f"\t{title}:")
                for path, state in entries.items():
                    if isinstance(state, str):
                        self.say(f"\t\t{state + ':':<20}{path}")
                    else:
                        self.say(f"\t\t{path}:")
                        for key, value in state.items():
                            self.say(f"\t\t\t{value + ':':<20}{key}")
            for role, text in (("always", "always changed"), ("cmd", "changed command")):
                if one.has(role):  # type: ignore[arg-type]
                    self.say(f"\t{text}")

    # -- checkout ------------------------------------------------------------------------------------------

    def checkout(self, result: Result, cwd: str, *, summary: bool) -> None:
        """`M`, `A`, `D` and the output, or one line of counts."""
        if summary:
            self.say(summary_of(result.files))
            return
        for letter, paths in (("M", result.modified), ("A", result.added), ("D", result.deleted)):
            for path in paths:
                slash = "/" if path.endswith("/") else ""
                self.say(f"{letter}\t{relative(path.rstrip('/'), cwd)}{slash}")


def summary_of(files: Mapping[str, int]) -> str:
    """Counts of files, such as "1 file modified and 2 files added"."""
    parts: list[str] = []
    for kind in ("modified", "added", "deleted"):
        count = files[kind]
        if count:
            parts.append(f"{count} file{'s' if count > 1 else ''} {kind}")
    if not parts:
        return "No changes."
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def unfinished(plan: Plan, result: Result, cwd: str) -> list[str]:
    """One line for every output that could not be checked out."""
    lines = []
    for out in plan.outputs:
        shown = relative(out.path, cwd)
        if out.refused:
            lines.append(out.refused)
        elif out.unknown:
            lines.append(f"{shown}: nothing is recorded for it; it was never made")
        elif out.missing:
            count = f"{len(out.missing)} of its objects are" if len(out.missing) > 1 else f"{out.missing[0]} is"
            lines.append(f"{shown}: {count} not in the cache")
    return lines


def status_json(statuses: Sequence[StageStatus], cwd: str) -> dict[str, list[Any]]:
    """The form that `dvc status --json` has: stage -> list of what differs; up-to-date stages are left out."""
    found: dict[str, list[Any]] = {}
    for one in statuses:
        items: list[Any] = []
        for title, roles in (("changed deps", ("dep", "param")), ("changed outs", ("out",))):
            entries = _grouped(one.changes, roles, cwd)
            if entries:
                items.append({title: entries})
        if one.has("always"):
            items.append("always changed")
        if one.has("cmd"):
            items.append("changed command")
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
    name = f"{path}: {change.key}" if change.key is not None else path
    if change.role == "out":
        return {"not in cache": f"output {name} is lost from the cache", "deleted": f"output {name} is missing"}.get(
            change.state, f"output {name} was modified"
        )
    kind = "parameter" if change.role == "param" else "dependency"
    words = {"deleted": "is missing", "new": "is new", "removed": "is no longer declared"}
    return f"{kind} {name} {words.get(change.state, 'was modified')}"


def description(stage: Stage) -> str:
    """What `list` says of a stage: its description's first line, or what it makes, or what it needs; 80 characters."""
    text = next((line for line in (stage.desc or "").splitlines() if line.strip()), "")
    if not text:
        made = [
            f"Outputs {', '.join(names)}" for names in [[o.spelled for o in stage.outs if o.kind == "out"]] if names
        ]
        made += [
            f"Reports {', '.join(names)}" for names in [[o.spelled for o in stage.outs if o.kind != "out"]] if names
        ]
        text = "; ".join(made)
    if not text:
        needed = [dep.spelled for dep in stage.deps] + [file.spelled for file in stage.params]
        text = f"Depends on {', '.join(needed)}" if needed else "No outputs or dependencies"
    return text if len(text) <= 80 else text[:77] + "..."

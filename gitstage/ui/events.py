"""What a run tells while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from gitstage import run
from gitstage.pipeline import relative
from gitstage.ui import Ui
from gitstage.ui.differences import reason


def tell(ui: Ui, events: Iterable[run.Event], cwd: str = "") -> bool:
    """Tell events as they come; returns whether anything was done."""
    done = ran = False
    for event in events:
        if isinstance(event, run.Skipped):
            ui.say(f"{'' if event.is_data else 'Stage '}'{event.label}' didn't change, skipping")
            continue
        if isinstance(event, (run.Running, run.Restored, run.Verifying, run.Importing)):
            if ran:
                ui.say()
            ran = True
        done = True
        if isinstance(event, run.Said):
            print(f"{event.label} | {event.line}", file=sys.stderr if event.is_error else sys.stdout, flush=True)
            continue
        _tell(ui, event, cwd)
    return done


def _tell(ui: Ui, event: run.Event, cwd: str) -> None:
    if isinstance(event, run.Running):
        if ui.verbose and event.why:
            ui.note(f"stage '{event.label}' runs because " + "; ".join(reason(c, cwd) for c in event.why))
        ui.say(f"Running stage '{event.label}':")
    elif isinstance(event, run.Executing):
        ui.say(f"> {event.command}")
    elif isinstance(event, run.Restored):
        ui.say(f"Stage '{event.label}' is cached - skipping run, checking out outputs")
    elif isinstance(event, run.Pulling):
        ui.say(f"Pulling data for stage: '{event.label}'")
    elif isinstance(event, run.Verifying):
        ui.say(f"Verifying {event.what} stage: '{event.label}'")
    elif isinstance(event, run.Importing):
        ui.say(f"Importing '{event.source}' -> '{relative(event.path, cwd)}'")
    elif isinstance(event, run.Defined):
        ui.say(f"Added stage '{event.label}' in '{relative(event.path, cwd)}'")
    elif isinstance(event, run.LockWritten):
        if event.path.endswith("dvc.lock"):
            ui.say(f"{'Generating' if event.is_new else 'Updating'} lock file '{relative(event.path, cwd)}'")
    elif isinstance(event, run.Warned):
        ui.note(event.message)
    elif isinstance(event, run.Failed):
        ui.error(event.error)
    sys.stdout.flush()

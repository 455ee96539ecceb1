"""What a run tells while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from gitstage import events as happened
from gitstage import terminal
from gitstage.pipeline import relative
from gitstage.static import TYPE_CHECKING
from gitstage.ui import Ui
from gitstage.ui.differences import reason

if TYPE_CHECKING:
    from gitstage.ui.clock import Clock


def tell(ui: Ui, events: Iterable[happened.Event], cwd: str = "", *, doing: str = "Saving") -> bool:
    """Tell events as they come; returns whether anything was done. `doing`: the name of the work on data in between."""
    if ui.quiet or not sys.stderr.isatty():
        return _tell_all(ui, events, cwd, None)
    from gitstage.ui.clock import Clock

    with Clock(ui, doing) as clock:
        return _tell_all(ui, events, cwd, clock)


def _tell_all(ui: Ui, events: Iterable[happened.Event], cwd: str, clock: Clock | None) -> bool:
    done = ran = False
    for event in _followed(ui, events, clock) if clock is not None else events:
        if isinstance(event, happened.Skipped):
            ui.say(f"{'' if event.is_data else 'Stage '}'{event.label}' didn't change, skipping")
            continue
        if isinstance(event, (happened.Running, happened.Restored, happened.Verifying, happened.Importing)):
            if ran:
                ui.say()
            ran = True
        done = True
        if isinstance(event, happened.Said):
            stream = terminal.raw(sys.stderr if event.is_error else sys.stdout)  # colours of the command's own
            print(f"{terminal.neutral(event.label)} | {event.line}", file=stream, flush=True)
            continue
        _tell(ui, event, cwd)
    return done


def _followed(ui: Ui, events: Iterable[happened.Event], clock: Clock) -> Iterator[happened.Event]:
    """The same events; while each is told, the clock is out of the way."""
    for event in events:
        clock.pause()
        beside = clock.follow(event)
        yield event
        if beside:
            ui.say(f"Stage '{event.label}' {beside}")
        clock.resume()


def _tell(ui: Ui, event: happened.Event, cwd: str) -> None:
    if isinstance(event, happened.Running):
        if ui.verbose and event.why:
            ui.note(f"stage '{event.label}' runs because " + "; ".join(reason(c, cwd) for c in event.why))
        ui.say(f"Running stage '{event.label}':")
    elif isinstance(event, happened.Executing):
        ui.say(f"> {event.command}")
    elif isinstance(event, happened.Restored):
        ui.say(f"Stage '{event.label}' is cached - skipping run, checking out outputs")
    elif isinstance(event, happened.Pulling):
        ui.say(f"Pulling data for stage: '{event.label}'")
    elif isinstance(event, happened.Verifying):
        ui.say(f"Verifying {event.what} stage: '{event.label}'")
    elif isinstance(event, happened.Importing):
        ui.say(f"Importing '{event.source}' -> '{relative(event.path, cwd)}'")
    elif isinstance(event, happened.Defined):
        ui.say(f"Added stage '{event.label}' in '{relative(event.path, cwd)}'")
    elif isinstance(event, happened.LockWritten):
        if event.path.endswith("dvc.lock"):
            ui.say(f"{'Generating' if event.is_new else 'Updating'} lock file '{relative(event.path, cwd)}'")
    elif isinstance(event, happened.Warned):
        ui.note(event.message)
    elif isinstance(event, happened.Failed):
        ui.error(event.error)
    sys.stdout.flush()

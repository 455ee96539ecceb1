"""`git stage undo`."""

from __future__ import annotations

import time

from gitstage.errors import UsageError
from gitstage.options import argument, option, verb, volume
from gitstage.static import TYPE_CHECKING

if TYPE_CHECKING:
    from gitstage.project import Project
    from gitstage.ui import Ui
    from gitstage.undo import Entry


@verb()
@option("-n", "--num", least=1, metavar="N", help="The last N commands, instead of the last one.")
@option("--list", "is_list", is_flag=True, help="Show what can be undone: command, paths and space.")
@option("--json", "as_json", is_flag=True, help="The same as JSON.")
@option("--dry-run", "--dry", "dry", is_flag=True, help="Only show what would come back, and what would go.")
@option("-f", "--force", is_flag=True, help="Also replace what changed since and is in no cache.")
@option("--forget", is_flag=True, help="Free the space: nothing done so far can be undone any more.")
@volume
@argument("count", metavar="[N]", required=False, least=1)
def command(
    num: int | None, is_list: bool, as_json: bool, dry: bool, force: bool, forget: bool, quiet: bool, verbose: int,
    count: int | None,
) -> None:  # fmt: skip
    """Bring back what the last command, or the last N, replaced or removed: data, pipeline files, objects of the cache.

    An undo is a command, too: undoing it does again what it undid.
    """
    from gitstage import undo
    from gitstage.project import opened
    from gitstage.ui import Ui
    from gitstage.ui.contents import natural_size

    if num is not None and count is not None:
        raise UsageError("N and --num say the same", "git stage undo -n 2")
    if (is_list or as_json) and forget:
        raise UsageError("--forget does not go with --list")
    ui = Ui(quiet=quiet, verbose=bool(verbose))
    steps = num or count or 1
    with opened(write=not (is_list or as_json), on_wait=ui.waiting) as (project, _):
        if is_list or as_json:
            _list(ui, project, as_json=as_json)
        elif forget:
            size = undo.kept_size(project) if dry else undo.forget(project)
            ui.say(f"{'Would free' if dry else 'Freed'} {natural_size(size)} bytes.")
        elif dry:
            for entry in undo.preview(project, steps, force=force):
                ui.say(f"Would undo: {entry.command}")
                for letter, path in undo.changes(project, entry):
                    ui.say(f"{letter}\t{project.relative(path)}")
        else:
            done = undo.undo(project, steps, force=force)
            for entry in done:
                ui.say(f"Undone: {entry.command}")
            ui.to_commit(project, undo.to_commit(project, done))


def _list(ui: Ui, project: Project, *, as_json: bool) -> None:
    from gitstage import undo
    from gitstage.ui.contents import natural_size

    entries = undo.history(project)
    undone = {number for entry in entries for number in entry.undone}
    if as_json:
        ui.json(
            [
                {
                    "n": at, "time": _time(entry, "%Y-%m-%dT%H:%M:%S%z"), "command": entry.command,
                    "paths": entry.paths, "objects": len(entry.objects), "bytes": undo.size_of(project, entry),
                    "undone": entry.number in undone,
                }
                for at, entry in enumerate(entries, 1)
            ]
        )  # fmt: skip
        return
    if not entries:
        ui.say("There is nothing to undo.")
    for at, entry in enumerate(entries, 1):
        what = ", ".join(project.relative(path) for path in entry.paths[:4])
        more = len(entry.paths) - 4
        parts = [what + (f" and {more} more" if more > 0 else "")] if what else []
        if entry.objects:
            parts.append(f"{len(entry.objects)} object{'s' if len(entry.objects) > 1 else ''} of the cache")
        size = undo.size_of(project, entry)
        note = " (undone)" if entry.number in undone else ""
        ui.say(
            f"{at:>3}  {_time(entry, '%Y-%m-%d %H:%M')}  {natural_size(size):>6}  {entry.command}{note}: {'; '.join(parts)}"
        )


def _time(entry: Entry, form: str) -> str:
    return time.strftime(form, time.localtime(entry.when))

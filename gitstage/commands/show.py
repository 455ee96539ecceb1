"""`git stage show`."""

from __future__ import annotations

import os

from gitstage.options import argument, option, verb, volume


@verb()
@option("--json", "as_json", is_flag=True, help="Print JSON.")
@volume
@argument("path")
def command(path: str, as_json: bool, quiet: bool, verbose: int) -> None:
    """Show what is recorded of a tracked file or directory: hash, size, where the cache keeps it, and its files."""
    from gitstage.inspect import inspect
    from gitstage.project import opened
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened() as (project, _):
        found = inspect(project, path)
        if as_json:
            ui.json(found.as_json())
            return
        ui.say(f"path:   {found.path}")
        ui.say(f"md5:    {found.digest}")
        if found.size is not None:
            ui.say(f"size:   {found.size}")
        if found.files is not None:
            ui.say(f"files:  {len(found.files)}")
        ui.say(f"cache:  {os.path.relpath(found.cache)}{'' if found.in_cache else ' (not there)'}")
        if found.files:
            ui.say()
            for name, (digest, size) in found.files.items():
                ui.say(f"{digest}  {'?' if size is None else size:>10}  {name}")

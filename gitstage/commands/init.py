"""`git stage init`."""

from __future__ import annotations

import os
import sys

from gitstage.options import argument, confirm, option, verb, volume


@verb()
@option("--no-scm", is_flag=True, help="Without Git.")
@option("--subdir", is_flag=True, help="In a folder below the top of the Git repository.")
@option("-f", "--force", is_flag=True, help="Replace an existing .dvc, the cache in it included.")
@option("--layout", choices=["2", "3"], default="3", help="Files as DVC 3 (default) or DVC 1 and 2 have them.")
@option(
    "--hooks/--no-hooks", default=None, help="Install the Git hooks, or do not; asks on a terminal if neither is given."
)
@volume
@argument("directory", required=False, default=".")
def command(
    directory: str, no_scm: bool, subdir: bool, force: bool, layout: str, hooks: bool | None, quiet: bool, verbose: int
) -> None:
    """Make a project in DIRECTORY (default: here)."""
    from gitstage.project import Project
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    made = Project.create(directory, no_scm=no_scm, subdir=subdir, force=force, layout=int(layout))
    where = os.path.relpath(made.root)
    ui.say(f"Initialised a project in {os.path.join(where, '.dvc')}")
    if made.repo is not None and hooks is None and sys.stdin.isatty() and not quiet:
        hooks = confirm(
            "Install the Git hooks, so that stale commits are refused and data follows checkouts?", default=True
        )
    if made.repo is not None and hooks:
        from gitstage.commands.install import install_hooks

        install_hooks(made, ui)
    elif made.repo is not None and hooks is None:
        ui.say("The Git hooks are not installed; to install them: git stage install")
    if made.repo is not None:
        ui.say("\nThe new files are staged; commit them with: git commit -m 'Initialise gitstage'")

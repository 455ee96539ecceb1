"""`git stage uninstall`: takes our hooks out of this repository."""

from __future__ import annotations

import os

import click

from gitstage.cli import volume
from gitstage.errors import NoProject


@click.command()
@volume
def command(quiet: bool, verbose: int) -> None:
    """Remove the Git hooks of this repository; a hook that was there before comes back."""
    from gitstage.commands.install import line
    from gitstage.git import Repo
    from gitstage.hooks import installer
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    repo = Repo.discover(os.getcwd())
    if repo is None:
        raise NoProject("not inside a Git repository", "git init")
    results = installer.uninstall(repo)
    for result in results:
        ui.say(line(result))
    if not results:
        ui.say("No hooks of git-stage are installed here")

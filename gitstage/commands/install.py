"""`git stage install`: the hooks of this repository."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from gitstage.cli import volume
from gitstage.errors import NoProject

if TYPE_CHECKING:
    from gitstage.hooks.installer import Result
    from gitstage.project import Project
    from gitstage.ui import Ui


def line(result: Result) -> str:
    """One hook's outcome in words, its path as seen from here if it lies below."""
    shown = os.path.relpath(result.path)
    text = f"{result.action} {result.path if shown.startswith('..') else shown}"
    if result.action == "chained" and result.previous is not None:
        return f"{text}: the hook that was there runs first, as {os.path.basename(result.previous)}"
    return text


def install_hooks(project: Project, ui: Ui) -> None:
    """Install the hooks in the project's repository and say what was done."""
    from gitstage.hooks import installer

    if project.repo is None:
        raise NoProject("not inside a Git repository, so there is nowhere to put hooks", "git init")
    for result in installer.install(project.repo, sys.executable):
        ui.say(line(result))


@click.command()
@volume
def command(quiet: bool, verbose: int) -> None:
    """Install the Git hooks of this repository.

    From then on a commit that would record a stale or lost output is refused, and a switch of branches brings the
    outputs along. A hook that is there already is kept and runs first. `git stage uninstall` undoes it.
    """
    from gitstage.project import Project
    from gitstage.ui import Ui

    install_hooks(Project.open(), Ui(quiet=quiet, verbose=bool(verbose)))

"""`git stage doctor`."""

from __future__ import annotations

import os

import click

from gitstage.cli import DISPATCHED, volume


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@volume
def command(as_json: bool, quiet: bool, verbose: int) -> int:
    """Check that hooks, dispatcher, merge driver and cache do what they should.

    Says what mends each thing that is wrong, and then exits with 1; with -q it says only those.
    """
    from gitstage import doctor
    from gitstage.commands.shim import programs
    from gitstage.errors import GitstageError
    from gitstage.git import Repo
    from gitstage.project import Project, find_root
    from gitstage.ui import Ui, health

    broken: list[doctor.Finding] = []
    repo, project = None, None
    try:
        repo = Repo.discover(os.getcwd())
        if find_root(os.getcwd()) is not None:
            project = Project.open()
    except GitstageError as error:
        broken.append(doctor.Finding("project", doctor.WRONG, str(error), error.hint))
    try:
        findings = doctor.examine(doctor.Subject(repo, project, DISPATCHED, programs())) + broken
    finally:
        if project is not None:
            project.close()
    ok = all(found.level != doctor.WRONG for found in findings)
    ui = Ui(quiet=quiet, verbose=bool(verbose))
    if as_json:
        ui.json({"ok": ok, "findings": health.as_json(findings)})
    else:
        health.as_text(ui, [found for found in findings if not quiet or found.level == doctor.WRONG])
    return 0 if ok else 1

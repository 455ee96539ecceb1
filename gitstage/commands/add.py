"""`git stage add`."""

from __future__ import annotations

import click

from gitstage.cli import volume
from gitstage.errors import UsageError


@click.command()
@click.option("--no-commit", is_flag=True, help="Only write the .dvc file, keep nothing in the cache.")
@click.option("--glob", is_flag=True, help="Targets are patterns; ** matches folders of any depth.")
@click.option("-o", "--out", metavar="PATH", help="Copy a target from outside to PATH and track that.")
@click.option("-f", "--force", is_flag=True, help="With -o: replace what is at PATH.")
@click.option("--no-relink", is_flag=True, help="Leave the files as they are instead of linking them to the cache.")
@volume
@click.argument("targets", nargs=-1, required=True)
def command(
    targets: tuple[str, ...], no_commit: bool, glob: bool, out: str | None, force: bool, no_relink: bool,
    quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Track data files or directories: keep them in the cache, describe each in a .dvc file, and ignore them in Git.

    A path inside a tracked directory updates that part of it.
    """
    from gitstage import track
    from gitstage.project import opened
    from gitstage.ui import Ui, events

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    if out is not None and len(targets) != 1:
        raise UsageError("-o takes one target")
    with opened(write=True, on_wait=ui.waiting) as (project, _):
        written: list[str] = []
        if out is not None:
            paths = [track.bring_in(project, targets[0], out, force=force)]
        else:
            paths = track.expand(project, targets, glob=glob)
        try:
            events.tell(
                ui, track.add(project, paths, commit=not no_commit, relink=not no_relink, written=written), project.cwd
            )
        finally:
            project.changed_files(written)
        ui.to_commit(project, written)

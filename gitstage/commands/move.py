"""`git stage move`."""

from __future__ import annotations

from gitstage.options import argument, verb, volume


@verb()
@volume
@argument("source")
@argument("target")
def command(source: str, target: str, quiet: bool, verbose: int) -> None:
    """Rename data that a .dvc file tracks from SOURCE to TARGET, which may be a folder; the .dvc file goes along."""
    from gitstage import amend
    from gitstage.project import opened
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened(write=True, on_wait=ui.waiting) as (project, _), project.whole():
        written: list[str] = []
        amend.move(project, source, target, written)
        ui.to_commit(project, written)

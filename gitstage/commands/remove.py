"""`git stage remove`."""

from __future__ import annotations

from gitstage.options import argument, option, verb, volume


@verb()
@option("--outs", is_flag=True, help="Delete the outputs, too.")
@volume
@argument("targets", nargs=-1, required=True)
def command(targets: tuple[str, ...], outs: bool, quiet: bool, verbose: int) -> None:
    """Take TARGETS, stages, .dvc files or whole dvc.yaml files, out of the project.

    Their outputs stay as plain files that Git sees, unless with --outs. The cache keeps what it has.
    """
    from gitstage import amend
    from gitstage.project import opened
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened(write=True, on_wait=ui.waiting) as (project, _), project.whole():
        written: list[str] = []
        for text in amend.remove(project, targets, outs=outs, written=written):
            ui.note(text)
        ui.to_commit(project, written)

"""`git stage unprotect`."""

from __future__ import annotations

from gitstage.options import argument, verb, volume


@verb()
@volume
@argument("targets", nargs=-1, required=True)
def command(targets: tuple[str, ...], quiet: bool, verbose: int) -> None:
    """Make the files TARGETS, and those in folders, plain ones that may be edited, where they are links to the cache."""
    from gitstage import amend
    from gitstage.project import opened
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened(write=True, optional=True, on_wait=ui.waiting) as (project, _):
        amend.unprotect(project, targets)

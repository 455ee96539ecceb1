"""`git stage freeze`."""

from __future__ import annotations

from collections.abc import Sequence

from gitstage.options import argument, verb, volume


@verb()
@volume
@argument("targets", nargs=-1, required=True)
def command(targets: tuple[str, ...], quiet: bool, verbose: int) -> None:
    """Keep TARGETS, stages or .dvc files, as they are: their inputs no longer make them run.

    `git stage unfreeze` undoes it.
    """
    mark(targets, frozen=True, quiet=quiet)


def mark(targets: Sequence[str], *, frozen: bool, quiet: bool) -> None:
    """What `freeze` and `unfreeze` have in common."""
    from gitstage import amend
    from gitstage.project import opened
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet)
    with opened(write=True, on_wait=ui.waiting) as (project, _), project.whole():
        written: list[str] = []
        for stage in amend.freeze(project, targets, frozen=frozen, written=written):
            if stage.name is not None:
                ui.say(f"Modifying stage '{stage.name}' in '{project.relative(stage.file)}'")
        ui.to_commit(project, written)

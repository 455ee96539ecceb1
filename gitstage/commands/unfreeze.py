"""`git stage unfreeze`."""

from __future__ import annotations

from gitstage.options import argument, verb, volume


@verb()
@volume
@argument("targets", nargs=-1, required=True)
def command(targets: tuple[str, ...], quiet: bool, verbose: int) -> None:
    """Let TARGETS, stages or .dvc files that were frozen, follow their inputs again."""
    from gitstage.commands.freeze import mark

    mark(targets, frozen=False, quiet=quiet)

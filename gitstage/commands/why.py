"""`git stage why`."""

from __future__ import annotations

from gitstage.options import argument, option, verb, volume


@verb()
@option("--json", "as_json", is_flag=True, help="Print JSON.")
@volume
@argument("targets", nargs=-1)
def command(targets: tuple[str, ...], as_json: bool, quiet: bool, verbose: int) -> None:
    """Explain why TARGETS (stages, outputs; default: all) are stale.

    Shows what changed first, with its old and its new value and the commit that last touched it, and which stages do not
    hold because of it.
    """
    from gitstage import targets as chosen
    from gitstage import why
    from gitstage.project import opened
    from gitstage.ui import UP_TO_DATE, Ui
    from gitstage.ui import why as shown

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened() as (project, _):
        found = chosen.select(project.pipeline, targets)
        explained = why.explain(project, None if found is None else [target.stage for target in found])
        follows = {one.stage: why.consequences(project, one) for one in explained}
        if as_json:
            ui.json(shown.as_json(explained, follows, project.cwd))
        elif explained:
            shown.as_text(ui, explained, follows, project.cwd)
        else:
            ui.say(UP_TO_DATE)

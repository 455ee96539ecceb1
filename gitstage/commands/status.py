"""`git stage status`."""

from __future__ import annotations

import click

from gitstage.cli import volume


@click.command()
@click.option("-d", "--with-deps", is_flag=True, help="Also what the targets depend on.")
@click.option("-R", "--recursive", is_flag=True, help="All stages in the given directories.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--no-updates", is_flag=True, hidden=True)
@volume
@click.argument("words", nargs=-1, metavar="[TARGETS]...")
def command(
    words: tuple[str, ...],
    with_deps: bool,
    recursive: bool,
    as_json: bool,
    no_updates: bool,
    quiet: bool,
    verbose: int,
) -> int:
    """Show which stages and data differ from what dvc.lock and *.dvc recorded.

    Exits with 0 also if something differs; with -q, 1 tells that something does.
    """
    from gitstage import status, targets
    from gitstage.project import opened
    from gitstage.ui import NOTHING_TRACKED, UP_TO_DATE, Ui, differences

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened(write=True, optional=True, on_wait=ui.waiting) as (project, _):
        for path in project.recovered:
            ui.note(f"{path}: brought back; the command that was to replace it was killed")
        pipeline = project.pipeline
        chosen = targets.select(pipeline, words, with_deps=with_deps, recursive=recursive)
        stages = pipeline.stages if chosen is None else list(dict.fromkeys(target.stage for target in chosen))
        found = status.status(pipeline, project.worktree, project.cache, stages)
        changed = status.changed(found if chosen is None else targets.narrow(found, chosen))
        for stage in stages:
            if stage.frozen and not stage.is_data:
                ui.note(f"stage '{stage.label(project.cwd)}' is frozen: its dependencies are not shown")
        if as_json:
            ui.json(differences.as_json(changed, project.cwd))
        elif changed:
            differences.as_text(ui, changed, project.cwd)
        else:
            ui.say(UP_TO_DATE if pipeline.stages else NOTHING_TRACKED)
        return 1 if quiet and changed else 0

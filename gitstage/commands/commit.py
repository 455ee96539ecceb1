"""`git stage commit`."""

from __future__ import annotations

import sys

from gitstage.options import argument, confirm, option, verb, volume


@verb()
@option("-f", "--force", is_flag=True, help="Record also what changed, without asking.")
@option("-d", "--with-deps", is_flag=True, help="Also what the targets depend on.")
@option("-R", "--recursive", is_flag=True, help="All stages in the given directories.")
@option("--no-relink", is_flag=True, help="Leave the files as they are instead of linking them to the cache.")
@volume
@argument("targets", nargs=-1)
def command(
    targets: tuple[str, ...], force: bool, with_deps: bool, recursive: bool, no_relink: bool, quiet: bool, verbose: int
) -> None:
    """Record what the work tree holds as the results of stages and data, without running anything.

    After `run --no-commit` this keeps the outputs in the cache. What differs from the record needs -f.
    """
    from gitstage import run, status
    from gitstage.errors import GitstageError
    from gitstage.project import opened
    from gitstage.targets import select
    from gitstage.ui import Ui, events
    from gitstage.ui.differences import reason
    from gitstage.verdict import edited, merged

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened(write=True, on_wait=ui.waiting) as (project, lock):
        pipeline = project.pipeline
        chosen = select(pipeline, targets, with_deps=with_deps, recursive=recursive)
        stages = list(pipeline.stages) if chosen is None else list(dict.fromkeys(target.stage for target in chosen))
        made_up = edited.never_run(project, pipeline)
        found = merged.marked(status.status(pipeline, project.worktree, None, stages), made_up)
        for one in found if not force else ():
            if not one.changes or all(change.role == "always" for change in one.changes):
                continue
            label = one.stage.label(project.cwd)
            why = reason(one.changes[0], project.cwd)
            if not (sys.stdin.isatty() and confirm(f"'{label}': {why}. Record it as it is?")):
                raise GitstageError(f"'{label}' is not what was recorded: {why}", f"git stage commit -f {label}")
        written: list[str] = []
        run.check(project, pipeline, stages)
        inputs = run.inputs_now(project, stages)
        for one in found:
            options = run.Options(relink=not no_relink, share="all" if force or one.changes else False)
            recorded = run.record_stage(project, one.stage, inputs[one.stage], options, lock, written, made_up=made_up)
            events.tell(ui, recorded, project.cwd)
        ui.to_commit(project, written)

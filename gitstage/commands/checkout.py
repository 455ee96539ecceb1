"""`git stage checkout`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from gitstage.options import argument, option, verb, volume
from gitstage.static import TYPE_CHECKING

if TYPE_CHECKING:
    from gitstage.pipeline import Target
    from gitstage.project import Project
    from gitstage.ui import Ui


@verb()
@option("--summary", is_flag=True, help="Print only how many files changed.")
@option("-d", "--with-deps", is_flag=True, help="Also what the targets depend on.")
@option("-R", "--recursive", is_flag=True, help="All outputs in the given directories.")
@option("-f", "--force", is_flag=True, help="Also replace files whose content is in no cache.")
@option("--relink", is_flag=True, help="Make all links to the cache anew.")
@option("--verify", is_flag=True, help="Read each object first, and use none that is corrupt.")
@option("--allow-missing", is_flag=True, help="It is no error if the cache lacks something.")
@volume
@argument("targets", nargs=-1)
def command(
    targets: tuple[str, ...], summary: bool, with_deps: bool, recursive: bool, force: bool, relink: bool,
    verify: bool, allow_missing: bool, quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Make the outputs in the work tree what dvc.lock and *.dvc say, from the cache.

    TARGETS are stages, .dvc files, outputs or paths inside directory outputs; by default everything.
    Files whose content is in no cache are never replaced, unless with -f.
    """
    from gitstage.project import opened
    from gitstage.targets import select
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened(on_wait=ui.waiting) as (project, lock):
        if project.repo is not None and project.repo.setting_bool("autoFetch", False):
            _fetch(ui, project, targets, with_deps=with_deps, recursive=recursive)
        with lock:
            project.sweep()
            if verify:
                project.cache.distrust()
            chosen = select(project.load_pipeline(), targets, with_deps=with_deps, recursive=recursive)
            bring(ui, project, chosen, force=force, relink=relink, allow_missing=allow_missing, summary=summary)


def _fetch(ui: Ui, project: Project, targets: Sequence[str], *, with_deps: bool, recursive: bool) -> None:
    """Bring what the cache lacks, as far as that can be done: the checkout itself says what is missing then."""
    from gitstage import sync
    from gitstage.errors import ConfigError
    from gitstage.remote import RemoteError
    from gitstage.ui import transfers

    scope = sync.Scope(tuple(targets), with_deps, recursive)
    try:
        with transfers.Bar(ui, "Fetching") as bar:
            outcome = sync.fetch_scope(project, scope, progress=bar)
    except (RemoteError, ConfigError) as error:
        ui.note(f"nothing was fetched: {error}")
        return
    for line in transfers.lines(outcome.problems, project.cwd):
        ui.note(line)


def bring(
    ui: Ui, project: Project, chosen: Sequence[Target] | None, *, force: bool = False, relink: bool = False,
    allow_missing: bool = False, summary: bool = False, fetched: int | None = None,
) -> None:  # fmt: skip
    """Check out `chosen` (None: everything) and tell. `fetched`: what was brought into the cache just now, to be told
    with it. Raises CacheMiss if something is missing, GitstageError if bytes would be lost."""
    from gitstage import checkout
    from gitstage.errors import CacheMiss, GitstageError, PipelineError
    from gitstage.pipeline import Target, relative
    from gitstage.ui import at_work, outputs

    pipeline = project.pipeline
    wanted = checkout.wanted_by(chosen if chosen is not None else [Target(stage) for stage in pipeline.stages])
    known = project.restored()
    gone = (
        checkout.no_longer_declared(known, [o.path for s in pipeline.stages for o in s.outs]) if chosen is None else {}
    )
    with at_work(ui, "Checking"):
        planned = checkout.plan(project, wanted, gone=gone, relink=relink)
    for refused in [plan.refused for plan in planned.outputs if plan.refused]:
        raise PipelineError(refused)
    if planned.unsaved and not force:
        shown = ", ".join(relative(path, project.cwd) for path in planned.unsaved[:5])
        more = len(planned.unsaved) - 5
        raise GitstageError(
            f"{shown}{f' and {more} more' if more > 0 else ''}: would be lost, the content is in no cache",
            "git stage commit to keep it, or git stage checkout --force to lose it",
        )
    for digest, place in project.cache.put_away.items():
        ui.note(f"object {digest} was corrupt; it is put away as {os.path.relpath(place)}")
    result = checkout.apply(project, planned, force=force)
    checkout.remember(project, planned, gone, result)
    outputs.tell(ui, result, project.cwd, summary=summary)
    if fetched is not None:
        ui.say(outputs.summary_of(result.files, fetched=fetched))
    if relink and not summary:
        ui.say("Relinked successfully")
    for left in [plan.path for plan in planned.removals if plan.unsaved and not force]:
        ui.note(f"{relative(left, project.cwd)}: is not declared any more, but its content is in no cache; it stays")
    for error in result.errors.values():
        raise error
    problems = outputs.unfinished(planned, result, project.cwd)
    if problems and not allow_missing:
        for line in problems[:-1]:
            ui.note(line)
        raise CacheMiss(problems[-1])

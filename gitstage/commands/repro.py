"""`git stage repro`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gitstage.options import argument, confirm, option, verb, volume
from gitstage.static import TYPE_CHECKING

if TYPE_CHECKING:
    from gitstage.events import Event
    from gitstage.pipeline import Stage
    from gitstage.project import Project


@verb()
@option("-f", "--force", is_flag=True, help="Run the stages even if nothing changed.")
@option("-i", "--interactive", is_flag=True, help="Ask before each stage.")
@option("-s", "--single-item", is_flag=True, help="Only the named stages, not what they need.")
@option("-p", "--pipeline", is_flag=True, help="The whole pipelines that the targets belong to.")
@option("-P", "--all-pipelines", is_flag=True, help="Every stage of the project.")
@option("-R", "--recursive", is_flag=True, help="All stages in the given directories.")
@option("--downstream", is_flag=True, help="The targets and all that depends on them.")
@option("--force-downstream", is_flag=True, help="Also run what depends on a stage that ran.")
@option("--allow-missing", is_flag=True, help="Missing data alone is no reason to run.")
@option("--pull", is_flag=True, help="Fetch missing data, and results of others' runs, from the remote.")
@option("--dry", is_flag=True, help="Only show what would run.")
@option("-k", "--keep-going", is_flag=True, help="After a failure go on with what does not depend on it.")
@option("--ignore-errors", is_flag=True, help="After a failure go on with everything.")
@option("--glob", is_flag=True, help="Targets are patterns of stage names.")
@option("--no-commit", is_flag=True, help="Do not keep the outputs in the cache.")
@option("--no-run-cache", is_flag=True, help="Run even if the result is known from an earlier run.")
@option("-j", "--jobs", least=1, help="Run so many stages at once (default: gitstage.jobs, or 1).")
@volume
@argument("targets", nargs=-1)
def command(
    targets: tuple[str, ...], force: bool, interactive: bool, single_item: bool, pipeline: bool, all_pipelines: bool,
    recursive: bool, downstream: bool, force_downstream: bool, allow_missing: bool, pull: bool, dry: bool, keep_going: bool,
    ignore_errors: bool, glob: bool, no_commit: bool, no_run_cache: bool, jobs: int | None, quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Bring stages up to date: run those whose command, inputs or outputs changed, inputs first.

    TARGETS are stages, groups, dvc.yaml or *.dvc files; by default the dvc.yaml of this folder, or the whole project if
    it has no stages.
    """

    from gitstage import run
    from gitstage.errors import GitstageError, PipelineError
    from gitstage.pipeline import PIPELINE_FILE, Target, join
    from gitstage.project import opened
    from gitstage.ui import UP_TO_DATE, Ui, events

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    bar = None
    if pull:
        from gitstage.ui import transfers

        bar = transfers.Bar(ui, "Fetching")
    options = run.Options(
        force=force, single=single_item, downstream=downstream, force_downstream=force_downstream,
        allow_missing=allow_missing, dry=dry, keep_going=keep_going, ignore_errors=ignore_errors,
        commit=not no_commit, run_cache=not no_run_cache, jobs=jobs, pull=pull, progress=bar, update=_update,
    )  # fmt: skip
    with opened(write=True, on_wait=ui.waiting) as (project, lock), bar or contextlib.nullcontext():
        graph = project.pipeline
        for text in graph.warnings:
            ui.note(text)
        chosen: list[Target] | None = None
        if not all_pipelines:
            words = targets or ((".",) if recursive else (PIPELINE_FILE,))
            if not targets and not recursive and project.worktree.read(join(project.cwd, PIPELINE_FILE)) is None:
                raise PipelineError(f"{PIPELINE_FILE}: does not exist in this folder", "git stage repro -P")
            chosen = []
            for word in words:
                is_folder = recursive and project.worktree.is_dir(join(project.cwd, word))
                chosen += graph.below(word) if is_folder else graph.find(word, paths=False, glob=glob)
            if not (chosen or single_item):
                chosen = None  # a dvc.yaml without stages, of plots or artifacts, is that of the whole project
        if pipeline and chosen is not None:
            chosen = [Target(stage) for stage in graph.connected([target.stage for target in chosen])]
        stages = run.plan_order(graph, chosen, options)
        if interactive and not all(confirm(f"Run stage '{stage.label(project.cwd)}'?") for stage in stages):
            raise GitstageError("stopped, as you asked")
        written: list[str] = []
        done = events.tell(ui, run.reproduce(project, stages, options, lock, written), project.cwd)
        ui.to_commit(project, written)
        if not done:
            ui.say(UP_TO_DATE)


def _update(project: Project, stage: Stage, written: list[str]) -> Iterator[Event]:
    from gitstage import imports

    return imports.update(project, stage, written=written)

"""`git stage pull`."""

from __future__ import annotations

from gitstage.commands.fetch import scope
from gitstage.options import option, verb, volume


@verb()
@scope
@option("-f", "--force", is_flag=True, help="Also replace files whose content is in no cache.")
@option("--allow-missing", is_flag=True, help="It is no error if neither cache nor remote has something.")
@volume
def command(
    targets: tuple[str, ...], remote: str | None, jobs: int | None, all_branches: bool, all_tags: bool,
    all_commits: bool, recursive: bool, with_deps: bool, run_cache: bool, glob: bool, force: bool,
    allow_missing: bool, quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Bring the outputs' content from the remote into the cache, and from there into the work tree.

    TARGETS are stages, .dvc files, outputs or paths inside directory outputs; by default everything.
    What can be brought is, even if something else is missing.
    """
    from gitstage import sync
    from gitstage.commands.checkout import bring
    from gitstage.project import opened
    from gitstage.remote import Outcome
    from gitstage.ui import Ui, transfers

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    wanted = sync.Scope(targets, with_deps, recursive, glob, all_branches, all_tags, all_commits)
    with opened() as (project, lock):
        with transfers.Bar(ui, "Fetching") as bar:
            outcome: Outcome = sync.fetch_scope(
                project, wanted, remote=remote, jobs=jobs, run_cache=run_cache, progress=bar
            )  # fmt: skip
        problems = [one for one in outcome.problems if not (allow_missing and one.is_absent)]
        failed = transfers.failure(ui, problems, project.cwd, "fetched", strict=True)
        with lock:
            project.sweep()
            chosen = sync.chosen_targets(project, project.load_pipeline(), wanted) if targets else None
            known = allow_missing or failed is not None
            bring(ui, project, chosen, force=force, allow_missing=known, fetched=outcome.count)
    if failed is not None:
        raise failed

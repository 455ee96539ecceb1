"""`git stage push`."""

from __future__ import annotations

from gitstage.commands.fetch import scope
from gitstage.options import option, verb, volume


@verb()
@scope
@option("--check", is_flag=True, help="Ask the remote about every object, whatever is recorded.")
@volume
def command(
    targets: tuple[str, ...], remote: str | None, jobs: int | None, all_branches: bool, all_tags: bool,
    all_commits: bool, recursive: bool, with_deps: bool, run_cache: bool, glob: bool, check: bool, quiet: bool,
    verbose: int,
) -> None:  # fmt: skip
    """Send the outputs' content to the remote, less what it has.

    TARGETS are stages, .dvc files, outputs or paths inside directory outputs; by default everything.
    """
    from gitstage import sync
    from gitstage.project import opened
    from gitstage.ui import Ui, transfers

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    wanted = sync.Scope(targets, with_deps, recursive, glob, all_branches, all_tags, all_commits)
    with opened() as (project, _), transfers.Bar(ui, "Pushing") as bar:
        needs = sync.needs(project, wanted, sending=True)
        project.remote(remote)  # none at all is an error even if there is nothing to send
        outcome = sync.push(
            project, needs, remote=remote, jobs=jobs, check=check, run_cache=run_cache, progress=bar
        )  # fmt: skip
    transfers.tell(ui, outcome, "pushed")
    failed = transfers.failure(ui, outcome.problems, project.cwd, "pushed")
    if failed is not None:
        raise failed

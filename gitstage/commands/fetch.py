"""`git stage fetch`, and the options that it shares with push and pull."""

from __future__ import annotations

from collections.abc import Callable

from gitstage.options import argument, option, verb, volume
from gitstage.static import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


def scope(function: _F) -> _F:
    """The options that say what is to be moved, and where to or from."""
    for declare in reversed(
        (
            option("-r", "--remote", metavar="NAME", help="The remote; the default one if not given."),
            option("-j", "--jobs", least=1, metavar="N", help="Transfers at once."),
            option("-a", "--all-branches", is_flag=True, help="Also for the tips of all branches."),
            option("-T", "--all-tags", is_flag=True, help="Also for all tags."),
            option("-A", "--all-commits", is_flag=True, help="Also for all commits."),
            option("-R", "--recursive", is_flag=True, help="All outputs in the given directories."),
            option("-d", "--with-deps", is_flag=True, help="Also what the targets depend on."),
            option("--run-cache/--no-run-cache", default=False, help="Also the results of earlier runs."),
            option("--glob", is_flag=True, help="Targets are patterns; ** matches folders of any depth."),
            argument("targets", nargs=-1),
        )
    ):
        function = declare(function)
    return function


@verb()
@scope
@option("--max-size", least=1, metavar="BYTES", help="Only outputs that are smaller than this.")
@option("--type", "types", choices=["metrics", "plots"], multiple=True, help="Only such outputs.")
@volume
def command(
    targets: tuple[str, ...], remote: str | None, jobs: int | None, all_branches: bool, all_tags: bool,
    all_commits: bool, recursive: bool, with_deps: bool, run_cache: bool, glob: bool,
    max_size: int | None, types: tuple[str, ...], quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Bring the outputs' content from the remote into the cache; the work tree stays as it is.

    TARGETS are stages, .dvc files, outputs or paths inside directory outputs; by default everything.
    """
    from gitstage import sync
    from gitstage.project import opened
    from gitstage.ui import Ui, transfers

    kinds = tuple(kind.removesuffix("s") for kind in types)
    ui = Ui(quiet=quiet, verbose=bool(verbose))
    wanted = sync.Scope(targets, with_deps, recursive, glob, all_branches, all_tags, all_commits, (), max_size, kinds)
    with opened() as (project, _), transfers.Bar(ui, "Fetching") as bar:
        outcome = sync.fetch_scope(project, wanted, remote=remote, jobs=jobs, run_cache=run_cache, progress=bar)
    transfers.tell(ui, outcome, "fetched")
    failed = transfers.failure(ui, outcome.problems, project.cwd, "fetched")
    if failed is not None:
        raise failed

"""`git stage metrics`."""

from __future__ import annotations

from collections.abc import Callable

from gitstage.options import argument, family, option, volume
from gitstage.static import Any, Literal, TypeVar


@family
def command() -> None:
    """Show metrics, and compare those of commits."""


@command.verb()
@option("-a", "--all-branches", is_flag=True, help="Of every branch.")
@option("-T", "--all-tags", is_flag=True, help="Of every tag.")
@option("-A", "--all-commits", is_flag=True, help="Of every commit.")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
@option("--md", "markdown", is_flag=True, help="Print a Markdown table.")
@option("-R", "--recursive", is_flag=True, help="Targets may be directories (they always may).")
@option("--precision", type=int, metavar="N", help="Places after the decimal point (5).")
@volume
@argument("targets", nargs=-1)
def show(
    targets: tuple[str, ...], all_branches: bool, all_tags: bool, all_commits: bool, as_json: bool, markdown: bool,
    recursive: bool, precision: int | None, quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Show the metrics that dvc.yaml names, or those in TARGETS.

    With -a, -T or -A also of commits; outputs that are not checked out are read from the cache.
    """
    from gitstage import values
    from gitstage.pipeline import join
    from gitstage.project import opened_at
    from gitstage.snapshot import snapshots
    from gitstage.ui import Ui
    from gitstage.ui import values as shown

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened_at(".") as project:
        paths = [join(project.cwd, target) for target in targets]
        states = values.without_workspace(
            {
                snapshot.name: values.read(snapshot, "metrics", paths)
                for snapshot in snapshots(project, branches=all_branches, tags=all_tags, commits=all_commits)
            },
            project,
        )
        shown.note_errors(ui, states, project.cwd)
        if as_json:
            ui.json(shown.as_json(states, project.cwd))
            return
        with_names = all_branches or all_tags or all_commits
        places = shown.PRECISION if precision is None else precision
        shown.as_table(ui, states, project.cwd, precision=places, markdown=markdown, with_names=with_names)


_F = TypeVar("_F", bound=Callable[..., Any])


def compared(function: _F) -> _F:
    """What `metrics diff` and `params diff` have in common: two revisions, and how to show what differs."""
    for declare in (
        argument("new", metavar="[B]]", default="workspace"),
        argument("old", metavar="[A", default="HEAD"),
        volume,
        option("--no-path", is_flag=True, help="Without the column of files."),
        option("--md", "markdown", is_flag=True, help="Print a Markdown table."),
        option("--json", "as_json", is_flag=True, help="Print JSON."),
        option("--all", "unchanged", is_flag=True, help="Also what did not change."),
        option(
            "--targets",
            multiple=True,
            metavar="PATHS...",
            help="Only these files, also if dvc.yaml does not name them.",
        ),
    ):
        function = declare(function)
    return function


def compare(
    kind: Literal["metrics", "params"], old: str, new: str, *, targets: tuple[str, ...], unchanged: bool, as_json: bool,
    markdown: bool, no_path: bool, quiet: bool, verbose: int, precision: int | None = None, inputs_only: bool = False,
) -> None:  # fmt: skip
    """Show what differs; parameters without the column of differences, and with all digits."""
    from gitstage import values
    from gitstage.pipeline import join
    from gitstage.project import opened_at
    from gitstage.ui import Ui
    from gitstage.ui import values as shown

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened_at(".") as project:
        paths = [join(project.cwd, target) for target in targets]
        found = values.compare(project, kind, old, new, paths, unchanged=unchanged, inputs_only=inputs_only)
        shown.note_errors(ui, found.incomplete, project.cwd)
        if as_json:
            ui.json(shown.differences_as_json(found, project.cwd))
            return
        is_metric = kind == "metrics"
        shown.differences_as_table(
            ui, found, project.cwd, "Metric" if is_metric else "Param", old, new, markdown=markdown,
            with_path=not no_path, with_change=is_metric,
            precision=shown.PRECISION if is_metric and precision is None else precision,
        )  # fmt: skip


@command.verb(spread=("--targets",))
@compared
@option("-R", "--recursive", is_flag=True, help="Targets may be directories (they always may).")
@option("--precision", type=int, metavar="N", help="Places after the decimal point (5).")
def diff(old: str, new: str, recursive: bool, precision: int | None, **how: Any) -> None:
    """Show which metrics changed between commits A and B.

    Without B, from A to what lies in the work tree; without A, from the last commit.
    """
    compare("metrics", old, new, precision=precision, **how)

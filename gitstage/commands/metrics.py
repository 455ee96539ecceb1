"""`git stage metrics`."""

from __future__ import annotations

import click

from gitstage.cli import Family, Spread, volume


@click.group(cls=Family)
def command() -> None:
    """Show metrics, and compare those of commits."""


@command.command()
@click.option("-a", "--all-branches", is_flag=True, help="Of every branch.")
@click.option("-T", "--all-tags", is_flag=True, help="Of every tag.")
@click.option("-A", "--all-commits", is_flag=True, help="Of every commit.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--md", "markdown", is_flag=True, help="Print a Markdown table.")
@click.option("-R", "--recursive", is_flag=True, help="Targets may be directories (they always may).")
@click.option("--precision", type=int, metavar="N", help="Places after the decimal point (5).")
@volume
@click.argument("targets", nargs=-1)
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


@command.command(cls=Spread)
@click.option(
    "--targets", multiple=True, metavar="PATHS...", help="Only these files, also if dvc.yaml does not name them."
)
@click.option("-R", "--recursive", is_flag=True, help="Targets may be directories (they always may).")
@click.option("--all", "unchanged", is_flag=True, help="Also what did not change.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--md", "markdown", is_flag=True, help="Print a Markdown table.")
@click.option("--no-path", is_flag=True, help="Without the column of files.")
@click.option("--precision", type=int, metavar="N", help="Places after the decimal point (5).")
@volume
@click.argument("old", metavar="[A", default="HEAD")
@click.argument("new", metavar="[B]]", default="workspace")
def diff(
    old: str, new: str, targets: tuple[str, ...], recursive: bool, unchanged: bool, as_json: bool, markdown: bool,
    no_path: bool, precision: int | None, quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Show which metrics changed between commits A and B.

    Without B, from A to what lies in the work tree; without A, from the last commit.
    """
    from gitstage import values
    from gitstage.pipeline import join
    from gitstage.project import opened_at
    from gitstage.ui import Ui
    from gitstage.ui import values as shown

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened_at(".") as project:
        paths = [join(project.cwd, target) for target in targets]
        found = values.compare(project, "metrics", old, new, paths, unchanged=unchanged)
        shown.note_errors(ui, found.incomplete, project.cwd)
        if as_json:
            ui.json(shown.differences_as_json(found, project.cwd))
            return
        shown.differences_as_table(
            ui, found, project.cwd, "Metric", old, new, markdown=markdown, with_path=not no_path, with_change=True,
            precision=shown.PRECISION if precision is None else precision,
        )  # fmt: skip

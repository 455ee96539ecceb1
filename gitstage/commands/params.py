"""`git stage params`."""

from __future__ import annotations

import click

from gitstage.cli import Family, Spread, volume


@click.group(cls=Family)
def command() -> None:
    """Compare the parameters of commits."""


@command.command(cls=Spread)
@click.option(
    "--targets", multiple=True, metavar="PATHS...", help="Only these files, also if dvc.yaml does not name them."
)
@click.option("--all", "unchanged", is_flag=True, help="Also what did not change.")
@click.option("--deps", "inputs_only", is_flag=True, help="Only parameters that stages depend on.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--md", "markdown", is_flag=True, help="Print a Markdown table.")
@click.option("--no-path", is_flag=True, help="Without the column of files.")
@volume
@click.argument("old", metavar="[A", default="HEAD")
@click.argument("new", metavar="[B]]", default="workspace")
def diff(
    old: str, new: str, targets: tuple[str, ...], unchanged: bool, inputs_only: bool, as_json: bool, markdown: bool,
    no_path: bool, quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Show which parameters changed between commits A and B.

    Without B, from A to what lies in the work tree; without A, from the last commit. Shown are params.yaml, the files
    that dvc.yaml lists under params, what stages depend on, and the values that templates use.
    """
    from gitstage import values
    from gitstage.pipeline import join
    from gitstage.project import opened_at
    from gitstage.ui import Ui
    from gitstage.ui import values as shown

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened_at(".") as project:
        paths = [join(project.cwd, target) for target in targets]
        found = values.compare(project, "params", old, new, paths, unchanged=unchanged, inputs_only=inputs_only)
        shown.note_errors(ui, found.incomplete, project.cwd)
        if as_json:
            ui.json(shown.differences_as_json(found, project.cwd))
            return
        shown.differences_as_table(
            ui, found, project.cwd, "Param", old, new, markdown=markdown, with_path=not no_path, with_change=False,
            precision=None,
        )  # fmt: skip

"""`git stage diff`."""

from __future__ import annotations

from gitstage.options import argument, option, verb, volume


@verb(spread=("--targets",))
@option("--targets", multiple=True, metavar="PATHS...", help="Only these outputs, or paths inside them.")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
@option("--show-hash", is_flag=True, help="Also show digests.")
@option("--md", "as_markdown", is_flag=True, help="Print a Markdown table.")
@option("--hide-missing", is_flag=True, help="Do not list what is not in the cache.")
@volume
@argument("old", metavar="[A", default="HEAD")
@argument("new", metavar="[B]]", required=False)
def command(
    old: str, new: str | None, targets: tuple[str, ...], as_json: bool, show_hash: bool, as_markdown: bool,
    hide_missing: bool, quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Show which data changed between commits A and B, file by file.

    Without B, from A to what lies in the work tree; without A, from the last commit. Two commits are compared from what
    they recorded and the cache alone. Paths count from the project's root.
    """
    from gitstage import difference
    from gitstage.project import Project
    from gitstage.ui import Ui, data

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with Project.open() as project:
        found = difference.between(project, old, new, targets)
        groups = data.groups(found, with_missing=new is None and not hide_missing)
        if as_json:
            ui.json(data.as_json(groups, show_hash=show_hash))
        elif as_markdown:
            data.as_markdown(ui, groups, show_hash=show_hash)
        else:
            data.as_text(ui, groups, show_hash=show_hash)

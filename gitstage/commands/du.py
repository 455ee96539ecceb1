"""`git stage du`."""

from __future__ import annotations

import posixpath

import click

from gitstage.cli import volume


@click.command()
@click.option("--rev", metavar="REV", help="At a commit instead of in the work tree.")
@click.option("-s", "--summarize", is_flag=True, help="Only the total.")
@volume
@click.argument("url", default=".")
@click.argument("path", required=False)
def command(url: str, path: str | None, rev: str | None, summarize: bool, quiet: bool, verbose: int) -> None:
    """Show how much space what the project at URL (a folder; default: here) holds takes, in PATH or altogether.

    Outputs that are not there count with the size of their objects in the cache.
    """
    from gitstage.contents import Contents
    from gitstage.pipeline import relative
    from gitstage.project import opened_at
    from gitstage.ui import Ui
    from gitstage.ui.contents import natural_size

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened_at(url) as project:
        contents = Contents(project, rev)
        start = contents.item(project.inside(path))
        name = path or relative("", project.cwd)
        rows = []
        if start.is_dir and not summarize:
            items = contents.children(start.path).values()
            rows = [(posixpath.join(name, item.name), contents.size(item)) for item in items]
        rows.append((name or ".", sum(size for _, size in rows) if rows else contents.size(start)))
        sizes = [natural_size(size) for _, size in rows]
        width = max(map(len, sizes))
        for (name, _), size in zip(rows, sizes, strict=True):
            ui.say(f"{size:>{width}}  {name}")

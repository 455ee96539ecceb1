"""`git stage get-url`."""

from __future__ import annotations

import click

from gitstage.cli import volume


@click.command()
@click.option("-f", "--force", is_flag=True, help="Replace what is there.")
@click.option("-j", "--jobs", type=int, metavar="N", help="Transfers at once.")
@volume
@click.argument("url")
@click.argument("out", required=False)
def command(url: str, out: str | None, force: bool, jobs: int | None, quiet: bool, verbose: int) -> None:
    """Copy URL, a file or folder, to OUT, by default its name, here. No project is needed, nothing is tracked."""
    from gitstage import imports

    imports.get_path(url, out, force=force)

"""`git stage get`."""

from __future__ import annotations

import click

from gitstage.cli import volume
from gitstage.commands.import_ import moving, origin, origin_options


@click.command()
@click.option("-o", "--out", metavar="PATH", help="Where it goes; by default its name, here.")
@click.option("-f", "--force", is_flag=True, help="Replace what is there.")
@click.option("--show-url", is_flag=True, help="Only print where the data is kept.")
@origin_options
@volume
@click.argument("url")
@click.argument("path")
def command(
    url: str, path: str, out: str | None, force: bool, show_url: bool, rev: str | None, jobs: int | None,
    config: str | None, remote: str | None, remote_config: tuple[str, ...], quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Copy PATH, a file or folder of the Git repository at URL. No project is needed, nothing is tracked."""
    from gitstage import imports
    from gitstage.ui import Ui

    source = origin(url, path, rev, config, remote, remote_config)
    if show_url:
        click.echo(imports.where(source))
    else:
        with moving(Ui(quiet=quiet), jobs) as transfer:
            imports.get(source, out, force=force, transfer=transfer)

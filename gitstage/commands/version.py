"""`git stage version`."""

from __future__ import annotations

import click

from gitstage import __version__
from gitstage.cli import volume


@click.command()
@volume
def command(quiet: bool, verbose: int) -> None:
    """Print the version; with -v also those of Python, Git and the libraries."""
    click.echo(f"git-stage {__version__}")
    if verbose:
        import importlib.metadata
        import platform
        import subprocess

        click.echo(f"python {platform.python_version()} on {platform.platform()}")
        click.echo(subprocess.run(["git", "version"], capture_output=True, text=True, check=False).stdout.strip())
        for name in ("pygit2", "pyyaml", "click", "ruamel.yaml", "pathspec"):
            click.echo(f"{name} {importlib.metadata.version(name)}")

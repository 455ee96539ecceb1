"""`git-stage shell-init`: the dispatcher as a shell function."""

from __future__ import annotations

import click

from gitstage.cli import DISPATCHED
from gitstage.shim import SHELLS


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print a shell function `git` that makes `git stage VERB` work.

    \b
    bash, zsh:  eval "$(git-stage shell-init bash)"
    fish:       git-stage shell-init fish | source
    """
    from gitstage import shim
    from gitstage.commands.shim import programs

    click.echo(shim.shell_function(shell, programs(), DISPATCHED), nl=False)

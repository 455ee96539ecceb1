"""`git-stage shell-init`: the dispatcher as a shell function."""

from __future__ import annotations

from gitstage.cli import DISPATCHED
from gitstage.options import argument, verb
from gitstage.shim import SHELLS
from gitstage.ui import Ui


@verb()
@argument("shell", choices=SHELLS)
def command(shell: str) -> None:
    """Print a shell function `git` that makes `git stage VERB` work.

    \b
    bash, zsh:  eval "$(git-stage shell-init bash)"
    fish:       git-stage shell-init fish | source
    """
    from gitstage import shim
    from gitstage.commands.shim import programs

    Ui().say(shim.shell_function(shell, programs(), DISPATCHED).rstrip("\n"))

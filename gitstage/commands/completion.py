"""`git stage completion`."""

from __future__ import annotations

from gitstage.cli import DISPATCHED
from gitstage.options import option, verb
from gitstage.shim import SHELLS
from gitstage.ui import Ui


@verb()
@option("-s", "--shell", choices=SHELLS, default="bash", show_default=True, help="For which shell.")
def command(shell: str) -> None:
    """Print what makes the shell complete git-stage, `git stage` and `git gitstage`.

    \b
    bash:  eval "$(git-stage completion -s bash)"     in ~/.bashrc
    zsh:   eval "$(git-stage completion -s zsh)"      in ~/.zshrc, after compinit
    fish:  git-stage completion -s fish | source      in config.fish
    """
    import shlex

    from gitstage.commands.shim import programs
    from gitstage.resources import fill, template

    values = {"BIN": shlex.quote(programs()), "VERBS": " ".join(DISPATCHED)}
    Ui().say(fill(template(f"completion.{shell}"), values).rstrip("\n"))

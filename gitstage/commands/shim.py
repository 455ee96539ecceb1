"""`git-stage shim`: the `git` dispatcher that makes `git stage VERB` work."""

from __future__ import annotations

import os
import shutil
import sys

from gitstage.cli import DISPATCHED
from gitstage.options import family, option
from gitstage.ui import Ui


def programs() -> str:
    """The folder that git-gitstage was started from, or would be."""
    started = os.path.dirname(os.path.abspath(sys.argv[0]))
    if os.path.exists(os.path.join(started, "git-gitstage")):
        return started
    found = shutil.which("git-gitstage")
    return os.path.dirname(os.path.abspath(found)) if found else os.path.dirname(sys.executable)


@family
def command() -> None:
    """Install or remove the `git` dispatcher.

    Git has a built-in named `stage`, another name for `git add`. The dispatcher is a small sh program named `git` that
    comes first on PATH, gives `git stage VERB` to git-stage, and hands every other call to the real git unchanged.
    Without it, `git gitstage VERB` and `git-stage VERB` do the same work.
    """


@command.verb()
@option("--dir", "folder", metavar="DIR", help="Where to put it. Default: beside git-stage, if no git is there.")
def install(folder: str | None) -> None:
    """Write the dispatcher, or upgrade it."""
    from gitstage import shim

    done = shim.install(folder or shim.default_folder(programs()), programs(), DISPATCHED)
    Ui().say(f"{done.action} {done.path}: `git stage VERB` is git-stage, everything else goes to {done.real}")
    if not done.first:
        Ui().say("It is not active yet: another git comes first on PATH. Add to your shell's profile:")
        Ui().say(f'  export PATH="{os.path.dirname(done.path)}:$PATH"')


@command.verb()
@option("--dir", "folder", metavar="DIR", help="Where it is. Default: where `git-stage shim path` says.")
def uninstall(folder: str | None) -> None:
    """Remove the dispatcher."""
    from gitstage import shim

    if folder is None:
        found = shim.find([programs()])
        folder = os.path.dirname(found) if found else None
    removed = shim.uninstall(folder) if folder is not None else None
    Ui().say(f"removed {removed}" if removed else "no dispatcher is installed")


@command.verb()
def path() -> int:
    """Print where the dispatcher is; exit code 1 if there is none."""
    from gitstage import shim

    found = shim.find([programs()])
    if found is None:
        return 1
    Ui().say(found)
    return 0

"""`git stage uninstall`: takes our hooks out again."""

from __future__ import annotations

import os

from gitstage.errors import NoProject, UsageError
from gitstage.options import option, verb, volume


@verb()
@option("--global", "everywhere", is_flag=True, help="Those of `install --global`.")
@option("--template", metavar="DIR", help="Those of `install --template DIR`.")
@volume
def command(everywhere: bool, template: str | None, quiet: bool, verbose: int) -> None:
    """Remove the Git hooks of this repository; a hook that was there before comes back."""
    from gitstage.commands.install import line
    from gitstage.git import Repo
    from gitstage.hooks import installer
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    if everywhere and template is not None:
        raise UsageError("--template does not go with --global")
    if template is not None:
        results, where = installer.uninstall_from_template(template), f"in {template}"
    elif everywhere:
        results, where = installer.uninstall_global(), "for all repositories"
    else:
        repo = Repo.discover(os.getcwd())
        if repo is None:
            raise NoProject("not inside a Git repository", "git init")
        results, where = installer.uninstall(repo), "here"
    for result in results:
        ui.say(line(result))
    if not results:
        ui.say(f"No hooks of git-stage are installed {where}")

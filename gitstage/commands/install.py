"""`git stage install`: the hooks of this repository, of all repositories, or of those that will be cloned."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence

from gitstage.errors import NoProject, UsageError
from gitstage.options import option, verb, volume
from gitstage.static import TYPE_CHECKING

if TYPE_CHECKING:
    from gitstage.git import Repo
    from gitstage.hooks.installer import Result
    from gitstage.project import Project
    from gitstage.ui import Ui


def line(result: Result) -> str:
    """One hook's outcome in words, its path as seen from here if it lies below."""
    shown = os.path.relpath(result.path) if os.path.isabs(result.path) else result.path
    path = result.path if shown.startswith("..") else shown
    if result.action == "left":
        return f"{result.hook}: left to {result.manager}, which runs it by {path}"
    text = f"{result.action} {path}"
    if result.action == "chained" and result.previous is not None:
        whose = "the hook that was there" if result.manager is None else f"the hook of {result.manager}"
        return f"{text}: {whose} runs first, as {os.path.basename(result.previous)}"
    if result.action == "chained":
        return f"{text}: ours runs at the top of the script"
    return text


def say_all(results: Sequence[Result], ui: Ui) -> None:
    """What was done, and what its user should know about the other managers."""
    for result in results:
        ui.say(line(result))
    changed = {result.manager: result for result in results if result.action not in ("unchanged", "left")}
    if "lefthook" in changed and changed["lefthook"].previous is not None:
        ui.say("lefthook takes the place of our hooks when its configuration changes; then: git stage install")
        ui.say("To have it run ours instead, see docs/hooks.md")
    if "husky" in changed:
        ui.say(
            "The scripts of husky are part of the repository; to give them to everybody: git add .husky && git commit"
        )


def install_hooks(project: Project, ui: Ui) -> None:
    """Install the hooks in the project's repository and say what was done."""
    from gitstage.hooks import installer

    if project.repo is None:
        raise NoProject("not inside a Git repository, so there is nowhere to put hooks", "git init")
    say_all(installer.install(project.repo, sys.executable), ui)


def _repository() -> Repo:
    from gitstage.git import Repo

    repo = Repo.discover(os.getcwd())
    if repo is None:
        raise NoProject("not inside a Git repository", "git init")
    return repo


@verb()
@option("--global", "everywhere", is_flag=True, help="For every repository of yours, new clones included.")
@option("--config-hooks", is_flag=True, help="Name them in the Git configuration (Git 2.54 or later).")
@option("--template", metavar="DIR", help="Into a template folder, from which `git clone` and `git init` copy.")
@option("--use-pre-commit-tool", is_flag=True, help="Have the pre-commit framework run them.")
@volume
def command(
    everywhere: bool,
    config_hooks: bool,
    template: str | None,
    use_pre_commit_tool: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Install the Git hooks of this repository.

    From then on a commit that would record a stale or lost output is refused, and the outputs follow whatever Git does
    to the work tree. A hook that is there already is kept and runs first. `git stage uninstall` undoes it.
    """
    from gitstage.hooks import installer
    from gitstage.project import Project
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    if sum((template is not None, everywhere, config_hooks, use_pre_commit_tool)) > 1:
        raise UsageError("--global, --config-hooks, --template and --use-pre-commit-tool exclude each other")
    if template is not None:
        say_all(installer.install_in_template(template, sys.executable), ui)
        if not installer.is_template(template):
            ui.say("To give new clones these hooks:")
            ui.say(f"  git config --global init.templateDir {shlex.quote(os.path.abspath(template))}")
    elif everywhere:
        say_all(installer.install_global(sys.executable), ui)
    elif config_hooks:
        say_all(installer.install(_repository(), sys.executable, in_config=True), ui)
    elif use_pre_commit_tool:
        path, changed = installer.install_in_framework(_repository(), sys.executable)
        ui.say(f"{'updated' if changed else 'unchanged'} {os.path.relpath(path)}")
        ui.say("Have the framework run its hooks, if it does not yet, and commit that file:")
        ui.say(f"  pre-commit install {' '.join(f'-t {name}' for name in installer.framework_types())}")
    else:
        install_hooks(Project.open(), ui)

"""Hooks that the Git configuration names, as Git has them from version 2.54 on: one section for each hook.

Git runs the command through sh with the hook's arguments after it, before the file in the hooks' folder. The names of
the sections are ours; one that equals the name of a hook is an error to Git. An older Git does not look at them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from gitstage.errors import GitstageError
from gitstage.git import git_version

NEEDED = (2, 54)
_SECTION = "hook.gitstage-"

Config = Callable[..., bytes]
"""`git config ARGUMENTS` at the place that is meant: of one repository, or of the user."""


def require_version() -> None:
    """Raise GitstageError unless this Git runs hooks that its configuration names."""
    found = git_version()
    if found < NEEDED:
        needed, this = (".".join(map(str, version)) for version in (NEEDED, found))
        raise GitstageError(
            f"hooks in the Git configuration need Git {needed} or later; this is {this}",
            "git stage install --template DIR   # brings the hooks to new clones",
        )


def shell_command(name: str, file: str) -> str:
    """What Git runs: the hook file, or git-gitstage if that is gone."""
    quoted = shlex.quote(file)
    return f'[ ! -f {quoted} ] || exec sh {quoted} "$@"; exec git-gitstage hook {name}'


def present(config: Config) -> dict[str, str]:
    """Our hooks in that configuration: name -> command."""
    listed = config("-z", "--get-regexp", rf"^{re.escape(_SECTION)}.*\.command$", check=False).decode(
        errors="surrogateescape"
    )
    found = {}
    for record in listed.split("\0")[:-1]:
        key, _, value = record.partition("\n")
        found[key.removeprefix(_SECTION).removesuffix(".command")] = value
    return found


def put_in(config: Config, name: str, file: str, undo: Callable[[Callable[[], object]], None]) -> str:
    """Name hook `file` in that configuration, or renew it. Tells what was done, as Result.action."""
    before = present(config).get(name)
    command = shell_command(name, file)
    if before == command:
        return "unchanged"
    if before is None:
        undo(lambda: take_out(config, name))
        put_back(config, name, command)
        return "installed"
    undo(lambda: config(f"{_SECTION}{name}.command", before))
    config(f"{_SECTION}{name}.command", command)
    return "updated"


def put_back(config: Config, name: str, command: str) -> None:
    """Write the section of one hook."""
    config(f"{_SECTION}{name}.command", command)
    config(f"{_SECTION}{name}.event", name)  # from here on Git runs it


def take_out(config: Config, name: str) -> None:
    """Remove the section of one hook."""
    config("--remove-section", f"{_SECTION}{name}", check=False)

"""What the pre-commit framework tells of a hook that it runs for us: in variables, not as Git tells it.

`.pre-commit-hooks.yaml` describes the hooks; they get neither Git's arguments nor what Git writes to a hook's stdin.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from gitstage.errors import FormatError
from gitstage.hooks import managers
from gitstage.static import TYPE_CHECKING

if TYPE_CHECKING:
    from gitstage.git import Repo
    from gitstage.hooks.changes import Changes

_ARGUMENTS = {
    "post-checkout": ("FROM_REF", "TO_REF", "CHECKOUT_TYPE"),
    "post-merge": ("IS_SQUASH_MERGE",),
    "post-rewrite": ("REWRITE_COMMAND",),
    "pre-push": ("REMOTE_NAME", "REMOTE_URL"),
}

TYPES = ("pre-commit", "pre-merge-commit", "post-checkout", "post-merge", "post-commit", "post-rewrite", "pre-push")
"""Hooks that the framework can run."""


def arguments(name: str, env: Mapping[str, str]) -> Sequence[str] | None:
    """The arguments that Git gave to hook `name`; None if the framework does not run this."""
    if env.get("PRE_COMMIT") != "1":
        return None
    return [env.get(f"PRE_COMMIT_{variable}", "") for variable in _ARGUMENTS.get(name, ())]


def pushed(repo: Repo) -> str:
    """What Git would write to the stdin of pre-push, if every local branch and tag were pushed.

    The framework tells of the first one only, and not of a new one's history; so all count, and what the remote has of
    them already costs nothing.
    """
    listed = repo.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags")
    lines = (line.rsplit(" ", 1) for line in listed.decode(errors="surrogateescape").splitlines())
    return "".join(f"{name} {id_} {name} {'0' * len(id_)}\n" for name, id_ in lines)


def describe(names: Sequence[str]) -> list[str]:
    """Lines of .pre-commit-config.yaml, an element of `repos`, by which the framework runs our hooks `names`."""
    lines = ["- repo: local", "  hooks:"]
    for name in names:
        if name == "pre-merge-commit":  # goes with pre-commit
            continue
        stages = "pre-commit, pre-merge-commit" if name == "pre-commit" else name
        lines += [
            f"  - id: gitstage-{name}",
            f"    name: gitstage {name}",
            f"    entry: git-gitstage hook {name}",
            "    language: system",
            f"    stages: [{stages}]",
            "    always_run: true",
            "    pass_filenames: false",
            "    require_serial: true",
        ]
    return lines


def configure(top: str, names: Sequence[str], changes: Changes) -> tuple[str, bool]:
    """Make the framework's configuration in folder `top` run our hooks `names`, as far as it does not.

    Returns its path and whether it was changed. The rest of the file stays as it is. Raises FormatError if it is not
    written as the framework's documentation has it.
    """
    path = os.path.join(top, managers.PRE_COMMIT_FILES[0])
    missing = [name for name in names if managers.configured(top, managers.PRE_COMMIT, name) is None]
    if not missing:
        return path, False
    lines = describe(missing)
    if not os.path.lexists(path):
        changes.write(path, "\n".join(["repos:", *lines, ""]).encode(), None)
        return path, True
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        text = stream.read()
    found = re.search(r"^repos:[ \t]*(#[^\r\n]*)?(\r?\n)((?:[ \t]*(?:#[^\r\n]*)?\r?\n)*)([ \t]*)- ", text, re.M)
    if found is None:
        raise FormatError(
            os.path.basename(path), "there is no list below `repos:`", hint="add the hooks yourself: docs/hooks.md"
        )
    added = "".join(f"{found[4]}{line}{found[2]}" for line in lines)
    at = found.start(3)
    new = text[:at] + added + text[at:]
    changes.write(path, new.encode("utf-8", "surrogateescape"), None)
    return path, True

"""What the pre-commit framework tells of a hook that it runs for us: in variables, not as Git tells it.

`.pre-commit-hooks.yaml` describes the hooks; they get neither Git's arguments nor what Git writes to a hook's stdin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitstage.git import Repo

_ARGUMENTS = {
    "post-checkout": ("FROM_REF", "TO_REF", "CHECKOUT_TYPE"),
    "post-merge": ("IS_SQUASH_MERGE",),
    "post-rewrite": ("REWRITE_COMMAND",),
    "pre-push": ("REMOTE_NAME", "REMOTE_URL"),
}


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

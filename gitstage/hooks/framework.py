"""What the pre-commit framework tells of a hook that it runs for us: in variables, not as Git tells it.

`.pre-commit-hooks.yaml` describes the hooks; they get neither Git's arguments nor what Git writes to a hook's stdin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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

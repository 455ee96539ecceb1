"""`python -m gitstage.hooks NAME ARGS`: one hook, without click, so that it starts fast."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from gitstage.errors import GitstageError
from gitstage.processes import end
from gitstage.terminal import guarded

REFUSING = frozenset({"pre-commit", "pre-merge-commit", "pre-push"})
"""Hooks whose exit code Git acts on; the others always exit with 0, so that Git's own exit code stays true."""


UNJUDGED = "unjudged"
"""The last argument where Git ran no pre-commit for the commit that it just made."""
PASSING = "passing"
"""Added by sequence.sh: Git goes on by itself, the outputs are not wanted yet."""


def run_hook(name: str, arguments: Sequence[str]) -> int:
    """Run hook `name` and return its exit code. All that is said goes to stderr, a few lines at most."""
    if os.environ.get("GITSTAGE_HOOKS") == "0":
        return 0
    if not arguments and "PRE_COMMIT" in os.environ:
        from gitstage.hooks import framework

        arguments = framework.arguments(name, os.environ) or arguments
    try:
        if name == "pre-push":
            from gitstage.hooks import push

            return push.pre_push(*arguments[:1])
        if name in REFUSING:
            from gitstage.hooks import gate

            return gate.pre_commit(is_merge=name == "pre-merge-commit")
        from gitstage.hooks import restore

        if name == "post-checkout":
            restore.post_checkout(*[*arguments, "", "", ""][:3])
        elif name in restore.EVENTS:
            if UNJUDGED in arguments:
                _look_at_commit(name)
            if PASSING not in arguments:
                restore.after(name)
    except GitstageError as error:
        say(f"{name}: {error}")
        if error.hint:
            say(f"hint: {error.hint}")
        return 1 if name in REFUSING else 0
    except KeyboardInterrupt:
        return 130 if name in REFUSING else 0
    except OSError as error:
        say(f"{name}: {error.filename or ''}: {error.strerror or error}")
        return 1 if name in REFUSING else 0
    return 0


def _look_at_commit(name: str) -> None:
    """Warn of what pre-commit would have refused. Whatever goes wrong here, the outputs are brought in line."""
    from gitstage.hooks import gate

    try:
        gate.after_commit(is_merge=name == "post-merge")
    except GitstageError as error:
        say(f"{name}: {error}")


def say(text: str) -> None:
    """One line on stderr, where Git shows what hooks say."""
    print(f"gitstage: {text}" if not text.startswith("hint:") else text, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    with guarded():
        code = run_hook(sys.argv[1], sys.argv[2:])
    end(code)

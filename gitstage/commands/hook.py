"""`git stage hook`: what the hook files call when the interpreter that installed them is gone."""

from __future__ import annotations

from gitstage.options import argument, verb


@verb(unknown_is_word=True)
@argument("name")
@argument("arguments", nargs=-1, raw=True)
def command(name: str, arguments: tuple[str, ...]) -> int:
    """Run what Git hook NAME does."""
    from gitstage.hooks.__main__ import run_hook

    return run_hook(name, arguments)

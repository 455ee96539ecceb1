"""`git stage hook`: what the hook files call when the interpreter that installed them is gone."""

from __future__ import annotations

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(name: str, arguments: tuple[str, ...]) -> int:
    """Run what Git hook NAME does."""
    from gitstage.hooks.__main__ import run_hook

    return run_hook(name, arguments)

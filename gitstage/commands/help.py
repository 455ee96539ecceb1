"""`git stage help`."""

from __future__ import annotations

import click

from gitstage.cli import PROGRAM, cli
from gitstage.errors import EXIT_CODES


@click.command()
@click.argument("verb", required=False)
def command(verb: str | None) -> None:
    """Show help for VERB, for all verbs, or the table of exit codes (git stage help exit-codes)."""
    if verb == "exit-codes":
        for code, meaning in EXIT_CODES.items():
            click.echo(f"{code:>4}  {meaning}")
        return
    with click.Context(cli, info_name=PROGRAM, **cli.context_settings) as context:
        if verb is None:
            click.echo(cli.get_help(context))
            return
        _, found, _ = cli.resolve_command(context, [verb])
        assert found is not None
        with click.Context(found, info_name=verb, parent=context) as inner:
            click.echo(found.get_help(inner))

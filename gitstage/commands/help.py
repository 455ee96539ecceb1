"""`git stage help`."""

from __future__ import annotations

import click

from gitstage.cli import PROGRAM, cli
from gitstage.errors import EXIT_CODES, UsageError


@click.command()
@click.argument("words", nargs=-1, metavar="[VERB]...")
def command(words: tuple[str, ...]) -> None:
    """Show help for VERB (also of two words: params diff), for all verbs, or the exit codes (git stage help exit-codes)."""
    if words == ("exit-codes",):
        for code, meaning in EXIT_CODES.items():
            click.echo(f"{code:>4}  {meaning}")
        return
    found: click.Command = cli
    context = click.Context(cli, info_name=PROGRAM, **cli.context_settings)
    for number, word in enumerate(words):
        inner = found.get_command(context, word) if isinstance(found, click.Group) else None
        if inner is None and number == 0:
            cli.resolve_command(context, [word])  # says what is close to it
        if inner is None:
            verb = " ".join(words[:number])
            raise UsageError(f"{verb}: there is no '{' '.join(words[number:])}' of it", f"{PROGRAM} help {verb}")
        found, context = inner, click.Context(inner, info_name=word, parent=context)
    click.echo(found.get_help(context))

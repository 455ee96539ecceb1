"""`git stage help`."""

from __future__ import annotations

import click

from gitstage.cli import PROGRAM, as_click
from gitstage.errors import EXIT_CODES, UsageError
from gitstage.options import argument, verb


@verb()
@argument("words", nargs=-1, metavar="[VERB]...")
def command(words: tuple[str, ...]) -> None:
    """Show help for VERB (also of two words: params diff), for all verbs, or the exit codes (git stage help exit-codes)."""
    if words == ("exit-codes",):
        for code, meaning in EXIT_CODES.items():
            click.echo(f"{code:>4}  {meaning}")
        return
    whole = as_click()
    found: click.Command = whole
    context = click.Context(whole, info_name=PROGRAM, **whole.context_settings)
    for number, word in enumerate(words):
        inner = found.get_command(context, word) if isinstance(found, click.Group) else None
        if inner is None and number == 0:
            whole.resolve_command(context, [word])  # says what is close to it
        if inner is None:
            known = " ".join(words[:number])
            raise UsageError(f"{known}: there is no '{' '.join(words[number:])}' of it", f"{PROGRAM} help {known}")
        found, context = inner, click.Context(inner, info_name=word, parent=context)
    click.echo(found.get_help(context))

"""The verbs as click's commands: for help, for completion, and for command lines that are not plain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import click

from gitstage import __version__
from gitstage.errors import UsageError
from gitstage.options import Family, Verb
from gitstage.overview import overview
from gitstage.static import Any


class LazyGroup(click.Group):
    """Imports the module of the verb that is called, and no other.

    `verbs` and `hidden` map names to descriptions, `aliases` names to names; `find` imports a verb.
    """

    def __init__(
        self, verbs: Mapping[str, str], hidden: Mapping[str, str], aliases: Mapping[str, str],
        find: Callable[[str], Verb | Family], program: str,
    ) -> None:  # fmt: skip
        super().__init__(
            "cli",
            callback=_without_verb,
            invoke_without_command=True,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        click.version_option(__version__, "-V", "--version", prog_name="git-stage", message="%(prog)s %(version)s")(
            self
        )
        self.verbs, self.hidden_verbs, self.aliases, self.find, self.program = verbs, hidden, aliases, find, program

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.verbs, *self.hidden_verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = self.aliases.get(cmd_name, cmd_name)
        return as_command(self.find(name), name) if name in {**self.verbs, **self.hidden_verbs} else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = {**self.verbs, **self.hidden_verbs, **self.aliases}
        if args and not args[0].startswith("-") and args[0] not in known:
            import difflib

            close = difflib.get_close_matches(args[0], self.verbs, 1)
            hint = f"{self.program} {close[0]}" if close else f"{self.program} help"
            raise UsageError(f"there is no verb '{args[0]}'", hint)
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        return overview(self.verbs)

    def run(self, argv: Sequence[str]) -> Any:
        """Run one command line; returns what its verb does. Raises UsageError for what click refuses."""
        try:
            return self.main(list(argv), prog_name=self.program, standalone_mode=False)
        except click.exceptions.Exit as error:
            return error.exit_code
        except click.UsageError as error:
            words = error.ctx.command_path.split()[2:] if error.ctx is not None else []
            helps = ["help", *words] if len(words) < 2 else [*words, "--help"]
            raise UsageError(error.format_message(), f"{self.program} {' '.join(helps)}") from None
        except click.ClickException as error:
            raise UsageError(error.format_message()) from None
        except click.Abort:
            raise KeyboardInterrupt from None


@click.pass_context
def _without_verb(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


class _Words(click.Command):
    """A verb. Its words are what `Verb.words` makes of those given."""

    verb: Verb

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self.verb.words(args))


class _Family(click.Group):
    """A family. Its word alone may have been meant as a path for `git add`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (not args[0].startswith("-") and args[0] not in self.commands):
            known = " or ".join(self.commands)
            said = f"{ctx.info_name}: '{args[0]}' is not {known}" if args else f"{ctx.info_name}: say {known}"
            group = ctx.parent.command if ctx.parent is not None else None
            program = group.program if isinstance(group, LazyGroup) else ""
            is_shown = isinstance(group, LazyGroup) and ctx.info_name in group.verbs
            path = f"; to stage a path of this name: {program} -- {ctx.info_name}" if is_shown else ""
            raise UsageError(said, f"{program} help {ctx.info_name}{path}")
        return super().parse_args(ctx, args)


def as_command(found: Verb | Family, name: str) -> click.Command:
    """A declared verb or family as click has it."""
    if isinstance(found, Family):
        group = click.group(name, cls=_Family)(_fresh(found.function))
        for word, verb in found.verbs.items():
            group.add_command(as_command(verb, word))
        return group
    call: Any = _fresh(found.function)
    for parameter in reversed(found.parameters):
        keywords = dict(parameter.keywords)
        if "least" in keywords:
            keywords["type"] = click.IntRange(keywords.pop("least"))
        if "choices" in keywords:
            keywords["type"] = click.Choice(keywords.pop("choices"))
        if keywords.pop("raw", False):
            keywords["type"] = click.UNPROCESSED
        call = (click.option if parameter.is_option else click.argument)(*parameter.names, **keywords)(call)
    settings = {
        "ignore_unknown_options": found.unknown_is_word,
        "allow_interspersed_args": not found.words_end_options,
    }
    command = click.command(name, cls=_Words, context_settings=settings)(call)
    command.verb = found
    return command


def _fresh(function: Callable[..., Any]) -> Callable[..., Any]:
    """Another function that does the same: click writes into what it is given."""

    def call(**values: Any) -> Any:
        return function(**values)

    call.__doc__ = function.__doc__
    return call

"""The `git-stage` command: finds the verb, and turns every failure into a message and an exit code."""

from __future__ import annotations

import importlib
import io
import keyword
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from gitstage import __version__
from gitstage.errors import GitstageError, SystemFailure, UsageError

PROGRAM = "git stage"

COMMANDS: dict[str, str] = {
    "init": "Make a project here: .dvc/, and the Git hooks if wanted.",
    "run": "Describe a stage, run its command and record what went in and came out.",
    "repro": "Run the stages whose inputs, command or outputs changed.",
    "status": "Show which stages and data differ from what was recorded.",
    "verify": "Check that commits record what came of the files that they hold.",
    "add": "Track data files or directories.",
    "checkout": "Make the outputs in the work tree what dvc.lock and *.dvc say.",
    "commit": "Record the outputs in the work tree as results, without running.",
    "push": "Send the outputs' content to a remote.",
    "pull": "Bring the outputs' content from a remote into the work tree.",
    "fetch": "Bring the outputs' content from a remote into the cache.",
    "diff": "Show which data changed between commits, or since one.",
    "resolve": "Merge pipeline files that a Git merge left with conflicts.",
    "freeze": "Keep stages and data as they are, whatever changes around them.",
    "unfreeze": "Let stages and data follow their inputs again.",
    "remove": "Take stages or data out of the project.",
    "move": "Rename tracked data.",
    "unprotect": "Make links into the cache plain files that may be edited.",
    "import": "Track a copy of what another Git repository has.",
    "import-url": "Track a copy of a file or folder from outside.",
    "update": "Bring imports up to date with where they are from.",
    "get": "Copy what another Git repository has.",
    "get-url": "Copy a file or folder from outside.",
    "gc": "Delete objects that nothing needs from the cache.",
    "data": "Show which data differs between commit, record and work tree (data status).",
    "why": "Explain why stages are stale: what changed first, and what follows from it.",
    "metrics": "Show metrics, and compare those of commits.",
    "params": "Compare the parameters of commits.",
    "plots": "Draw plots, also of several commits over each other.",
    "dag": "Draw the graph of stages.",
    "list": "List the stages.",
    "ls": "List files and outputs of a project at any revision.",
    "ls-url": "List files at an address outside.",
    "list-url": "Another name for ls-url.",
    "du": "Show how much space outputs and files take.",
    "show": "Show a tracked path's hash, size, cache path and files.",
    "remote": "Say where data is kept for others: add, list, modify, remove, rename, default.",
    "config": "Show or change DVC's settings.",
    "cache": "Say where the cache is; bring a cache of DVC 2 to DVC 3's layout.",
    "check-ignore": "Show whether .dvcignore leaves paths out.",
    "completion": "Print completions for bash, zsh or fish.",
    "root": "Print the project's root.",
    "install": "Install the Git hooks in this repository.",
    "uninstall": "Remove the Git hooks and put earlier ones back.",
    "doctor": "Check hooks, dispatcher and cache; say what mends what is wrong.",
    "version": "Print the version.",
    "help": "Show help for a verb.",
}
HIDDEN: dict[str, str] = {
    "complete": "Print what could stand where the cursor is.",
    "hook": "Run what a Git hook does.",
    "merge-file": "Merge three versions of a pipeline file, as Git's merge driver.",
    "shim": "Install or remove the `git` dispatcher.",
    "shell-init": "Print a shell function that makes `git stage` reach this program.",
}
ALIASES: dict[str, str] = {"rm": "remove", "mv": "move"}
"""Short names that DVC has, too."""
DISPATCHED: tuple[str, ...] = (*COMMANDS, *ALIASES)
"""The words that the `git` dispatcher sends here; any other `git stage WORD` is Git's own."""

_EPILOG = (
    "To stage files with Git itself: git stage PATH (another name for git add). Exit codes: git stage help exit-codes"
)


class LazyGroup(click.Group):
    """Imports the module of the verb that is called, and no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = ALIASES.get(cmd_name, cmd_name)
        if cmd_name not in COMMANDS and cmd_name not in HIDDEN:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"gitstage.commands.{name}{'_' if keyword.iskeyword(name) else ''}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in {**COMMANDS, **HIDDEN, **ALIASES}:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, 1)
            raise UsageError(f"there is no verb '{args[0]}'", f"{PROGRAM} {close[0]}" if close else f"{PROGRAM} help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup, epilog=_EPILOG, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, "-V", "--version", prog_name="git-stage", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Data pipelines as a native part of Git."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


_F = TypeVar("_F", bound=Callable[..., Any])


def volume(function: _F) -> _F:
    """The options -q and -v that every verb has."""
    function = click.option("-v", "--verbose", count=True, help="Say more.")(function)
    return click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")(function)


class Spread(click.Command):
    """A command whose repeatable options in `spread` take all words up to the next option, as DVC's `--targets A B` do."""

    spread: tuple[str, ...] = ("--targets",)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words: list[str] = []
        option: str | None = None
        for number, word in enumerate(args):
            if word == "--":
                words += args[number:]
                break
            if word.startswith("-"):
                option = word if word in self.spread else None
                words += [] if option else [word]
            else:
                words.append(f"{option}={word}" if option else word)
        return super().parse_args(ctx, words)


class Family(click.Group):
    """Verbs behind one word, as in `metrics show`. The word alone may have been meant as a path for `git add`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (not args[0].startswith("-") and args[0] not in self.commands):
            known = f"{' or '.join(self.commands)}"
            said = f"{ctx.info_name}: '{args[0]}' is not {known}" if args else f"{ctx.info_name}: say {known}"
            path = f"; to stage a path of this name: {PROGRAM} -- {ctx.info_name}" if ctx.info_name in COMMANDS else ""
            raise UsageError(said, f"{PROGRAM} help {ctx.info_name}{path}")
        return super().parse_args(ctx, args)


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code; prints at most one line of error and one of hint."""
    try:
        for stream in (sys.stdout, sys.stderr):  # a name that the terminal's encoding lacks is shown escaped
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        result = cli.main(argv, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.UsageError as error:
        words = error.ctx.command_path.split()[2:] if error.ctx is not None else []
        helps = f"{PROGRAM} {' '.join(words)} --help" if len(words) > 1 else f"{PROGRAM} {' '.join(['help', *words])}"
        return _fail(UsageError(error.format_message(), helps))
    except click.ClickException as error:
        return _fail(UsageError(error.format_message()))
    except GitstageError as error:
        return _fail(error)
    except (click.Abort, KeyboardInterrupt):
        print("git-stage: interrupted", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:
        # whoever read our output has seen enough; keep the interpreter from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(SystemFailure(f"{where}{error.strerror or error}"))
    except RecursionError:
        return _fail(GitstageError("the input is nested too deeply"))


def _fail(error: GitstageError) -> int:
    message = " ".join(str(error).split("\n")).strip()
    try:
        sys.stdout.flush()
        print(f"git-stage: {message}", file=sys.stderr)  # noqa: T201
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)  # noqa: T201
    except OSError:
        pass
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())

"""The `git-stage` command: finds the verb, and turns every failure into a message and an exit code."""

from __future__ import annotations

import gc
import importlib
import keyword
import os
import sys
from collections.abc import Sequence

from gitstage.errors import GitstageError, SystemFailure
from gitstage.options import Family, NotPlain, Verb
from gitstage.processes import end
from gitstage.static import TYPE_CHECKING, Any, NoReturn
from gitstage.terminal import guarded

if TYPE_CHECKING:
    from gitstage.group import LazyGroup

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
    "undo": "Bring back what the last commands replaced or removed.",
    "fsck": "Check that every object of the cache is what its name says.",
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


def find(name: str) -> Verb | Family:
    """Import the verb of a name in COMMANDS or HIDDEN."""
    module = name.replace("-", "_")
    found = importlib.import_module(f"gitstage.commands.{module}{'_' if keyword.iskeyword(module) else ''}").command
    assert isinstance(found, (Verb, Family))
    return found


def as_click() -> LazyGroup:
    """The whole command line as click has it."""
    from gitstage.group import LazyGroup

    return LazyGroup(COMMANDS, HIDDEN, ALIASES, find, PROGRAM)


def _run(words: Sequence[str]) -> Any:
    """Run one command line; returns what its verb does."""
    name = ALIASES.get(words[0], words[0]) if words else ""
    if [*words] in ([], ["-h"], ["--help"], ["help"]):
        from gitstage.overview import overview

        print(overview(COMMANDS))  # noqa: T201
        return 0
    if [*words] == ["--version"]:
        name = "version"
    if name in COMMANDS or name in HIDDEN:
        found, rest = find(name), words[1:]
        verb = found if isinstance(found, Verb) else found.verbs.get(rest[0]) if rest else None
        if verb is not None:
            try:
                values = verb.read(rest if verb is found else rest[1:])
            except NotPlain:
                pass
            else:
                return verb.function(**values)
    return as_click().run(words)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; prints at most one line of error and one of hint."""
    gc.set_threshold(50_000, 20, 20)  # most objects of a command live until its end
    with guarded():
        return _main(sys.argv[1:] if argv is None else argv)


def program() -> NoReturn:
    """Run the command line of this process, and end it."""
    end(main())


def _main(words: Sequence[str]) -> int:
    try:
        result = _run(words)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except GitstageError as error:
        return _fail(error)
    except KeyboardInterrupt:
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
    program()

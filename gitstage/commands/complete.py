"""`git-stage complete`: the words that could stand where the cursor is, for the shells' completions."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click

from gitstage.cli import COMMANDS, as_click
from gitstage.group import LazyGroup
from gitstage.options import argument, option, verb

Candidate = tuple[str, str]
"""A word and what it is."""

_FILES: Candidate = (":files:", "")  # file names, which the shell itself can list
_STAGES = frozenset(("target", "targets", "words", "names", "name"))
_FILE_NAMES = frozenset(
    ("path", "paths", "file", "files", "out", "url", "src", "dst", "source", "destination", "directory")
)
_REVISIONS = frozenset(("old", "new", "rev", "revs", "revisions"))


@verb(unknown_is_word=True)
@option("--line", help="The command line up to the cursor, instead of words.")
@argument("words", nargs=-1, raw=True)
def command(line: str | None, words: tuple[str, ...]) -> None:
    """Print candidates for the last of WORDS, one on a line, each with a tab and its meaning."""
    given = list(words) or [""] if line is None else _after_program(line)
    for word, meaning in dict.fromkeys(candidates(given[:-1], given[-1])):
        click.echo(f"{word}\t{meaning}" if meaning else word)


def _after_program(line: str) -> list[str]:
    """The words behind `git-stage`, `git stage` or `git gitstage`; the last one is what is being typed."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words += lexer
    except ValueError:  # an open quote
        words.append(lexer.token)
    else:
        if not line or line[-1].isspace():
            words.append("")
    for number, word in enumerate(words[:-1]):
        if word in ("stage", "gitstage") or word.rpartition("/")[2] in ("git-stage", "git-gitstage"):
            return words[number + 1 :]
    return words[-1:]


def candidates(before: list[str], typed: str) -> Iterator[Candidate]:
    """What could replace `typed` behind the words `before`."""
    group: click.Command = as_click()
    rest = list(before)
    context = click.Context(group, info_name="git stage")
    while isinstance(group, click.Group):
        verbs = [word for word in rest if not word.startswith("-")]
        found = group.get_command(context, verbs[0]) if verbs else None
        if found is None:
            if not verbs:
                yield from _verbs(group, typed)
            return
        rest = rest[rest.index(verbs[0]) + 1 :]
        group = found
    for word, meaning in _of_verb(group, context, rest, typed):
        if word.startswith(typed) or (word, meaning) == _FILES:
            yield word, meaning


def _verbs(group: click.Group, typed: str) -> Iterator[Candidate]:
    if isinstance(group, LazyGroup):
        known = COMMANDS.items()
    else:
        known = {name: one.get_short_help_str() for name, one in group.commands.items()}.items()
    yield from ((name, meaning) for name, meaning in known if name.startswith(typed))


def _of_verb(command: click.Command, context: click.Context, before: list[str], typed: str) -> Iterator[Candidate]:
    options = [one for one in command.get_params(context) if isinstance(one, click.Option) and not one.hidden]
    by_name = {name: one for one in options for name in (*one.opts, *one.secondary_opts)}
    waiting = by_name.get(before[-1]) if before and "--" not in before else None
    if waiting is not None and not waiting.is_flag and not waiting.count:
        yield from _values(waiting, before)
    elif typed.startswith("-") and "--" not in before:
        for name, option in by_name.items():
            if name.startswith("--") or len(option.opts) == 1:
                yield name, option.help or ""
    else:
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                yield from _values(parameter, before)


def _values(parameter: click.Parameter, before: list[str]) -> Iterator[Candidate]:
    name = parameter.name or ""
    if isinstance(parameter.type, click.Choice):
        yield from ((str(choice), "") for choice in parameter.type.choices)
    elif isinstance(parameter.type, click.types.IntParamType):
        return
    elif name in _STAGES:
        yield from _stages()
        yield _FILES
    elif name in _REVISIONS:
        yield from _revisions()
    elif name in _FILE_NAMES or isinstance(parameter.type, click.Path) or name not in ("template", "message"):
        yield _FILES


def _stages() -> Iterator[Candidate]:
    from gitstage.errors import GitstageError
    from gitstage.project import Project
    from gitstage.ui.stages import description

    try:
        with Project.open() as project:
            for stage in project.pipeline.stages:
                yield stage.label(project.cwd), "" if stage.is_data else description(stage)
            for group in dict.fromkeys(stage.group for stage in project.pipeline.stages if stage.group):
                yield group, "All stages of the group"
    except (GitstageError, OSError):
        return


def _revisions() -> Iterator[Candidate]:
    from gitstage.errors import GitstageError
    from gitstage.git import Repo

    try:
        repo = Repo.discover()
        if repo is not None:
            yield "HEAD", "The commit that is checked out"
            for kind, what in (("refs/heads/", "Branch"), ("refs/tags/", "Tag"), ("refs/remotes/", "Remote's branch")):
                for name in repo.refs(kind):
                    yield name, what
    except (GitstageError, OSError):
        return

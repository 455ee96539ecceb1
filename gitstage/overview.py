"""What `git stage --help` prints: all verbs, by what they are for. Written without click, which takes longer than Git."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

_USAGE = "Usage: git stage [OPTIONS] VERB [ARGS]..."
_ABOUT = "Data pipelines as a native part of Git."
_OPTIONS = {"-V, --version": "Show the version and exit.", "-h, --help": "Show this message and exit."}
_END = (
    "Help for a verb: git stage help VERB",
    "Exit codes: git stage help exit-codes",
    "To stage files with Git itself: git stage PATH (another name for git add)",
)
_WIDEST, _INDENT = 80, 2

GROUPS: dict[str, tuple[str, ...]] = {
    "Set up": ("init", "install", "uninstall", "completion", "version", "help"),
    "Run": ("run", "repro", "status", "why", "freeze", "unfreeze", "dag", "list"),
    "Track data": ("add", "checkout", "commit", "diff", "data", "move", "remove", "unprotect"),
    "Share": ("push", "pull", "fetch", "remote", "import", "import-url", "update", "get", "get-url"),
    "Compare": ("metrics", "params", "plots"),
    "Look": ("ls", "ls-url", "list-url", "du", "show", "check-ignore", "root"),
    "Keep in order": ("verify", "resolve", "undo", "fsck", "gc", "cache", "config", "doctor"),
}
"""The verbs that are shown, by what they are for."""


def overview(verbs: Mapping[str, str]) -> str:
    """The whole text, for `verbs` and their descriptions; as wide as the terminal, within reason."""
    width = min(_columns(), _WIDEST)
    column = 2 * _INDENT + max(map(len, verbs))
    lines = [_USAGE, "", *_wrapped(_ABOUT, width, _INDENT), ""]
    for title, listed in {
        "Options": _OPTIONS,
        **{t: {n: verbs[n] for n in names} for t, names in GROUPS.items()},
    }.items():
        lines += [f"{title}:", *_listed(listed, width, column), ""]
    return "\n".join([*lines, *(line for text in _END for line in _wrapped(text, width, _INDENT))])


def _columns() -> int:
    try:
        return int(os.environ.get("COLUMNS", "")) or _WIDEST
    except ValueError:
        pass
    try:
        return os.get_terminal_size().columns - 2
    except OSError:
        return _WIDEST


def _listed(entries: Mapping[str, str], width: int, column: int) -> Iterator[str]:
    for name, description in entries.items():
        first, *others = _wrapped(description, width, column)
        yield f"{' ' * _INDENT}{name}".ljust(column) + first.lstrip()
        yield from others


def _wrapped(text: str, width: int, indent: int) -> Sequence[str]:
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and indent + len(line) + 1 + len(word) > width:
            lines.append(" " * indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, " " * indent + line]

"""What the user sees. The only room, beside cli, that prints; one module for each kind of thing that is shown."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence

from gitstage import terminal
from gitstage.errors import GitstageError
from gitstage.static import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitstage.project import Project

UP_TO_DATE = "Data and pipelines are up to date."
NOTHING_TRACKED = (
    "There are no data or pipelines tracked in this project yet.\n"
    "Start with: git stage add DATA, or git stage run -n NAME ... COMMAND"
)


def at_work(ui: Ui, what: str) -> contextlib.AbstractContextManager[object]:
    """A bar on a terminal while data that lies here is read and written, once that takes half a second."""
    if ui.quiet or not sys.stderr.isatty():
        return contextlib.nullcontext()
    from gitstage import progress
    from gitstage.ui.transfers import Bar

    stack = contextlib.ExitStack()
    stack.enter_context(progress.heard_by(stack.enter_context(Bar(ui, what))))
    return stack


class Ui:
    """Where messages go. `quiet`: only errors; `verbose`: also why."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose

    def say(self, text: str = "") -> None:
        """A line of result or progress, on stdout."""
        if not self.quiet:
            print(text)

    @property
    def unicode(self) -> bool:
        """Can stdout show characters beyond ASCII?"""
        try:
            "│▼".encode(sys.stdout.encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def page(self, text: str, *, painted: bool = False) -> None:
        """Many lines of result; through $PAGER where a terminal could not show them all at once.

        `painted`: there are colours of ours in them, and nothing else that a terminal acts on.
        """
        if self.quiet or not text:
            return
        if not painted:
            text = terminal.masked(terminal.neutral(text))
        if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
            import shutil
            import subprocess

            size = shutil.get_terminal_size()
            lines = text.split("\n")
            if len(lines) >= size.lines or any(len(line) > size.columns for line in lines):
                sys.stdout.flush()
                pager = ["sh", "-c", os.environ.get("PAGER") or "less"]
                env = {"LESS": "FRSX", **os.environ}
                if subprocess.run(pager, input=text + "\n", encoding="utf-8", env=env).returncode != 127:
                    return
        print(text, file=terminal.raw(sys.stdout), flush=True)

    def note(self, text: str) -> None:
        """A line about the work, on stderr, after what was said before."""
        if not self.quiet:
            self.complain(text)

    def complain(self, text: str) -> None:
        """A line about what failed, on stderr, whatever the volume."""
        sys.stdout.flush()
        print(f"git-stage: {text}", file=sys.stderr)

    def waiting(self, holder: str) -> None:
        """Somebody else has the project's lock; called after a while of waiting."""
        self.note(f"waiting for {holder} to be done with this project")

    def json(self, value: Any) -> None:
        """A value as JSON on stdout, whatever the volume."""
        print(json.dumps(value))

    def error(self, error: GitstageError) -> None:
        """One line saying what is wrong, one with what helps; on stderr, whatever the volume."""
        sys.stdout.flush()
        message = " ".join(str(error).split("\n")).strip()
        print(f"git-stage: {message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)

    def to_commit(self, project: Project, paths: Sequence[str]) -> None:
        """Which changed files are Git's to record, as a command to copy."""
        if paths and project.repo is not None and not project.config.autostage:
            import shlex

            names = " ".join(shlex.quote(project.relative(path)) for path in sorted(dict.fromkeys(paths)))
            self.say(f"\nTo track the changes with git, run:\n\n\tgit add {names}")

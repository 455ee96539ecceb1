"""`git stage check-ignore`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from gitstage.options import argument, option, verb, volume


@verb()
@option("-d", "--details", is_flag=True, help="Also show the file, line and pattern that decide.")
@option("-a", "--all", "every", is_flag=True, hidden=True)
@option("-n", "--non-matching", is_flag=True, help="With -d: also paths that no pattern matches.")
@option("--stdin", "from_stdin", is_flag=True, help="Read paths from standard input, one on a line.")
@volume
@argument("targets", nargs=-1)
def command(
    targets: tuple[str, ...],
    details: bool,
    every: bool,
    non_matching: bool,
    from_stdin: bool,
    quiet: bool,
    verbose: int,
) -> int:
    """Show which TARGETS .dvcignore leaves out. Exits with 1 if no pattern matches any of them."""
    from gitstage.errors import UsageError
    from gitstage.pipeline import is_outside, join
    from gitstage.project import opened
    from gitstage.ui import Ui

    if from_stdin == bool(targets):
        raise UsageError("give either paths or --stdin")
    if (non_matching or every) and not details:
        raise UsageError(f"{'--non-matching' if non_matching else '--all'} needs --details")
    if quiet and details:
        raise UsageError("--quiet and --details exclude each other")
    ui = Ui(quiet=quiet, verbose=bool(verbose))
    matched = False
    words: Iterable[str] = (line.rstrip("\n") for line in sys.stdin) if from_stdin else targets
    with opened() as (project, _):
        rules = project.worktree.ignore
        for word in words:
            if not word:
                break
            path = join(project.cwd, word)
            is_dir = word.endswith("/") or project.worktree.is_dir(path)
            found = None if is_outside(path) else rules.explain(path, is_dir)
            ignored = found is not None and rules.ignores(path, is_dir)
            matched = matched or (found is not None if details else ignored)
            if found is None:
                if details and non_matching:
                    ui.say(f"::\t{word}")
            elif details:
                file, line, pattern = found
                ui.say(f"{file}:{line}:{pattern}\t{word}" if file else f":{pattern}\t{word}")
            elif ignored:
                ui.say(word)
    return 0 if matched else 1

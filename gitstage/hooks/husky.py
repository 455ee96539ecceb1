"""Hooks under husky: it writes the files that Git runs anew whenever it likes, and runs the user's scripts, which are
committed. So a block at the top of such a script runs ours; at the top, because a script may end in `exec` or `exit`.

The block holds no path of this machine: it starts the hook file in Git's folder, which `install` puts there, or
git-gitstage from PATH, and lets the commit of somebody who has neither go through, with a remark.
"""

from __future__ import annotations

import os
import re
import stat

from gitstage.resources import fill, template
from gitstage.static import TYPE_CHECKING

if TYPE_CHECKING:
    from gitstage.hooks.changes import Changes
    from gitstage.hooks.installer import Hook

_SAVE = "gitstage_in=$(cat)"
_FEED = 'printf "%s${gitstage_in:+\\n}" "$gitstage_in" | '
_AGAIN = """if [ -n "$gitstage_in" ]; then # what Git says is for the rest of this script, too
  exec <<GITSTAGE
$gitstage_in
GITSTAGE
else
  exec </dev/null
fi"""
_BLOCK = re.compile(rb"^# gitstage-hook \d+ [a-z-]+ -- begin;.*?^# gitstage-hook \d+ [a-z-]+ -- end\n", re.M | re.S)


def block(hook: Hook) -> bytes:
    """The lines that run ours."""
    values = {
        "NAME": hook.name,
        "SAVE": _SAVE if hook.stdin else "",
        "FEED": _FEED if hook.stdin else "",
        "AGAIN": _AGAIN if hook.stdin else "",
        "MISSING": "gitstage is not installed here, so nothing was "
        + ("checked" if hook.refuses else "brought in line"),
    }
    lines = fill(template("husky.sh"), values).split("\n")
    return os.fsencode("\n".join(line for line in lines if line) + "\n")


def put_in(path: str, hook: Hook, changes: Changes) -> str:
    """Put the block into the script at `path`, or renew it. Tells what was done, as Result.action."""
    before = read(path)
    if before is None:
        changes.write(path, block(hook), None)
        return "installed"
    found = _BLOCK.search(before)
    if found:
        after = before[: found.start()] + block(hook) + before[found.end() :]
    else:
        first = before.find(b"\n") + 1 if before.startswith(b"#!") else 0
        after = before[:first] + block(hook) + before[first:]
    if after == before:
        return "unchanged"
    changes.write(path, after, stat.S_IMODE(os.stat(path).st_mode))
    return "updated" if found else "chained"


def take_out(path: str, changes: Changes) -> str | None:
    """Take the block out of the script, and the script away if nothing else is in it; None if there is no block."""
    before = read(path)
    if before is None or not _BLOCK.search(before):
        return None
    after = _BLOCK.sub(b"", before)
    if not after:
        changes.remove(path)
        return "removed"
    changes.write(path, after, stat.S_IMODE(os.stat(path).st_mode))
    return "restored"


def is_in(path: str) -> bool:
    """Is the block in the script at `path`?"""
    return bool(_BLOCK.search(read(path) or b""))


def is_current(path: str, hook: Hook) -> bool:
    """Is the block in the script the one that this version writes?"""
    return block(hook) in (read(path) or b"")


def read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None

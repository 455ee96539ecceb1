"""pre-push: the data that the pushed commits need goes to the remote before they do."""

from __future__ import annotations

import contextlib
import os
import re
import sys

from gitstage.git import Repo
from gitstage.git.pushing import Changed, changed, parse_updates
from gitstage.hooks import framework, projects
from gitstage.pipeline import is_inside
from gitstage.project import Project

_ANCESTORS = 12  # processes between us and `git push`: hook managers, shells


def pre_push(remote: str = "") -> int:
    """Exit code for Git: 1 stops the push. `remote`: Git's name for where it goes, or its URL. Reads Git's stdin."""
    repo = Repo.discover()
    told = (
        framework.pushed(repo).encode(errors="surrogateescape")
        if repo and os.environ.get("PRE_COMMIT") == "1"
        else sys.stdin.buffer.read()
    )
    updates = [update for update in parse_updates(told) if not update.deletes]
    if not updates or repo is None or repo.top is None or not repo.setting_bool("autoPush", True) or _is_dry_run():
        return 0
    changes = changed(repo, updates, remote)
    code = 0
    for prefix, own in _by_project(repo, changes).items():
        with contextlib.closing(projects.at(repo, prefix)) as project:
            if os.path.isdir(project.dvc_dir):
                code = max(code, _push(project, own))
    if code:
        _say("the push was stopped: others would get commits without their data")
        _say("hint: git push --no-verify pushes all the same; git config gitstage.autoPush false leaves data to you")
    return code


def _by_project(repo: Repo, changes: list[Changed]) -> dict[str, list[Changed]]:
    """Changes by the innermost project that they lie in."""
    known = sorted(projects.prefixes(repo), key=len, reverse=True) if changes else []
    found: dict[str, list[Changed]] = {}
    for change in changes:
        prefix = next((prefix for prefix in known if not prefix or is_inside(change.path, prefix)), None)
        if prefix is not None:
            found.setdefault(prefix, []).append(change)
    return found


def _push(project: Project, changes: list[Changed]) -> int:
    from gitstage import sync
    from gitstage.errors import GitstageError
    from gitstage.ui import Ui, transfers

    needs = sync.needs_of_push(project, changes)
    if not needs:
        return 0
    if None in needs and project.config.core_remote is None:
        _say("no default remote is configured, so no data goes along (git stage remote add -d NAME URL)")
        del needs[None]
    ui = Ui()
    try:
        with transfers.Bar(ui, "Pushing data") as bar:
            outcome = sync.push(project, needs, progress=bar)
    except GitstageError as error:
        _say(str(error))
        return 1
    if outcome.count:
        _say(f"{transfers.counted(outcome.count, 'pushed')} with the data of these commits")
    failed = [problem for problem in outcome.problems if problem.required]
    for line in transfers.lines(failed, ""):
        _say(line)
    lost = len(outcome.problems) - len(failed)
    if lost:
        _say(transfers.counted(lost, "that these commits took over from earlier ones cannot be found anywhere"))
    return 1 if failed else 0


def _is_dry_run() -> bool:
    """Did the user say `git push --dry-run`? Git does not tell the hook, so this is only seen where /proc is."""
    pid = os.getppid()
    for _ in range(_ANCESTORS):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as stream:
                argv = os.fsdecode(stream.read()).split("\0")[:-1]
            with open(f"/proc/{pid}/stat", "rb") as stream:
                parent = int(stream.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return False
        if argv and os.path.basename(argv[0]) == "git" and "push" in argv:
            flags = argv[argv.index("push") + 1 :]
            flags = flags[: flags.index("--")] if "--" in flags else flags
            return any(flag == "--dry-run" or re.fullmatch("-[a-np-zA-Z0-9]*n[a-zA-Z0-9]*", flag) for flag in flags)
        pid = parent
    return False


def _say(text: str) -> None:
    print(f"gitstage: {text}" if not text.startswith("hint:") else text, file=sys.stderr)  # noqa: T201

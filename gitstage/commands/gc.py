"""`git stage gc`."""

from __future__ import annotations

import sys

from gitstage.errors import GitstageError, UsageError
from gitstage.options import confirm, option, verb, volume
from gitstage.static import TYPE_CHECKING

if TYPE_CHECKING:
    from gitstage.collect import Scope
    from gitstage.remote.transfer import Collected
    from gitstage.ui import Ui


@verb()
@option("-w", "--workspace", is_flag=True, help="Keep what the work trees need; every other option does, too.")
@option("--rev", metavar="COMMIT", help="Keep what this commit needs.")
@option("-n", "--num", type=int, metavar="N", help="With --rev or -a: of the last N commits each.")
@option("-a", "--all-branches", is_flag=True, help="Keep what the tips of all branches need.")
@option("-T", "--all-tags", is_flag=True, help="Keep what all tags need.")
@option("-A", "--all-commits", is_flag=True, help="Keep what any commit needs.")
@option("--date", metavar="YYYY-MM-DD", help="Keep what the commits of this day and later need.")
@option("--all-experiments", is_flag=True, help="Keep what DVC's experiments need.")
@option("--not-in-remote", is_flag=True, help="Of that, keep only what the remote lacks.")
@option("-c", "--cloud", is_flag=True, help="Also delete from the remote.")
@option("-r", "--remote", metavar="NAME", help="The remote, instead of the default one.")
@option("-j", "--jobs", least=1, metavar="N", help="Transfers at once.")
@option("--skip-failed", is_flag=True, help="Accepted for DVC's sake: what cannot be read is kept anyway.")
@option("-f", "--force", is_flag=True, help="Do not ask.")
@option("-p", "--projects", multiple=True, metavar="PATH", help="Another project that uses the same cache.")
@option("--dry", is_flag=True, help="Only show what would go.")
@volume
def command(
    workspace: bool, rev: str | None, num: int | None, all_branches: bool, all_tags: bool, all_commits: bool,
    date: str | None, all_experiments: bool, not_in_remote: bool, cloud: bool, remote: str | None, jobs: int | None,
    skip_failed: bool, force: bool, projects: tuple[str, ...], dry: bool, quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Delete from the cache what nothing needs that you name.

    Always kept is what the work trees of the repository, their indexes, the commits checked out in them and the stashes
    need. Content that only the results of earlier runs name goes; what a remote has can be fetched again.
    """
    import contextlib

    from gitstage import collect, undo
    from gitstage.collect import Scope
    from gitstage.project import Project, opened
    from gitstage.ui import Ui
    from gitstage.ui.contents import natural_size

    if num is not None and rev is None and not all_branches:
        raise UsageError("--num needs --rev or --all-branches", "git stage gc --rev HEAD -n 5")
    scope = Scope(
        workspace, all_branches, all_tags, all_commits, all_experiments, (rev,) if rev is not None else (),
        1 if num is None else num, None if date is None else _midnight(date),
    )  # fmt: skip
    if scope.is_empty:
        raise UsageError("say what is to be kept", "git stage gc --workspace, --all-branches, --all-commits, ...")
    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with (
        opened(write=True, on_wait=ui.waiting) as (project, _),
        collect.all_worktrees_locked(project),
        contextlib.ExitStack() as stack,
    ):
        others = [stack.enter_context(Project.open(path)) for path in projects]
        there = None
        if cloud or not_in_remote:
            there = stack.enter_context(contextlib.closing(project.remote(remote, jobs=jobs)))
        elsewhere = (lambda needed: needed - there.missing(needed, check=True)) if there and not_in_remote else None
        planned = collect.plan(project, scope, others, elsewhere)
        for digest in planned.unknown:
            ui.note(f"{digest}: is not in the cache, so nobody knows which files that directory needs")
        if dry:
            for one in planned.unneeded:
                ui.say(f"Removing {one.path}")
        elif (planned.unneeded or cloud) and not force:
            where = "the cache and the remote" if cloud else "the cache"
            ui.note(f"everything goes from {where} but what is needed by {_described(scope, date)}")
            if not (sys.stdin.isatty() and confirm("Go on?")):
                raise GitstageError("nothing was removed", "git stage gc -f does not ask, --dry shows what would go")
        collected = there.collect(planned.needed, dry=dry) if there is not None and cloud else None
        if not dry:
            collect.apply(project, planned)
        for name, is_legacy in (("repo", False), ("legacy", True)):
            gone = [one for one in planned.unneeded if one.digest.legacy == is_legacy]
            done = "Would remove" if dry else "Removed"
            plural = "s" if len(gone) != 1 else ""
            if gone:
                ui.say(f"{done} {len(gone)} object{plural} from {name} cache.")
            else:
                ui.say(f"No unused '{name}' cache to remove.")
        kept = undo.kept_size(project) if planned.unneeded and not dry else 0
        if kept:
            ui.note(f"{natural_size(kept)} bytes are kept for git stage undo; git stage undo --forget frees them now")
        if collected is not None and there is not None:
            _tell(ui, collected, there.name, dry=dry)


def _tell(ui: Ui, collected: Collected, name: str, *, dry: bool) -> None:
    for one in collected.removed if dry else ():
        ui.say(f"Removing {one.key} from remote '{name}'")
    if collected.removed:
        plural = "s" if len(collected.removed) > 1 else ""
        ui.say(f"{'Would remove' if dry else 'Removed'} {len(collected.removed)} object{plural} from remote '{name}'.")
    else:
        ui.say(f"No unused objects in remote '{name}'.")
    if collected.problems:
        raise GitstageError(f"remote '{name}': {len(collected.problems)} objects could not be removed")


def _midnight(date: str) -> float:
    import time

    try:
        return time.mktime(time.strptime(date, "%Y-%m-%d"))
    except (ValueError, OverflowError):
        raise UsageError(f"--date: '{date}' is no day such as 2026-01-31") from None


def _described(scope: Scope, date: str | None) -> str:
    parts = ["the work trees"]
    last = "" if scope.num == 1 else f"the last {scope.num} commits of "
    parts += [f"{last}{rev}" for rev in scope.revs]
    parts += [
        text
        for asked, text in (
            (scope.branches, f"{last}all branches"), (scope.tags, "all tags"), (scope.commits, "all commits"),
            (scope.experiments, "all experiments"), (scope.since is not None, f"all commits since {date}"),
        )
        if asked
    ]  # fmt: skip
    return " and ".join(parts)

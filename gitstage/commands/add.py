"""`git stage add`."""

from __future__ import annotations

import contextlib

from gitstage.errors import UsageError
from gitstage.options import argument, option, verb, volume
from gitstage.static import TYPE_CHECKING

if TYPE_CHECKING:
    from gitstage.ui import Ui


@verb()
@option("--no-commit", is_flag=True, help="Only write the .dvc file, keep nothing in the cache.")
@option("--glob", is_flag=True, help="Targets are patterns; ** matches folders of any depth.")
@option("-o", "--out", metavar="PATH", help="Copy a target from outside to PATH and track that.")
@option("-f", "--force", is_flag=True, help="With -o: replace what is at PATH.")
@option("--no-relink", is_flag=True, help="Leave the files as they are instead of linking them to the cache.")
@option("--to-remote", is_flag=True, help="Send the data to the remote, without a copy here.")
@option("-r", "--remote", metavar="NAME", help="With --to-remote: that remote instead of the default one.")
@option("--remote-jobs", least=1, metavar="N", help="With --to-remote: transfers at once.")
@volume
@argument("targets", nargs=-1, required=True)
def command(
    targets: tuple[str, ...], no_commit: bool, glob: bool, out: str | None, force: bool, no_relink: bool,
    to_remote: bool, remote: str | None, remote_jobs: int | None, quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Track data files or directories: keep them in the cache, describe each in a .dvc file, and ignore them in Git.

    A path inside a tracked directory updates that part of it.
    """
    from gitstage import track
    from gitstage.project import opened
    from gitstage.ui import Ui, events

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    if out is not None and len(targets) != 1:
        raise UsageError("-o takes one target")
    if (remote or remote_jobs) and not to_remote:
        raise UsageError("--remote and --remote-jobs need --to-remote", "git stage add --to-remote")
    if to_remote:
        _send(ui, targets, out, remote, remote_jobs, glob=glob)
        return
    with opened(write=True, on_wait=ui.waiting) as (project, _), contextlib.ExitStack() as stack:
        if out is not None:
            stack.enter_context(project.whole())
        written: list[str] = []
        if out is not None:
            paths = [track.bring_in(project, targets[0], out, force=force)]
        else:
            paths = track.expand(project, targets, glob=glob)
        try:
            done = track.add(project, paths, commit=not no_commit, relink=not no_relink, written=written)
            events.tell(ui, done, project.cwd, doing="Adding")
        finally:
            project.changed_files(written)
        ui.to_commit(project, written)


def _send(
    ui: Ui, targets: tuple[str, ...], out: str | None, remote: str | None, jobs: int | None, *, glob: bool
) -> None:
    from gitstage import track
    from gitstage.project import opened
    from gitstage.ui import events, transfers

    if glob or len(targets) != 1:
        raise UsageError("--to-remote takes one target, and no pattern")
    with (
        opened(write=True, on_wait=ui.waiting) as (project, _),
        contextlib.closing(project.remote(remote, jobs=jobs)) as other,
    ):
        written: list[str] = []
        with transfers.Bar(ui, "Pushing") as bar:
            done = list(track.send(project, targets[0], out, other, written=written, progress=bar))
        events.tell(ui, done, project.cwd)
        project.changed_files(written)
        ui.to_commit(project, written)

"""`git stage data`."""

from __future__ import annotations

from collections.abc import Mapping

from gitstage.options import argument, family, option, volume
from gitstage.static import TYPE_CHECKING

if TYPE_CHECKING:
    from gitstage.digest import Digest


@family
def command() -> None:
    """Show how data stands."""


@command.verb(optional={"--untracked-files": "all"})
@option("--granular", is_flag=True, help="File by file also inside directories.")
@option("--unchanged", is_flag=True, help="Also what did not change.")
@option("--untracked-files", choices=["no", "all"], default="no", help="Also what Git does not track.")
@option("--not-in-remote", is_flag=True, help="Also what a remote lacks.")
@option("-r", "--remote", metavar="NAME", help="With --not-in-remote: which remote.")
@option("--no-remote-refresh", is_flag=True, help="Trust what is known of earlier pushes.")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
@volume
@argument("targets", nargs=-1)
def status(
    targets: tuple[str, ...], granular: bool, unchanged: bool, untracked_files: str, not_in_remote: bool, remote: str | None,
    no_remote_refresh: bool, as_json: bool, quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Show which data differs between the last commit, what dvc.lock and *.dvc record, and the work tree.

    TARGETS are outputs, paths inside directory outputs, stages or *.dvc files. Paths count from the project's root.
    """
    from gitstage import difference
    from gitstage.project import opened
    from gitstage.ui import Ui, data

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened() as (project, _):
        found = difference.standing(project, targets, granular=granular)
        untracked: list[str] = []
        if untracked_files == "all" and project.repo is not None:
            inside = project.untracked()
            wanted = [project.inside(target) for target in targets]
            untracked = [
                project.relative(path)
                for path in inside
                if not wanted or any(path == one or path.startswith(f"{one}/") for one in wanted)
            ]
        lacking: Mapping[str, Digest] = {}
        if not_in_remote:
            lacking = difference.absent(project, found, remote, check=not no_remote_refresh)
        shown = data.standing_as_json(found, unchanged=unchanged, untracked=untracked, absent=lacking)
        if as_json:
            ui.json(shown)
        elif not quiet:
            dirty = project.repo is not None and (project.repo.is_dirty() or bool(project.repo.untracked()))
            data.standing_as_text(ui, shown, other_changes=dirty)

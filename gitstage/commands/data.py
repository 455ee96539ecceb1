"""`git stage data`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from gitstage.cli import Family, volume

if TYPE_CHECKING:
    from gitstage.digest import Digest


@click.group(cls=Family)
def command() -> None:
    """Show how data stands."""


class _Untracked(click.Command):
    """`--untracked-files` alone means `--untracked-files all`, as for DVC."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = [*args, ""]
        for number, word in enumerate(args):
            if word == "--untracked-files" and given[number + 1] not in ("no", "all"):
                args = [*args[:number], "--untracked-files=all", *args[number + 1 :]]
                break
        return super().parse_args(ctx, args)


@command.command(cls=_Untracked)
@click.option("--granular", is_flag=True, help="File by file also inside directories.")
@click.option("--unchanged", is_flag=True, help="Also what did not change.")
@click.option("--untracked-files", type=click.Choice(["no", "all"]), default="no", help="Also what Git does not track.")
@click.option("--not-in-remote", is_flag=True, help="Also what a remote lacks.")
@click.option("-r", "--remote", metavar="NAME", help="With --not-in-remote: which remote.")
@click.option("--no-remote-refresh", is_flag=True, help="Trust what is known of earlier pushes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@volume
@click.argument("targets", nargs=-1)
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

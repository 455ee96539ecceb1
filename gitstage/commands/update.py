"""`git stage update`."""

from __future__ import annotations

from gitstage.commands.import_ import moving
from gitstage.options import argument, option, verb, volume


@verb()
@option("--rev", metavar="COMMIT", help="Of an import from a Git repository: take this commit, branch or tag.")
@option("-R", "--recursive", is_flag=True, help="All imports in the given directories.")
@option("--no-download", is_flag=True, help="Write down which data it is, but do not copy it.")
@option("-j", "--jobs", least=1, metavar="N", help="Transfers at once.")
@volume
@argument("targets", nargs=-1, required=True)
def command(
    targets: tuple[str, ...], rev: str | None, recursive: bool, no_download: bool, jobs: int | None,
    quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Bring imports (TARGETS are their .dvc files) up to date with where they are from."""
    from gitstage import imports
    from gitstage.project import opened
    from gitstage.targets import select
    from gitstage.ui import Ui, events

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened(write=True, on_wait=ui.waiting) as (project, _), moving(ui, jobs) as transfer:
        chosen = select(project.pipeline, targets, recursive=recursive) or []
        stages = list(dict.fromkeys(target.stage for target in chosen))
        if recursive:
            stages = [stage for stage in stages if stage.is_import]
        written: list[str] = []
        for stage in stages:
            done = imports.update(project, stage, rev=rev, download=not no_download, written=written, transfer=transfer)
            with project.whole():
                events.tell(ui, done, project.cwd)
        ui.to_commit(project, written)

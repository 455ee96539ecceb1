"""`git stage import-url`."""

from __future__ import annotations

from gitstage.commands.import_ import mode_of, moving
from gitstage.options import argument, option, verb, volume


@verb()
@option("-f", "--force", is_flag=True, help="Replace what is there.")
@option("--no-exec", is_flag=True, help="Only write the .dvc file; `git stage update` does the rest.")
@option("--no-download", is_flag=True, help="Write down which data it is, but do not copy it.")
@option("-j", "--jobs", least=1, metavar="N", help="Transfers at once.")
@volume
@argument("url")
@argument("out", required=False)
def command(
    url: str, out: str | None, force: bool, no_exec: bool, no_download: bool, jobs: int | None,
    quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Track a copy of URL, a file or folder outside the project, and note where it is from.

    URL is a path, an address (s3://, gs://, azure://, http(s)://, webdav(s)://, ssh://) or remote://NAME/path, which is
    opened with the settings of remote NAME. The copy goes to OUT, by default its name, here. `git stage update` gets it
    anew when it has changed.
    """
    from gitstage import imports
    from gitstage.project import opened
    from gitstage.ui import Ui, events

    mode = mode_of(no_exec, no_download)
    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened(write=True, on_wait=ui.waiting) as (project, _), moving(ui, jobs) as transfer, project.whole():
        written: list[str] = []
        done = imports.import_path(project, url, out, force=force, mode=mode, written=written, transfer=transfer)
        events.tell(ui, done, project.cwd)
        ui.to_commit(project, written)

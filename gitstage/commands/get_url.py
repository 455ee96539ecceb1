"""`git stage get-url`."""

from __future__ import annotations

from gitstage.commands.import_ import moving
from gitstage.options import argument, option, verb, volume


@verb()
@option("-f", "--force", is_flag=True, help="Replace what is there.")
@option("-j", "--jobs", least=1, metavar="N", help="Transfers at once.")
@volume
@argument("url")
@argument("out", required=False)
def command(url: str, out: str | None, force: bool, jobs: int | None, quiet: bool, verbose: int) -> None:
    """Copy URL, a file or folder, to OUT, by default its name, here. No project is needed, nothing is tracked.

    URL is a path, an address (s3://, gs://, azure://, http(s)://, webdav(s)://, ssh://) or remote://NAME/path, which is
    opened with the settings of remote NAME.
    """
    from gitstage import imports
    from gitstage.ui import Ui

    with moving(Ui(quiet=quiet), jobs) as transfer:
        imports.get_path(url, out, force=force, transfer=transfer)

"""`git stage get`."""

from __future__ import annotations

from gitstage.commands.import_ import moving, origin, origin_options
from gitstage.options import argument, option, verb, volume
from gitstage.ui import Ui


@verb()
@option("-o", "--out", metavar="PATH", help="Where it goes; by default its name, here.")
@option("-f", "--force", is_flag=True, help="Replace what is there.")
@option("--show-url", is_flag=True, help="Only print where the data is kept.")
@origin_options
@volume
@argument("url")
@argument("path")
def command(
    url: str, path: str, out: str | None, force: bool, show_url: bool, rev: str | None, jobs: int | None,
    config: str | None, remote: str | None, remote_config: tuple[str, ...], quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Copy PATH, a file or folder of the Git repository at URL. No project is needed, nothing is tracked."""
    from gitstage import imports

    source = origin(url, path, rev, config, remote, remote_config)
    if show_url:
        Ui().say(imports.where(source))
    else:
        with moving(Ui(quiet=quiet), jobs) as transfer:
            imports.get(source, out, force=force, transfer=transfer)

"""`git stage du`."""

from __future__ import annotations

import posixpath

from gitstage.commands.import_ import keeper_options, settings_of
from gitstage.options import argument, option, verb, volume


@verb()
@option("--rev", metavar="REV", help="At a commit instead of in the work tree.")
@option("-s", "--summarize", is_flag=True, help="Only the total.")
@keeper_options
@volume
@argument("url", default=".")
@argument("path", required=False)
def command(
    url: str, path: str | None, rev: str | None, summarize: bool, config: str | None, remote: str | None,
    remote_config: tuple[str, ...], quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Show how much space what a project holds takes, in PATH or altogether.

    URL is a folder (default: here) or the address of a Git repository.
    Outputs that are not there count with the size of their objects in the cache.
    """
    from gitstage.contents import opened_contents
    from gitstage.pipeline import relative
    from gitstage.ui import Ui
    from gitstage.ui.contents import natural_size

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    settings = settings_of(remote_config)
    with opened_contents(url, path, rev, remote=remote, settings=settings, config=config) as (project, contents, place):
        start = contents.item(place)
        name = path or relative("", project.cwd)
        rows = []
        if start.is_dir and not summarize:
            items = contents.children(start.path).values()
            rows = [(posixpath.join(name, item.name), contents.size(item)) for item in items]
        rows.append((name or ".", sum(size for _, size in rows) if rows else contents.size(start)))
        sizes = [natural_size(size) for _, size in rows]
        width = max(map(len, sizes))
        for (name, _), size in zip(rows, sizes, strict=True):
            ui.say(f"{size:>{width}}  {name}")

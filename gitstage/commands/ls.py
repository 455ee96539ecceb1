"""`git stage ls`."""

from __future__ import annotations

import posixpath

from gitstage.commands.import_ import keeper_options, settings_of
from gitstage.options import argument, option, verb, volume


@verb()
@option("-R", "--recursive", is_flag=True, help="Also what lies in directories.")
@option("-T", "--tree", is_flag=True, help="As a tree.")
@option("-L", "--level", least=0, metavar="DEPTH", help="How deep to go with -R and -T.")
@option("--dvc-only", is_flag=True, help="Only outputs.")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
@option("--rev", metavar="REV", help="At a commit instead of in the work tree.")
@option("--size", is_flag=True, help="Also show sizes.")
@option("--show-hash", is_flag=True, help="Also show digests.")
@keeper_options
@volume
@argument("url", default=".")
@argument("path", required=False)
def command(
    url: str, path: str | None, recursive: bool, tree: bool, level: int | None, dvc_only: bool, as_json: bool,
    rev: str | None, size: bool, show_hash: bool, config: str | None, remote: str | None,
    remote_config: tuple[str, ...], quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """List what a project holds: files, and outputs, whether they are there or not.

    URL is a folder (default: here) or the address of a Git repository.
    PATH is a file or folder of that project; without it the project's root is listed.
    """
    from gitstage.contents import opened_contents
    from gitstage.errors import UsageError
    from gitstage.pipeline import relative
    from gitstage.ui import Ui
    from gitstage.ui import contents as shown

    if tree and as_json:
        raise UsageError("--tree and --json exclude each other")
    ui = Ui(quiet=quiet, verbose=bool(verbose))
    settings = settings_of(remote_config)
    with opened_contents(url, path, rev, remote=remote, settings=settings, config=config) as (project, contents, place):
        start = contents.item(place)
        if tree:
            named = list(
                shown.tree(contents, start, path or relative("", project.cwd) or ".", level, outs_only=dvc_only)
            )
        elif not start.is_dir or (recursive and level == 0):
            named = [(start.name or ".", start)]
        else:
            depth = level if recursive else 1
            up = relative("", project.cwd) if path is None else ""
            items = contents.below(start.path, depth, outs_only=dvc_only)
            named = sorted((posixpath.join(up, relative(item.path, start.path)), item) for item in items)
        if as_json:
            ui.json(shown.as_json(named))
        else:
            shown.as_text(ui, named, sizes=size, hashes=show_hash)

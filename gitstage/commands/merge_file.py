"""`git stage merge-file`: Git's merge driver for the pipeline files."""

from __future__ import annotations

from gitstage.options import argument, verb


@verb()
@argument("base")
@argument("ours")
@argument("theirs")
@argument("marker_size", type=int)
@argument("path")
def command(base: str, ours: str, theirs: str, marker_size: int, path: str) -> int:
    """Merge three versions of the pipeline file PATH, as Git's merge driver; the result goes to OURS.

    Exits with 0 if all of it merged, 3 if conflict markers are left in OURS; with anything else OURS is as it was.
    """
    from gitstage.errors import GitstageError
    from gitstage.merge.driver import merge_into
    from gitstage.ui import Ui

    try:
        merged = merge_into(ours, base, theirs, path, marker_size)
    except GitstageError as error:
        Ui().error(error)
        return 1  # never 3, which is the exit code of some errors
    for note in merged.notes:
        Ui().error(GitstageError(note.text, note.hint))
    return 0 if merged.is_clean else 3

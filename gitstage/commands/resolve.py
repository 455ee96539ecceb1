"""`git stage resolve`."""

from __future__ import annotations

from gitstage.options import argument, option, verb, volume


@verb()
@option("--ours", "side", flag_value="ours", help="Take our version of what does not merge.")
@option("--theirs", "side", flag_value="theirs", help="Take their version of what does not merge.")
@volume
@argument("files", nargs=-1)
def command(files: tuple[str, ...], side: str | None, quiet: bool, verbose: int) -> int:
    """Merge dvc.lock, dvc.yaml, *.dvc and .gitignore files that a Git merge left with conflicts, and stage them.

    They are merged by stage and output, as the merge driver of `git stage install` does it by itself; what that cannot
    decide stays between conflict markers. By default all such files. Exits with 1 if something is left to be done.
    """
    import os

    from gitstage.errors import GitstageError, NoProject
    from gitstage.git import Repo
    from gitstage.merge import resolve
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    repo = Repo.discover()
    if repo is None or repo.top is None:
        raise NoProject("not inside a Git work tree")
    top = repo.top
    paths = [os.path.relpath(os.path.realpath(file), top).replace(os.sep, "/") for file in files]
    found = resolve.conflicts(repo, paths or None)
    if not found:
        ui.say("Nothing to resolve")
    done = resolve.resolve(repo, found, "theirs" if side == "theirs" else "ours" if side == "ours" else None)
    for one in done:
        shown = os.path.relpath(os.path.join(top, one.path))
        if one.is_done:
            ui.say(f"Resolved '{shown}'")
        if one.merged is not None and verbose:
            ui.note(f"{shown}: what stood there before is in {resolve.kept_path(repo, one.path)}")
        for note in one.notes:
            ui.error(GitstageError(note.text, note.hint))
    return 0 if all(one.is_done for one in done) else 1

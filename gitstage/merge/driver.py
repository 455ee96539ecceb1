"""What Git's merge driver does: three files in, one out."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator

from gitstage import fs
from gitstage.cache import Cache
from gitstage.errors import ConfigError
from gitstage.git import Repo
from gitstage.merge.files import merge
from gitstage.merge.outcome import Merged, Note, Options
from gitstage.project import Project, find_root
from gitstage.static import Literal


def merge_into(ours: str, base: str, theirs: str, path: str, marker_size: int) -> Merged:
    """Merge the three files that Git wrote for the file at `path` (from the top of the work tree, which is the current
    folder); the result replaces `ours`, whole or not at all.

    Raises GitstageError, with `ours` as it was, if the versions cannot be merged by what they say.
    """
    old, mine, yours = (_read(name) for name in (base, ours, theirs))
    notes: list[Note] = []

    @functools.cache
    def stale() -> Literal["drop", "conflict"]:
        try:
            return stale_rule(Repo.discover())
        except ConfigError as error:  # the merge by lines, which follows an error, would not ask
            notes.append(Note(str(error), error.hint))
            return "conflict"

    with cache_of(os.getcwd(), path) as cache:
        merged = merge(path, old, mine, yours, Options(marker_size, stale, cache=cache))
    repo = Repo.discover()
    temporary = None
    if repo is not None and os.path.isdir(repo.worktree_state_dir):
        temporary = os.path.join(repo.worktree_state_dir, f"merged.{os.getpid()}.tmp")
    fs.atomic_write(ours, merged.data, temporary=temporary)
    return Merged(merged.data, (*merged.notes, *notes))


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


@contextlib.contextmanager
def cache_of(top: str, path: str) -> Iterator[functools.partial[Cache | None]]:
    """What gives the cache of the project that a file of the work tree at `top` belongs to; opened when it is asked for."""
    with contextlib.ExitStack() as stack:

        def cache() -> Cache | None:
            root = find_root(os.path.dirname(os.path.join(top, path)))
            return None if root is None else stack.enter_context(Project(root)).cache

        yield functools.partial(cache)


def stale_rule(repo: Repo | None) -> Literal["drop", "conflict"]:
    """`gitstage.mergeStale`: what becomes of the record of a stage that neither side ran on the merged inputs. Raises
    ConfigError for another word."""
    rule = "drop" if repo is None else repo.settings().get("mergestale", "drop")
    if rule not in ("drop", "conflict"):
        raise ConfigError(
            f"gitstage.mergeStale: '{rule}' is neither drop nor conflict", "git config gitstage.mergeStale drop"
        )
    return "drop" if rule == "drop" else "conflict"

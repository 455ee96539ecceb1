"""Which merge a file has, by its name."""

from __future__ import annotations

import posixpath

from gitstage.errors import FormatError
from gitstage.merge.outcome import Cannot, Merged, Options

MERGED = ("dvc.lock", "dvc.yaml", "*.dvc", ".gitignore")
"""The names that `merge` takes, as Git's attributes and pathspecs write them."""


def is_merged(path: str) -> bool:
    """Is there a merge for a file of this name?"""
    name = posixpath.basename(path)
    return name in MERGED or (name.endswith(".dvc") and name != ".dvc")


def merge(path: str, base: bytes | None, ours: bytes, theirs: bytes, options: Options) -> Merged:
    """Merge three versions of the file at `path` (from the top of the work tree). `base`: None if there is none.

    Raises FormatError for a version that is not what its name says, Cannot for versions that only a merge by lines may
    bring together.
    """
    name = posixpath.basename(path)
    try:
        if name == "dvc.lock":
            from gitstage.merge import lock as kind
        elif name == "dvc.yaml":
            from gitstage.merge import pipeline as kind  # type: ignore[no-redef]
        elif name == ".gitignore":
            from gitstage.merge import ignores as kind  # type: ignore[no-redef]
        elif is_merged(path):
            from gitstage.merge import data as kind  # type: ignore[no-redef]
        else:
            raise Cannot(f"{path}: is none of {', '.join(MERGED)}")
        return kind.merge(path, base or None, ours, theirs, options)
    except RecursionError:
        raise FormatError(path, "nested too deeply") from None

"""The projects of a repository, as a hook sees them."""

from __future__ import annotations

import os
import posixpath

from gitstage.git import Repo
from gitstage.project import STATE_FILE, Project, read_state


def prefixes(repo: Repo) -> list[str]:
    """Folders (relative to the top, "" for the top itself) that hold a project in the index Git handed over."""
    listed = repo.git("ls-files", "-z", "--", ":(top,glob)**/.dvc/config").split(b"\0")
    return sorted({posixpath.dirname(posixpath.dirname(os.fsdecode(name))) for name in listed if name})


def with_outputs(repo: Repo) -> list[str]:
    """The same, and folders of projects that the index does not have any more, but whose outputs may still lie there."""
    known = read_state(os.path.join(repo.worktree_state_dir, STATE_FILE))
    return sorted({*prefixes(repo), *known})


def at(repo: Repo, prefix: str) -> Project:
    """The project in folder `prefix` of the work tree."""
    assert repo.top is not None
    return Project(os.path.join(repo.top, prefix) if prefix else repo.top, "", repo)

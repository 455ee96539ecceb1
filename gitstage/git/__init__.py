"""The repository as the running Git sees it, and its index and commits as trees.

The only room that knows the `git` program and pygit2. Everything can be answered by the program alone; pygit2 is
loaded only where many objects are read, and whatever it cannot read goes back to the program without a word.
"""

from __future__ import annotations

from gitstage.git.ignorefile import ignore_line
from gitstage.git.program import LOCAL_ENV, clean_env, git_version, parents, user_git
from gitstage.git.repo import Commit, Repo, Touch
from gitstage.static import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitstage.git.objects import is_special
    from gitstage.git.trees import CommitTree, IndexTree

__all__ = [
    "LOCAL_ENV", "Commit", "CommitTree", "IndexTree", "Repo", "Touch", "clean_env", "git_version", "ignore_line", "is_special",
    "parents", "user_git",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The trees are imported when they are first asked for: most commands look at the work tree only."""
    if name not in ("CommitTree", "IndexTree", "is_special"):
        raise AttributeError(name)
    from gitstage.git import objects, trees

    return getattr(objects if name == "is_special" else trees, name)

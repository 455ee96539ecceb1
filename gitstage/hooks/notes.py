"""Small files in Git's folder of the work tree that the hooks' shell part reads. Losing one costs time, nothing else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from gitstage.git import Repo


def write(repo: Repo, notes: Mapping[str, bytes], *, time: int | None = None) -> None:
    """Replace the notes (name -> content), in this order; the last is absent until the others are there. `time`: their
    mtime in ns. Where the folder cannot be written nothing is noted."""
    folder = repo.worktree_state_dir
    with contextlib.suppress(OSError):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, list(notes)[-1]))
        for name, data in notes.items():
            temporary = os.path.join(folder, f"{name}.{os.getpid()}")
            try:
                with open(temporary, "wb") as stream:
                    stream.write(data)
                if time is not None:
                    os.utime(temporary, ns=(time, time))
                os.replace(temporary, os.path.join(folder, name))
            except BaseException:
                os.unlink(temporary)
                raise


def clock(repo: Repo) -> int | None:
    """The time (ns) by the clock that stamps the files of Git's folder; None if it cannot be written."""
    probe = os.path.join(repo.worktree_state_dir, f"clock.{os.getpid()}")
    try:
        os.makedirs(repo.worktree_state_dir, mode=0o700, exist_ok=True)
        with open(probe, "wb") as stream:
            found = os.fstat(stream.fileno()).st_mtime_ns
        os.unlink(probe)
    except OSError:
        return None
    return found

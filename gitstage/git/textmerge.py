"""Git's own three-way merge of texts, line by line."""

from __future__ import annotations

import os
import tempfile

from gitstage.errors import GitstageError, SystemFailure
from gitstage.git.program import Program, complaint

LABELS = ("ours", "base", "theirs")


def merge_texts(
    base: bytes, ours: bytes, theirs: bytes, *, marker_size: int = 7, with_base: bool = False
) -> tuple[bytes, bool]:
    """The merged text, with markers `marker_size` characters long around each conflict, and whether there is none.

    `with_base`: between the two sides also the lines of `base`. Raises GitstageError for what Git takes for no text.
    """
    with tempfile.TemporaryDirectory(prefix="gitstage-") as folder:
        paths = [os.path.join(folder, name) for name in LABELS]
        try:
            for path, data in zip(paths, (ours, base, theirs), strict=True):
                with open(path, "wb") as stream:
                    stream.write(data)
        except OSError as error:
            raise SystemFailure(f"{folder}: {error.strerror}") from error
        program = Program(folder, {**os.environ, "GIT_CEILING_DIRECTORIES": os.path.dirname(folder)})
        labels = [word for label in LABELS for word in ("-L", label)]
        style = ["--diff3"] if with_base else []
        done = program.call("merge-file", "-p", "-q", f"--marker-size={marker_size}", *style, *labels, *paths)
        if done.returncode > 127 or done.returncode < 0:
            raise GitstageError(complaint("merge-file", done.stderr))
        return done.stdout, done.returncode == 0

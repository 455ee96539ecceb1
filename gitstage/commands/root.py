"""`git stage root`."""

from __future__ import annotations

import os

from gitstage.options import verb, volume
from gitstage.ui import Ui


@verb()
@volume
def command(quiet: bool, verbose: int) -> None:
    """Print the project's root, relative to the current folder."""
    from gitstage.project import find_root, refuse_no_project

    root = find_root(os.getcwd())
    if root is None:
        refuse_no_project(os.getcwd())
    else:
        Ui().say(os.path.relpath(root, os.path.realpath(os.getcwd())))

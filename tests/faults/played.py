"""Where what is played by hand takes place, and how it ends."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path


def emptied(folder: Path) -> Path:
    """The folder, new and with nothing in it. What is made from here on has the usual modes."""
    os.umask(0o022)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def verdict(played: str, violations: Sequence[str]) -> int:
    """Print each violation and what was `played`; returns the exit code."""
    for line in violations:
        print("WRONG", line)
    print(f"{played}, {len(violations)} violations")
    return 1 if violations else 0

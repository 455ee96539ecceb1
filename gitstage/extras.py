"""Packages that only some need: how this installation of gitstage gets them."""

from __future__ import annotations

import os
import shlex
import sys


def command(extra: str) -> str:
    """The command that adds an extra. install.sh has written down, beside its environment, what it was called with."""
    folder = os.path.dirname(sys.prefix)
    try:
        with open(os.path.join(folder, "installed-from"), encoding="utf-8") as stream:
            source, prefix, options = stream.read().splitlines()
    except (OSError, ValueError):
        return f"pip install 'gitstage[{extra}]'"
    script = os.path.join(source, "install.sh")
    words = ["env", f"EXTRAS={extra}", f"PREFIX={prefix}", script if os.path.exists(script) else "./install.sh"]
    words += options.split()
    return shlex.join(words if os.access(folder, os.W_OK) else ["sudo", *words])

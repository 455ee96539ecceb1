"""`git stage version`."""

from __future__ import annotations

from gitstage import __version__
from gitstage.options import verb, volume
from gitstage.ui import Ui


@verb()
@volume
def command(quiet: bool, verbose: int) -> None:
    """Print the version; with -v also those of Python, Git and the libraries."""
    Ui().say(f"git-stage {__version__}")
    if verbose:
        import importlib.metadata
        import platform
        import subprocess

        Ui().say(f"python {platform.python_version()} on {platform.platform()}")
        Ui().say(subprocess.run(["git", "version"], capture_output=True, text=True, check=False).stdout.strip())
        for name in ("pygit2", "pyyaml", "click", "ruamel.yaml", "pathspec"):
            Ui().say(f"{name} {importlib.metadata.version(name)}")

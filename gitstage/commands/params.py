"""`git stage params`."""

from __future__ import annotations

from gitstage.commands.metrics import compare, compared
from gitstage.options import family, option
from gitstage.static import Any


@family
def command() -> None:
    """Compare the parameters of commits."""


@command.verb(spread=("--targets",))
@compared
@option("--deps", "inputs_only", is_flag=True, help="Only parameters that stages depend on.")
def diff(old: str, new: str, inputs_only: bool, **how: Any) -> None:
    """Show which parameters changed between commits A and B.

    Without B, from A to what lies in the work tree; without A, from the last commit. Shown are params.yaml, the files
    that dvc.yaml lists under params, what stages depend on, and the values that templates use.
    """
    compare("params", old, new, inputs_only=inputs_only, **how)

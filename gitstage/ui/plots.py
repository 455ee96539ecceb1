"""Plots: as DVC's JSON, and what could not be drawn."""

from __future__ import annotations

from collections.abc import Sequence

from gitstage.plots import Figure, Problem
from gitstage.static import Any
from gitstage.ui import Ui


def note_problems(ui: Ui, problems: Sequence[Problem]) -> None:
    for one in problems:
        text = (
            f"{one.source}: is neither there nor in the cache"
            if isinstance(one.error, FileNotFoundError)
            else one.error
        )
        ui.note(f"cannot be drawn of {one.revision}: {text}")


def as_json(figures: Sequence[Figure], problems: Sequence[Problem], *, split: bool, images: str) -> dict[str, Any]:
    """The form that `dvc plots show --json` has; pictures are written to folder `images`."""
    found: dict[str, Any] = {}
    if problems:
        found["errors"] = [
            {
                **({"name": one.plot} if one.plot is not None else {}), "rev": one.revision,
                **({"source": one.source} if one.source is not None else {}),
                "type": type(one.error).__name__, "msg": str(one.error),
            }
            for one in problems
        ]  # fmt: skip
    if figures:
        found["data"] = {figure.name: figure.as_json(split=split, images=images) for figure in figures}
    return found

"""What a checkout did, and could not do."""

from __future__ import annotations

from collections.abc import Mapping

from gitstage.checkout import Plan, Result
from gitstage.pipeline import relative
from gitstage.ui import Ui


def tell(ui: Ui, result: Result, cwd: str, *, summary: bool) -> None:
    """`M`, `A`, `D` and the output, or one line of counts."""
    if summary:
        ui.say(summary_of(result.files))
        return
    for letter, paths in (("M", result.modified), ("A", result.added), ("D", result.deleted)):
        for path in dict.fromkeys(paths):
            slash = "/" if path.endswith("/") else ""
            ui.say(f"{letter}\t{relative(path.rstrip('/'), cwd)}{slash}")


def summary_of(files: Mapping[str, int], fetched: int | None = None) -> str:
    """Counts of files, such as "1 file modified and 2 files added". `fetched`: as many came from a remote before."""
    parts: list[str] = []
    for kind, count in (("fetched", fetched), *((kind, files[kind]) for kind in ("modified", "added", "deleted"))):
        if count:
            parts.append(f"{count} file{'s' if count > 1 else ''} {kind}")
    if not parts:
        return "No changes." if fetched is None else "Everything is up to date."
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def unfinished(plan: Plan, result: Result, cwd: str) -> list[str]:
    """One line for every output that could not be checked out."""
    lines = []
    for out in plan.outputs:
        shown = relative(out.path, cwd)
        if out.refused:
            lines.append(out.refused)
        elif out.unknown:
            lines.append(f"{shown}: nothing is recorded for it; it was never made")
        elif out.missing:
            count = f"{len(out.missing)} of its objects are" if len(out.missing) > 1 else f"{out.missing[0]} is"
            lines.append(f"{shown}: {count} not in the cache")
    return lines

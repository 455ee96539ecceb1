"""Stages in a list."""

from __future__ import annotations

from gitstage.pipeline import Stage


def description(stage: Stage) -> str:
    """What `list` says of a stage: its description's first line, or what it makes, or what it needs; 80 characters."""
    text = next((line for line in (stage.desc or "").splitlines() if line.strip()), "")
    if not text:
        made = [
            f"Outputs {', '.join(names)}" for names in [[o.spelled for o in stage.outs if o.kind == "out"]] if names
        ]
        made += [
            f"Reports {', '.join(names)}" for names in [[o.spelled for o in stage.outs if o.kind != "out"]] if names
        ]
        text = "; ".join(made)
    if not text:
        needed = [dep.spelled for dep in stage.deps] + [file.spelled for file in stage.params]
        text = f"Depends on {', '.join(needed)}" if needed else "No outputs or dependencies"
    return text if len(text) <= 80 else text[:77] + "..."

"""Random projects, random operations: dvc in one repository, git-stage in its twin, the same after each step.

`pytest tests/differential --seeds 1000-1300` plays other seeds than the fixed ones. A failure prints a script.
"""

from __future__ import annotations

import pytest
from scenarios import scenario
from twins import Workshop, script, smaller


def report(workshop: Workshop, steps: list, shrink: bool) -> None:
    difference = workshop.play(steps)
    if difference is None:
        return
    where = {line.split(":")[0] for line in difference.lines}

    def same(fewer: list) -> bool:
        other = workshop.play(fewer)
        return other is not None and bool(where & {line.split(":")[0] for line in other.lines})

    steps = steps[: difference.number + 1]
    if shrink:
        steps = smaller(steps, same, 120)
        difference = workshop.play(steps) or difference
    pytest.fail(
        f"{difference.step}\n" + "\n".join(difference.lines) + f"\n{difference.said}\n{script(steps)}", pytrace=False
    )


def test_same_as_dvc(workshop: Workshop, seed: int, request: pytest.FixtureRequest) -> None:
    from gitstage.cli import COMMANDS

    steps = [step for step in scenario(seed) if step["op"] != "tool" or step["argv"][0] in {*COMMANDS, "stage"}]
    report(workshop, steps, not request.config.getoption("--no-shrink"))

"""Random projects, random operations: dvc in one repository, git-stage in its twin, the same after each step.

`pytest tests/differential --seeds 1000-1300` plays other seeds than the fixed ones. A failure prints a script.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from scenarios import Step, scenario
from twins import Difference, Workshop, script, smaller

Play = Callable[[Sequence[Step]], Difference | None]


@pytest.fixture
def check(request: pytest.FixtureRequest) -> Callable[[Play, list[Step]], None]:
    """Fails the test if playing steps finds a difference, and prints as few of the steps as show it."""

    def check(play: Play, steps: list[Step]) -> None:
        difference = play(steps)
        if difference is None:
            return
        where = {line.split(":")[0] for line in difference.lines}

        def same(fewer: list[Step]) -> bool:
            other = play(fewer)
            return other is not None and bool(where & {line.split(":")[0] for line in other.lines})

        steps = steps[: difference.number + 1]
        if not request.config.getoption("--no-shrink"):
            steps = smaller(steps, same, 120)
            difference = play(steps) or difference
        lines = [str(difference.step), *difference.lines, difference.said, script(steps)]
        pytest.fail("\n".join(lines), pytrace=False)

    return check


@pytest.mark.timeout(600)
def test_same_as_dvc(workshop: Workshop, seed: int, check: Callable[[Play, list[Step]], None]) -> None:
    check(workshop.play if seed % 10 else workshop.play_with_command, scenario(seed))


@pytest.mark.timeout(600)
def test_dvc_and_git_stage_take_turns(workshop: Workshop, seed: int, check: Callable[[Play, list[Step]], None]) -> None:
    chance = random.Random(-seed)
    steps = []
    for step in scenario(seed):
        if step["op"] == "tool" and "status" in step["argv"]:
            continue  # is asked after every step
        steps.append(step | {"by": chance.choice(["dvc", "git-stage"])} if step["op"] == "tool" else step)
        if step["op"] == "tool" and step["argv"][0] == "repro" and chance.random() < 0.5:
            steps.append({"op": "tool", "argv": ["repro", "-P"], "by": chance.choice(["dvc", "git-stage"])})
    check(workshop.play_mixed, steps)

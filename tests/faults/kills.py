"""Real `kill -9` at random moments of random verbs; nothing is lost, and all ends as if nothing had happened.

python tests/faults/kills.py [--kills N] [--seed N] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from fault_scenarios import SCENARIOS
from matrix import Matrix, Stage, Tally
from played import emptied, verdict

AT_ONCE = 10
"""Kills of one scenario before the next is chosen."""


def play(stage: Stage, kills: int, seed: int, told: Callable[[str], None] = lambda line: None) -> Tally:
    """Kill so many commands while they ran, each at a random moment after the start of Python. `told`: of progress."""
    chance = random.Random(seed)
    tally = Tally()
    while tally.struck < kills:
        # a kill in the middle of Git itself would test Git
        matrix = Matrix(stage, chance.choice([one for one in SCENARIOS if one.argv[0] != "git"]))
        seconds = matrix.duration()
        for _ in range(min(AT_ONCE, kills - tally.struck)):
            before = tally.struck
            matrix.kill(seconds * chance.uniform(0.4, 1), tally)
            seconds *= 1 if tally.struck > before else 0.8  # the machine was busier when it was timed
        told(
            f"{tally.struck} killed of {tally.tried} started, {len(tally.violations)} violations: {matrix.scenario.name}"
        )
    return tally


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Real kills at random moments.")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm/faults-kills"))
    options = parser.parse_args(argv)
    stage = Stage(emptied(options.folder))
    try:
        tally = play(stage, options.kills, options.seed, lambda line: print(line, flush=True))
    finally:
        stage.close()
        shutil.rmtree(options.folder, ignore_errors=True)
    return verdict(f"{tally.struck} killed of {tally.tried} started", tally.violations)


if __name__ == "__main__":
    sys.exit(main())

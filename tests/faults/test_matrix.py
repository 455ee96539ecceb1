"""A fixed sample of the fault matrix, of kills and of races, which `python tests/faults/matrix.py` (kills.py, races.py) play
in full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import kills
import pytest
import races
from fault_scenarios import SCENARIOS
from injector import FAULTS
from matrix import Matrix, Stage, Tally

AT = 2
"""Positions of a fault in a verb; which ones, differs from verb to verb."""
SOME = {
    "init", "run: over what nothing has", "repro", "repro: -j", "repro: unsaved", "add: changed", "add: hardlink", "add: -o",
    "commit", "checkout: other version", "remove: --outs", "move", "gc", "push", "pull", "import", "update", "uninstall",
    "git checkout", "resolve", "merge-file", "cache migrate", "unprotect", "freeze", "config", "undo: gc",
}  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("matrix"))
    yield made
    made.close()


SAMPLE = [one for one in SCENARIOS if one.name in SOME]
PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_sample_of_the_matrix(stage: Stage, part: int) -> None:
    """Each verb with kill, and with one fault more."""
    struck, wrong = 0, []
    for number, scenario in list(enumerate(SAMPLE))[part::PARTS]:
        matrix = Matrix(stage, scenario)
        other = [fault for fault in FAULTS.values() if fault.error][number % (len(FAULTS) - 1)]
        for fault in (FAULTS["kill"], other):
            tally = matrix.play(fault, AT, skip=number)
            struck += tally.struck
            wrong += tally.violations
    assert not wrong, "\n".join(wrong)
    assert struck >= AT * len(SAMPLE) // PARTS


def test_the_injector_strikes(stage: Stage) -> None:
    """Else the matrix would prove nothing."""
    scenario = next(one for one in SCENARIOS if one.name == "add")
    matrix = Matrix(stage, scenario)
    for fault in FAULTS.values():
        assert matrix.count(fault) > 20, fault.name
        stage.reset(matrix.template)
        stage.injector.arm(fault, 10)
        said = stage.call(scenario.argv)
        stage.injector.disarm()
        assert stage.injector.struck
        assert said.code == -9 or fault.error
    stage.injector.arm(FAULTS["ENOSPC"], 1)
    assert stage.call(["add", "-q", "new"]).code == 9
    stage.injector.disarm()


def test_some_kills(stage: Stage) -> None:
    tally = kills.play(stage, 6, seed=7)
    assert not tally.violations, "\n".join(tally.violations)
    assert isinstance(tally, Tally) and tally.struck == 6


@pytest.mark.parametrize("kind", ["8 processes", "dvc, two work trees and kills"])
def test_races(tmp_path: Path, kind: str) -> None:
    is_mixed = kind != "8 processes"
    processes = 4 if is_mixed else 8
    repo = races.project(tmp_path, processes)
    trees = [races.second_tree(repo)] if is_mixed else []
    tally = races.play(repo, 5, processes, 1, dvc=is_mixed, kill=is_mixed, trees=trees)
    assert not tally.wrong, "\n".join(tally.wrong)
    assert sum(tally.done.values()) >= processes


def test_uninstall_on_a_full_disk(stage: Stage) -> None:
    """Git itself ends well although it could not write its configuration."""
    scenario = next(one for one in SCENARIOS if one.name == "uninstall")
    tally = Matrix(stage, scenario).play(FAULTS["ENOSPC"], 200)
    assert not tally.violations, "\n".join(tally.violations)
    assert tally.struck > 10

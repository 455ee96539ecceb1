"""A start, a stage and a file cost no more instructions and system calls than they did."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COUNTS = Path(__file__).parents[2] / "benchmarks" / "counts.py"
TOOLS = [tool for tool in ("valgrind",) if shutil.which(tool)]  # .ci/run sees to it that it is there


@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_costs_more_than_its_limit(tool: str) -> None:
    done = subprocess.run([sys.executable, COUNTS, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("one more file") == 6, done.stdout

"""What short commands cost, counted instead of timed: instructions and system calls, the same on a busy machine.

python benchmarks/counts.py [--check]

Needs valgrind. Instructions of a start are given as a multiple of those of a Python that does nothing, what grows is given per
file and per stage, so that the figures hold for other machines, and nearly for other versions of Python. `--check` exits
with 1 if one is above its limit. Git's own work is not in them.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness import SCRIPTS, environment

MANY = 200
LIMITS = {
    "status, instructions over bare Python": 5.2,
    "repro, nothing to do, instructions over bare Python": 5.7,
    "status, instructions for one more stage": 440_000,
    "repro, nothing to do, instructions for one more stage": 560_000,
    "status, instructions for one more file": 19_000,
    "add, instructions for one more file": 118_000,
    "checkout, instructions for one more file": 112_000,
    "status, system calls for one more file": 1.2,
    "add, system calls for one more file": 13.3,
    "checkout, system calls for one more file": 13,
}
"""About a tenth above what was counted with Python 3.11."""


class Count(NamedTuple):
    instructions: int
    calls: int


class Counter:
    """Runs commands under valgrind in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = environment(folder / "home") | {"PYTHONHASHSEED": "0"}

    def sh(self, command: str, cwd: Path) -> None:
        subprocess.run(["/bin/sh", "-c", command], cwd=cwd, env=self.env, check=True, capture_output=True)

    def count(self, argv: Sequence[str], cwd: Path) -> Count:
        """Of one command, what it starts itself left out."""
        words = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--trace-syscalls=yes"]
        done = subprocess.run([*words, *argv], cwd=cwd, env=self.env, capture_output=True, text=True, errors="replace")
        assert done.returncode == 0, done.stderr[-1000:]
        collected = re.search(r"Collected : (\d+)", done.stderr)
        assert collected, done.stderr[-1000:]
        return Count(
            int(collected.group(1)), len(re.findall(r"^SYSCALL\[[\d,]+\]\(\d+\) sys_", done.stderr, re.MULTILINE))
        )

    def ours(self, cwd: Path, *argv: str) -> Count:
        return self.count([sys.executable, f"{SCRIPTS}/git-stage", *argv], cwd)

    def stages(self, count: int) -> Path:
        """A project of so many stages, all up to date."""
        place = self.folder / f"stages{count}"
        place.mkdir()
        text = "stages:\n"
        for number in range(count):
            (place / f"in{number}").write_text(f"{number}\n")
            text += (
                f"  s{number}:\n    cmd: cp in{number} out{number}\n    deps: [in{number}]\n    outs: [out{number}]\n"
            )
        (place / "dvc.yaml").write_text(text)
        self.sh(
            "git init -q && git-stage init -q --no-hooks && git-stage repro -q && git add -A && git commit -qm x", place
        )
        self.sh("sleep 0.1 && git-stage status", place)
        return place

    def files(self, count: int) -> tuple[Path, list[Count]]:
        """A project that tracks a folder of so many files; what `add`, `status` and `checkout` of it cost."""
        place = self.folder / f"files{count}"
        (place / "data").mkdir(parents=True)
        for number in range(count):
            (place / "data" / f"{number:05}").write_text(f"{number}\n" * 100)
        self.sh("git init -q && git-stage init -q --no-hooks && git-stage config cache.type copy && sleep 0.1", place)
        self.sh("touch x && git-stage add -q x", place)
        add = self.ours(place, "add", "-q", "data")
        self.sh("sleep 0.1 && git-stage status", place)
        status = self.ours(place, "status")
        self.sh("rm -r data", place)
        return place, [add, status, self.ours(place, "checkout", "-q")]


def counted(folder: Path) -> dict[str, float]:
    """The figures of LIMITS, as they are."""
    counter = Counter(folder)
    bare = counter.count([sys.executable, "-c", "pass"], folder).instructions
    found = {}
    few, many = counter.stages(1), counter.stages(101)
    for verb, name in (("status", "status"), ("repro", "repro, nothing to do")):
        first, second = counter.ours(few, verb), counter.ours(many, verb)
        found[f"{name}, instructions over bare Python"] = first.instructions / bare
        found[f"{name}, instructions for one more stage"] = (second.instructions - first.instructions) / 100
    _, little = counter.files(MANY)
    _, much = counter.files(2 * MANY)
    for name, first, second in zip(("add", "status", "checkout"), little, much, strict=True):
        found[f"{name}, instructions for one more file"] = (second.instructions - first.instructions) / MANY
        found[f"{name}, system calls for one more file"] = (second.calls - first.calls) / MANY
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = counted(Path(folder))
    print("| count | is | at most |\n|---|---|---|")
    for name, limit in LIMITS.items():
        print(f"| {name} | {found[name]:,.1f} | {limit:,} |{'' if found[name] <= limit else ' above'}")
    return 1 if args.check and any(found[name] > limit for name, limit in LIMITS.items()) else 0


if __name__ == "__main__":
    sys.exit(main())

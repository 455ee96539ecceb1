"""Runs commands as whole processes and compares them: CPU and wall time, memory, medians of interleaved rounds.

Every figure is a ratio of two commands of the same run on the same machine; absolute times only describe that machine.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

SCRIPTS = sysconfig.get_path("scripts")
"""Where the `git-stage` and `dvc` of the running Python are."""


@dataclass(frozen=True)
class Cost:
    """What one process and all that it waited for cost: seconds, and the largest resident set in bytes."""

    cpu: float
    wall: float
    memory: int


@dataclass
class Row:
    """One line of the table: medians of `cost` by program, and what ours must be at most, as `bound` times `against`."""

    work: str
    cost: dict[str, Cost]
    ours: str
    against: str
    figure: str
    bound: float | None
    rounds: int
    ratio: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool | None:
        return None if self.bound is None else self.ratio <= self.bound


Step = Callable[[], object]


def environment(home: Path) -> dict[str, str]:
    """An environment without the user's settings; our programs and DVC first on PATH."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "DVC_", "GITSTAGE_")) and name != "PYTHONDONTWRITEBYTECODE"
    }
    identity = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    places = {f"DVC_{name}_DIR": str(home / name) for name in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE")}
    path = os.pathsep.join([SCRIPTS, os.environ.get("PATH", os.defpath)])
    return kept | identity | places | {"HOME": str(home), "PATH": path, "DVC_NO_ANALYTICS": "1", "SHELL": "/bin/sh"}


def cost(argv: Sequence[str] | str, cwd: Path, env: Mapping[str, str]) -> Cost:
    """Run a command (a text: by sh) with its output thrown away; it must succeed."""
    words = ["/bin/sh", "-c", argv] if isinstance(argv, str) else list(argv)
    program = shutil.which(words[0], path=env["PATH"])
    assert program, f"{words[0]} is not installed"
    with open(os.devnull, "r+b") as null:
        start = time.perf_counter()
        process = subprocess.Popen([program, *words[1:]], cwd=cwd, env=env, stdin=null, stdout=null, stderr=null)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{words}: exit code {process.returncode} in {cwd}"
    scale = 1 if sys.platform == "darwin" else 1024
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * scale)


@dataclass(frozen=True)
class Program:
    """One way to do the work: `before` sets the scene (not measured), then `argv` runs in `cwd`."""

    argv: Sequence[str] | str
    cwd: Path
    before: Step | None = None


def compare(
    work: str, programs: Mapping[str, Program], env: Mapping[str, str], *, against: str, bound: float | None = None,
    figure: str = "cpu", rounds: int = 5, warm: int = 1, seldom: Mapping[str, int] | None = None,
) -> Row:  # fmt: skip
    """Run the programs in turn, `rounds` times after `warm` rounds that do not count; ours is the first.

    `figure`: the number that is compared, "cpu" or "wall"; the ratio is the median of the rounds' ratios. `seldom`: how
    often a slow program runs at most.
    """
    found: dict[str, list[Cost]] = {name: [] for name in programs}
    for turn in range(-warm, rounds):
        for name, program in programs.items():
            limit = (seldom or {}).get(name)
            if limit is not None and (turn < 0 or turn >= limit):
                continue
            if program.before is not None:
                program.before()
            one = cost(program.argv, program.cwd, env)
            if turn >= 0:
                found[name].append(one)
    ours = next(iter(programs))
    row = Row(work, {name: _median(costs) for name, costs in found.items()}, ours, against, figure, bound, rounds)
    pairs = zip(found[ours], found[against], strict=False)
    row.ratio = statistics.median(getattr(a, figure) / max(getattr(b, figure), 1e-6) for a, b in pairs)
    return row


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(c.cpu for c in costs),
        statistics.median(c.wall for c in costs),
        int(statistics.median(c.memory for c in costs)),
    )


def seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| work | gitstage | beside | ratio | must be |", "|---|---|---|---|---|"]
    for row in rows:
        ours = getattr(row.cost[row.ours], row.figure)
        beside = ", ".join(
            f"{name} {seconds(getattr(one, row.figure))}" for name, one in row.cost.items() if name != row.ours
        )
        bound = "" if row.bound is None else f"at most {row.bound:g}" + ("" if row.holds else " (missed)")
        lines.append(
            f"| {row.work} ({row.figure}) | {seconds(ours)} | {beside} | {row.ratio:.2f} x {row.against} | {bound} |"
        )
        lines += [f"| | {note} | | | |" for note in row.notes]
    return "\n".join(lines)


def machine() -> str:
    """What the figures were taken on."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            model = next(line.partition(":")[2].strip() for line in stream if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    git = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.split()[2]
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}, Git {git}"
    return f"{os.cpu_count()} x {model}, {system}"


def save(rows: Sequence[Row], path: str) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        json.dump({"machine": machine(), "rows": [asdict(row) for row in rows]}, stream, indent=1)

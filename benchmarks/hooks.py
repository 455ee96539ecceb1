"""What the hooks cost in a repository of 10,000 files with a pipeline of 100 stages: Git with them, less Git without.

python benchmarks/hooks.py [ROUNDS]

Both repositories are the same but for the hooks. Their runs alternate; shown are medians of the pairs' differences, and what
the fastest run of each differ by, which a busy machine tells best.
"""

import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable

OURS = os.path.join(sysconfig.get_path("scripts"), "git-stage")
GIT = shutil.which("git") or "git"
FILES, STAGES = 10_000, 100
STEPS = ("checkout", "status", "commit of code", "commit of an input")
LIMITS = dict(zip(STEPS, (15, 5, 40, 400), strict=True))  # ms of wall time over Git alone

Cost = tuple[float, float]


def timed(folder: str, null: int, *args: str) -> Cost:
    """CPU and wall milliseconds of a Git command and all that it waited for."""
    redirect = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    began = time.perf_counter()
    pid = os.posix_spawn(GIT, [GIT, "-C", folder, *args], os.environ, file_actions=redirect)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, args
    return 1000 * (usage.ru_utime + usage.ru_stime), 1000 * (time.perf_counter() - began)


def run(folder: str, *argv: str) -> None:
    subprocess.run(argv, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def write(folder: str, path: str, text: str) -> None:
    os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
    with open(os.path.join(folder, path), "w") as stream:
        stream.write(text)


def make(folder: str) -> None:
    """A repository whose pipeline has run on two versions of one input: the second's lock is kept as `.git/other`."""
    os.makedirs(folder)
    run(folder, "git", "init", "-q", "-b", "main", ".")
    run(folder, "git", "config", "gc.auto", "0")
    run(folder, OURS, "init", "-q", "--no-hooks")
    for i in range(FILES):
        write(folder, f"code/{i % 20}/{i // 20 % 20}/{i}.txt", f"{i}\n")
    lines = ["stages:"]
    for i in range(STAGES):
        write(folder, f"in/{i}", f"{i}\n")
        lines += [f"  s{i}:", f"    cmd: cp in/{i} out{i}", "    deps:", f"    - in/{i}", "    outs:", f"    - out{i}"]
    write(folder, "dvc.yaml", "\n".join(lines) + "\n")
    write(folder, "in/7", "other\n")
    run(folder, OURS, "repro", "-q")
    shutil.copyfile(os.path.join(folder, "dvc.lock"), os.path.join(folder, ".git/other"))
    write(folder, "in/7", "7\n")
    run(folder, OURS, "repro", "-q")
    shutil.copyfile(os.path.join(folder, "dvc.lock"), os.path.join(folder, ".git/one"))
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-q", "-m", "one")
    run(folder, "git", "repack", "-adq")


def step(name: str, folder: str, number: int, null: int) -> Cost:
    if name == "checkout":
        return timed(folder, null, "checkout", "-q", "main")
    if name == "status":
        return timed(folder, null, "status")
    if name == "commit of code":
        write(folder, "code/1/1/21.txt", f"{number}\n")
    else:
        write(folder, "in/7", "7\n" if number % 2 else "other\n")
        shutil.copyfile(
            os.path.join(folder, ".git", "one" if number % 2 else "other"), os.path.join(folder, "dvc.lock")
        )
    run(folder, "git", "add", "-u")
    return timed(folder, null, "commit", "-q", "-m", "x")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    identity = {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    os.environ.update(identity, GIT_CONFIG_GLOBAL=os.devnull)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program is compiled
    null = os.open(os.devnull, os.O_WRONLY)
    with tempfile.TemporaryDirectory() as top:
        with_hooks, without = os.path.join(top, "with"), os.path.join(top, "without")
        make(without)
        run(top, "cp", "-a", without, with_hooks)
        run(with_hooks, OURS, "install", "-q")
        for folder in (with_hooks, without):  # so that neither has an index that is to be refreshed
            run(folder, "git", "status")
            run(folder, "git", "checkout", "-q", "main")
        print(f"{'ms, median of ' + str(rounds):24}   Git alone    over that    fastest    limit")
        for name in STEPS:
            measure(
                name, lambda folder, number, name=name: step(name, folder, number, null), with_hooks, without, rounds
            )


def measure(name: str, once: Callable[[str, int], Cost], with_hooks: str, without: str, rounds: int) -> None:
    pairs = [(once(with_hooks, number), once(without, number)) for number in range(rounds + 2)][2:]
    for i, kind in enumerate(("CPU", "wall")):
        alone = statistics.median(pair[1][i] for pair in pairs)
        over = statistics.median(pair[0][i] - pair[1][i] for pair in pairs)
        fastest = min(pair[0][i] for pair in pairs) - min(pair[1][i] for pair in pairs)
        print(
            f"{name:19} {kind:4}   {alone:9.1f}    {over:+9.1f}  {fastest:+9.1f}    {LIMITS[name] if kind == 'wall' else '':>5}"
        )


if __name__ == "__main__":
    main()

"""Many processes on one project: each runs random verbs, real `dvc` among them if asked for; then all must be in order.

python tests/faults/races.py [--seconds N] [--processes N] [--dvc] [--worktrees] [--kill] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import yaml
from played import emptied, verdict
from support import Repo, kill_group, md5, new_repo, sealed_environment

DOCUMENTED = {
    "git-stage": {0, 8},
    "dvc": {0, 255, 1},  # its locks do not wait: it gives up at once
}
"""Exit codes that a process may end with because others work beside it."""
EXPLAINED = re.compile(
    r"changed while (it was read|the command ran)"  # a neighbour edited an input: nothing was recorded
    r"|would be lost, the content is in no cache"  # an `add` before it was killed
    r"|neither in the cache nor on remote|is not in the cache"  # a neighbour edited what was about to be sent
)


@dataclass
class Tally:
    """What the processes did: verb and exit code -> how often; and what must not have happened."""

    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def project(top: Path, workers: int) -> Repo:
    """A project with a stage, data and a remote; each worker has a file `wN/f` and a stage `sN` of its own."""
    repo = new_repo(top / "repo", sealed_environment(top / "home"))
    repo.stage("init", "--no-hooks", check=True)
    repo.stage("remote", "add", "-d", "store", "../store", check=True)
    stages = "".join(
        f"  s{n}:\n    cmd: cp in/{n} out{n} && cp src dir{n}\n    deps: [in/{n}, src]\n    outs: [out{n}, dir{n}]\n"
        for n in range(workers)
    )
    repo.write({"dvc.yaml": "stages:\n" + stages, "src": "source\n", "shared": "shared\n"})
    repo.write({f"in/{n}": f"{n}\n" for n in range(workers)} | {f"w{n}/f": f"{n}\n" for n in range(workers)})
    repo.stage("add", "-q", "shared", *(f"w{n}" for n in range(workers)), check=True)
    repo.stage("repro", "-q", check=True)
    repo.stage("push", "-q", check=True)
    repo.commit("start")
    return repo


def second_tree(repo: Repo) -> Repo:
    """Another work tree of the same repository, which has the same cache."""
    repo.git("worktree", "add", "-q", "../second")
    made = Repo(repo.path.parent / "second", repo.env)
    made.stage("checkout", "-q", check=True)
    return made


class Worker:
    """One of the processes: it changes its own files, and whatever a verb touches beside them."""

    def __init__(self, repo: Repo, number: int, seed: int, tally: Tally, *, dvc: bool, kill: bool) -> None:
        self.repo, self.number, self.tally, self.kill = repo, number, tally, kill
        self.program = "dvc" if dvc else "git-stage"
        self.chance = random.Random(seed * 1000 + number)
        self.count = 0

    def work(self, end: float) -> None:
        while time.monotonic() < end:
            argv = self.chance.choice(self.choices())()
            self.call(argv)

    def choices(self) -> Sequence[Callable[[], list[str]]]:
        n = self.number
        common: list[Callable[[], list[str]]] = [
            self.added, self.added, self.stage_changed, lambda: ["status"], lambda: ["repro", "-q", f"s{n}"],
            lambda: ["push", "-q"], lambda: ["fetch", "-q"], lambda: ["gc", "-w", "-f"], lambda: ["checkout", "-q", f"w{n}"],
            lambda: ["freeze", "-q", f"s{n}"], lambda: ["unfreeze", "-q", f"s{n}"],
        ]  # fmt: skip
        if self.program == "git-stage":
            common += [
                self.described,
                lambda: ["commit", "-q", "-f", f"w{n}.dvc"],
                lambda: ["unprotect", "-q", f"w{n}"],
            ]
        return common

    def added(self) -> list[str]:
        self.count += 1
        self.repo.write({f"w{self.number}/f": self.text(), f"w{self.number}/g{self.count % 3}": self.text()})
        return ["add", "-q", f"w{self.number}"]

    def stage_changed(self) -> list[str]:
        self.count += 1
        self.repo.write({f"in/{self.number}": self.text()})
        return ["repro", "-q", f"s{self.number}"]

    def described(self) -> list[str]:
        name = f"x{self.number}"
        return ["run", "-q", "-f", "-n", name, "-d", "src", "-o", name, f"cp src {name}"]

    def text(self) -> str:
        # now and then what somebody else has, too
        return "common\n" if self.chance.random() < 0.2 else f"{self.number} {self.count} {self.chance.random()}\n"

    def call(self, argv: Sequence[str]) -> None:
        process = self.repo.start(self.program, *argv)
        if self.kill and self.chance.random() < 0.3:
            try:
                _, err = process.communicate(timeout=self.chance.random() * 0.5)
            except subprocess.TimeoutExpired:
                kill_group(process)
                process.communicate()
                self.tally.done["killed"] += 1
                return
        try:
            _, err = process.communicate(timeout=100)
        except subprocess.TimeoutExpired:
            kill_group(process)
            process.communicate()
            self.tally.wrong.append(f"{self.program} {' '.join(argv)}: did not end")
            return
        code = process.returncode
        self.tally.done[f"{self.program} {argv[0]} {code}"] += 1
        if "Traceback" in err:
            self.tally.wrong.append(f"{self.program} {' '.join(argv)}: {err}")
        elif code not in DOCUMENTED[self.program] and not EXPLAINED.search(err):
            self.tally.wrong.append(f"{self.program} {' '.join(argv)}: exit {code}: {err}")


def play(
    repo: Repo, seconds: float, workers: int, seed: int, *, dvc: bool, kill: bool, trees: Sequence[Repo] = ()
) -> Tally:
    """Run them all for so long, every third one as `dvc` if asked for, spread over the work trees."""
    tally = Tally()
    places = [repo, *trees]
    team = [Worker(places[n % len(places)], n, seed, tally, dvc=dvc and n % 3 == 2, kill=kill) for n in range(workers)]
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(worker.work, end) for worker in team]:
            future.result()
    for place in places:
        tally.wrong += in_order(place)
    return tally


def in_order(repo: Repo) -> list[str]:
    """What is wrong with a project at rest: metadata, objects, what is recorded, what was left behind."""
    wrong = []
    got = repo.stage("status")
    if got.returncode:
        wrong.append(f"status: exit {got.returncode}: {got.stderr}")
    cache = Path(repo.stage("cache", "dir").stdout.strip())
    for path in cache.rglob("*"):
        match = re.fullmatch(r".*/files/md5/(..)/(.{30})(\.dir)?", str(path))
        if match and md5(path.read_bytes()) != match[1] + match[2]:
            wrong.append(f"{path}: is not what its name says")
        elif path.is_file() and not match and "/runs/" not in str(path):
            wrong.append(f"{path}: was left behind")
    recorded: list[tuple[str, str]] = []
    for file in [*repo.path.glob("*.dvc"), repo.path / "dvc.lock"]:
        if not file.is_file():
            continue
        try:
            document = yaml.safe_load(file.read_text())
        except yaml.YAMLError as error:
            wrong.append(f"{file.name}: {error}")
            continue
        entries = [document] if file.suffix == ".dvc" else document["stages"].values()
        recorded += [(f"{file.name}: {out['path']}", out["md5"]) for entry in entries for out in entry.get("outs", ())]
    for name, digest in recorded:
        if not (cache / "files/md5" / digest[:2] / digest[2:]).is_file():
            wrong.append(f"{name}: {digest} is not in the cache")
    for path in (repo.path / ".dvc/tmp").rglob("*"):
        inside = path.relative_to(repo.path / ".dvc/tmp").as_posix()
        if path.is_file() and not re.fullmatch(r"btime|lock|rwlock(\.lock)?|gitstage/(kept|corrupt|undo)/.*", inside):
            wrong.append(f".dvc/tmp/{inside}: was left behind")
    known = re.compile(r"(in|src|out|dir|x|w|shared|dvc\.(yaml|lock)|\.dvc|\.git|\.dvcignore|\.gitignore)(\d*)(\.dvc)?")
    wrong += [f"{path.name}: was left behind" for path in repo.path.iterdir() if not known.fullmatch(path.name)]
    return wrong


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Many processes on one project.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dvc", action="store_true", help="every third one is dvc")
    parser.add_argument(
        "--worktrees", action="store_true", help="they are spread over two work trees of one repository"
    )
    parser.add_argument("--kill", action="store_true", help="a third of the commands is killed at a random moment")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm/faults-races"))
    options = parser.parse_args(argv)
    repo = project(emptied(options.folder), options.processes)
    trees = [second_tree(repo)] if options.worktrees else []
    tally = play(
        repo, options.seconds, options.processes, options.seed, dvc=options.dvc, kill=options.kill, trees=trees
    )  # fmt: skip
    for name, count in sorted(tally.done.items()):
        print(f"{count:5} {name}")
    return verdict(f"{sum(tally.done.values())} commands", tally.wrong)


if __name__ == "__main__":
    sys.exit(main())

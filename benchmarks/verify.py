"""What checking commits costs: CPU time of `git stage verify` in a bare clone, beside Git reading the same history.

    python benchmarks/verify.py [STAGES] [COMMITS] [ROUNDS]

Every commit changes one input of one stage and its record. Compared is `git log -p --raw` of the same commits, which reads
every changed blob, and what checking them one by one costs.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from histories import Made, World, put_commits
from support import Repo, new_repo, sealed_environment


def cpu(repo: Repo, *command: str) -> float:
    """CPU seconds of a command and all that it waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, cwd=repo.path, env=repo.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def history(stages: int, commits: int) -> list[dict[str, str]]:
    """Every stage has an input of its own, which one commit after the other changes."""
    world = World(
        inputs={f"in{n}": f"{n}\n" for n in range(stages)},
        stages={f"s{n}": Made([f"in{n}"], f"out{n}") for n in range(stages)},
    )
    states = []
    for number in range(commits + 1):
        world.inputs[f"in{number % stages}"] = f"at {number}\n"
        states.append(world.files())
    return states


def main() -> None:
    stages, commits, rounds = (int(word) for word in (sys.argv[1:] + ["100", "50", "5"][len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        made = new_repo(Path(folder) / "repo", sealed_environment(Path(folder) / "home"))
        put_commits(made, history(stages, commits))
        made.git("clone", "-q", "--bare", ".", "../bare")
        bare = Repo(Path(folder) / "bare", made.env)
        span = f"HEAD~{commits}..HEAD"
        asked = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "git log -p": ["git", "log", "-p", "--raw", span],
            "verify HEAD": ["git-stage", "verify", "HEAD"],
            f"verify {span}": ["git-stage", "verify", span],
        }
        took: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(rounds):  # in turn, so that all meet the same load
            for name, command in asked.items():
                took[name].append(cpu(bare, *command))
    middle = {name: statistics.median(values) for name, values in took.items()}
    print(f"{stages} stages, {commits} commits, median of {rounds} rounds")
    for name, seconds in middle.items():
        print(f"{name:24} {seconds:7.3f} s CPU   x{seconds / middle['git log -p']:.1f}")
    more = (middle[f"verify {span}"] - middle["verify HEAD"]) / max(commits - 1, 1)
    print(f"each further commit      {1000 * more:7.2f} ms CPU")


main()

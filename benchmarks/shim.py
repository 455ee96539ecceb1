"""What the `git` dispatcher costs: CPU time of `git version` through it, as a multiple of Git alone.

python benchmarks/shim.py [ROUNDS]
"""

import os
import shutil
import statistics
import sys
import tempfile

from gitstage import shim
from gitstage.cli import DISPATCHED

SHELLS = {"sh": "/bin/sh", "bash": shutil.which("bash"), "busybox": shutil.which("busybox")}


def cpu(command: list[str], null: int) -> float:
    """CPU milliseconds of a program and all that it waited for."""
    redirect = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=redirect)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, command
    return 1000 * (usage.ru_utime + usage.ru_stime)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    real = shim.real_git()
    assert real
    null = os.open(os.devnull, os.O_WRONLY)
    with tempfile.TemporaryDirectory() as folder:
        git = os.path.join(folder, "git")
        with open(git, "w") as stream:
            stream.write(shim.text(real, folder, DISPATCHED))
        os.chmod(git, 0o755)
        starts = {
            name: [path, "sh", git] if name == "busybox" else [path, git] for name, path in SHELLS.items() if path
        }
        took: dict[str, list[float]] = {name: [] for name in ("git alone", *starts)}
        for _ in range(rounds):  # in turn, so that all meet the same load
            took["git alone"].append(cpu([real, "version"], null))
            for name, start in starts.items():
                took[name].append(cpu([*start, "version"], null))
    alone = statistics.mean(took["git alone"])
    for name, values in took.items():
        mean = statistics.mean(values)
        print(f"{name:10} {mean:6.2f} ms CPU   x{mean / alone:.2f}")


main()

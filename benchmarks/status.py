"""What `status` costs in a small project, beside DVC: CPU time of the whole process, paired runs.

python benchmarks/status.py [ROUNDS]

Both tools look at the same repository: one stage, one tracked file, everything up to date.
"""

import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile

SCRIPTS = sysconfig.get_path("scripts")


def cpu(program: str, null: int) -> float:
    """CPU milliseconds of `PROGRAM status` and all that it waited for."""
    redirect = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    pid = os.posix_spawn(program, [program, "status"], os.environ, file_actions=redirect)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, program
    return 1000 * (usage.ru_utime + usage.ru_stime)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    ours, theirs = os.path.join(SCRIPTS, "git-stage"), shutil.which("dvc", path=SCRIPTS)
    assert theirs, "real dvc is not installed: pip install '.[test]'"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run(["git", "init", "-q", "."], check=True)
        subprocess.run([ours, "init", "-q", "--no-hooks"], check=True)
        with open("data", "w") as stream:
            stream.write("1\n")
        subprocess.run([ours, "add", "-q", "data"], check=True)
        subprocess.run([ours, "run", "-q", "-n", "copy", "-d", "data", "-o", "out", "cp data out"], check=True)
        null = os.open(os.devnull, os.O_WRONLY)
        pairs = [(cpu(ours, null), cpu(theirs, null)) for _ in range(rounds + 1)][1:]
    for name, values in (("git-stage status", [a for a, _ in pairs]), ("dvc status", [b for _, b in pairs])):
        print(f"{name:<17} {statistics.median(values):7.1f} ms CPU")
    print(f"ratio, median of {rounds} pairs: {statistics.median(a / b for a, b in pairs):.3f}")


if __name__ == "__main__":
    main()

"""Push and pull beside DVC's: whole commands, many small files and a few big ones, over each kind of remote.

python benchmarks/remotes.py [--times N] [--load LOAD] [KIND...]   (local, s3, sftp, webdav; small, big)

Needs the test environment and its servers.

For each tool, in turn, N times: a push into an empty remote, then a pull into a fresh clone. Shown are, the least of all
times, CPU seconds of the command with all that it started, wall seconds and the most memory that one process held; then
DVC's wall and CPU time over ours.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "remote")]

from servers import KINDS, Server  # noqa: E402
from support import Repo, new_repo, sealed_environment  # noqa: E402

SCRIPTS = sysconfig.get_path("scripts")
TOOLS = {"git-stage": [f"{SCRIPTS}/git-stage"], "dvc": [f"{SCRIPTS}/dvc"]}
LOADS = {"small": (2000, 4 << 10), "big": (2, 256 << 20)}


def timed(repo: Repo, argv: list[str]) -> tuple[float, float, float]:
    """CPU and wall seconds of a command and all that it waited for, and MiB that the biggest process held."""
    with open(repo.path.parent / "said", "wb") as said:
        began = time.perf_counter()
        child = subprocess.Popen(argv, cwd=repo.path, env=repo.env, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
    if status:
        sys.exit(f"{' '.join(argv)}: {(repo.path.parent / 'said').read_text()}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def project(folder: Path, load: str, server: Server) -> Repo:
    made = new_repo(folder / "one", sealed_environment(folder / "home"))
    made.env.update(server.environment)
    made.stage("init", "-q", "--no-hooks", check=True)
    count, size = LOADS[load]
    (made.path / "data").mkdir()
    for number in range(count):  # block by block: what this process holds would count as the commands' memory
        with open(made.path / "data" / str(number), "wb") as stream:
            for _ in range(max(1, size >> 20)):
                stream.write(os.urandom(min(size, 1 << 20)))
    made.stage("add", "data", check=True, timeout=600)
    made.stage("remote", "add", "-d", "r", server.url, check=True)
    for key, value in server.settings.items():
        made.stage("remote", "modify", "r", key, value, check=True)
    made.commit()
    return made


def least(one: tuple[float, float, float], other: tuple[float, float, float]) -> tuple[float, float, float]:
    return min(one[0], other[0]), min(one[1], other[1]), min(one[2], other[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--load", choices=LOADS, action="append")
    parser.add_argument("kinds", nargs="*", metavar="KIND", default=["local", "s3", "sftp", "webdav"])
    args = parser.parse_args()
    print(f"{'':22}{'ours: CPU  wall   MiB':>24}{'DVC: CPU  wall   MiB':>24}{'wall':>8}{'CPU':>8}")
    for kind in args.kinds:
        for load in args.load or LOADS:
            folder = Path(tempfile.mkdtemp(prefix="gitstage-remotes-"))
            server = KINDS[kind](folder / "server")
            server.start()
            found: dict[str, dict[str, tuple[float, float, float]]] = {}
            try:
                repo = project(folder, load, server)
                for tool, argv in [*TOOLS.items()] * args.times:
                    server.use(tool)
                    if kind != "s3":
                        server.path("").mkdir(parents=True, exist_ok=True)
                        server.path("").chmod(0o777)
                    repo.stage("remote", "modify", "r", "url", server.url, check=True)
                    repo.git("commit", "-q", "--allow-empty", "-am", tool)
                    cost = {"push": timed(repo, [*argv, "push", "-q"])}
                    repo.git("clone", "-q", ".", str(folder / tool))
                    other = Repo(folder / tool, repo.env)
                    cost["pull"] = timed(other, [*argv, "pull", "-q"])
                    before = found.get(tool, cost)
                    found[tool] = {step: least(before[step], now) for step, now in cost.items()}
                    shutil.rmtree(other.path)
                    shutil.rmtree(server.path(""))
                for step in ("push", "pull"):
                    ours, theirs = found["git-stage"][step], found["dvc"][step]
                    shown = "".join(f"{c:13.2f}{w:6.2f}{m:5.0f}" for c, w, m in (ours, theirs))
                    ratios = f"{theirs[1] / ours[1]:7.1f}x{theirs[0] / ours[0]:7.1f}x"
                    print(f"{kind + ' ' + load + ' ' + step:22}{shown}{ratios}", flush=True)
            finally:
                server.stop()
                shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""kill -9 at any moment: nothing is lost, nothing stays behind, the next command works."""

from __future__ import annotations

import itertools
import os
import random
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from support import Repo, kill_group, md5

KILLS = int(os.environ.get("GITSTAGE_KILLS", "6"))
FILES = 300

ALLOWED_TMP = re.compile(r"btime|lock|rwlock|rwlock\.lock|gitstage/(kept|undo)/.*")
"""What may stay in `.dvc/tmp`: DVC's own files, and what a command that failed had made, for the user to look at."""

COMMAND = "mkdir -p made; cp big/* made/; echo x >> made/000"


def everything(repo: Repo, *, aside: bool = False) -> dict[str, str]:
    """All content of the work tree and the cache: its MD5, and a path where it lies.

    `aside`: count also what lies in `.dvc/tmp`, where old outputs wait while a command runs.
    """
    found = {}
    for base, folders, files in os.walk(repo.path):
        inside = os.path.relpath(base, repo.path)
        folders[:] = [name for name in folders if (inside, name) != (".", ".git")]
        if inside.startswith(".dvc/tmp") and not aside:
            continue
        for name in files:
            full = os.path.join(base, name)
            if os.path.isfile(full):
                with open(full, "rb") as stream:
                    found[md5(stream.read())] = os.path.relpath(full, repo.path)
    return found


def lost(before: dict[str, str], repo: Repo, *, aside: bool = False) -> list[str]:
    """The paths whose content was there before and is nowhere now."""
    now = everything(repo, aside=aside)
    return sorted(path for digest, path in before.items() if digest not in now)


def whole_cache(repo: Repo) -> None:
    """Every object of the cache is what its name says, and nothing else lies there."""
    top = repo.path / ".dvc/cache"
    for base, _, files in os.walk(top):
        for name in files:
            path = os.path.relpath(os.path.join(base, name), top)
            content = re.fullmatch(r"files/md5/(..)/(.{30})(\.dir)?", path)
            if content:
                with open(os.path.join(base, name), "rb") as stream:
                    assert md5(stream.read()) == content[1] + content[2], f"{path}: is not what it should be"
            else:
                assert re.fullmatch(r"runs/(..)/\1[0-9a-f]{62}/[0-9a-f]{64}", path), f"{path}: left behind in the cache"


def nothing_stays(repo: Repo, known: set[str]) -> None:
    """No file is in the work tree but those in `known`, and none but the allowed ones in `.dvc/tmp`."""
    top = repo.path / ".dvc/tmp"
    for base, _, files in os.walk(top):
        for name in files:
            path = os.path.relpath(os.path.join(base, name), top)
            assert ALLOWED_TMP.fullmatch(path), f"left behind in .dvc/tmp: {path}"
    strange = []
    for base, folders, files in os.walk(repo.path):
        inside = os.path.relpath(base, repo.path)
        if inside == ".":
            folders[:] = [name for name in folders if name != ".git"]
        if inside == ".dvc":
            folders[:] = []
        strange += [path for name in files if (path := os.path.normpath(os.path.join(inside, name))) not in known]
    assert strange == []


OWN = {".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"}


def names(folder: str) -> set[str]:
    return {f"{folder}/{number:03d}" for number in range(FILES)}


def killed(repo: Repo, prepare: Callable[[], list[str]], moment: float) -> dict[str, str]:
    """Prepare, start `git-stage` with what that returns, and kill it and all it started after `moment` seconds.

    Returns what was there before. A command that was faster than the moment is prepared again and killed earlier.
    """
    for _ in range(8):
        argv = prepare()
        before = everything(repo)
        running = repo.start("git-stage", *argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        alive = running.poll() is None
        kill_group(running)
        running.wait(timeout=30)
        if alive:
            return before
        moment *= 0.7
    raise AssertionError("the command is over too soon to be killed")


def duration(repo: Repo, prepare: Callable[[], list[str]]) -> float:
    """How long the command takes, the faster of two times."""
    seconds = []
    for _ in range(2):
        argv = prepare()
        begun = time.monotonic()
        repo.stage(*argv, check=True)
        seconds.append(time.monotonic() - begun)
    return min(seconds)


def moments(seconds: float, seed: int) -> list[float]:
    """Random moments of a command that takes `seconds`, one in each of KILLS equal parts of it."""
    chance = random.Random(seed)
    start = seconds / 5
    return [start + (seconds - start) * (part + chance.random()) / KILLS for part in range(KILLS)]


class Marks:
    """Fills the folder `big` with new content every time."""

    def __init__(self, repo: Repo) -> None:
        self.repo, self.count = repo, 0

    def fill(self) -> None:
        self.count += 1
        self.repo.write({name: f"{name} {self.count}\n" * 200 for name in names("big")})


def test_add(project: Repo) -> None:
    marks = Marks(project)

    def prepare() -> list[str]:
        for path in ("big.dvc", ".gitignore", ".dvc/cache", ".git/gitstage"):
            if project.exists(path):
                project.remove(path)
        marks.fill()
        return ["add", "big"]

    for moment in moments(duration(project, prepare), seed=1):
        before = killed(project, prepare, moment)
        assert not lost(before, project, aside=True), f"lost by a kill after {moment:.3f} s"
        project.stage("status", check=True)
        assert not lost(before, project), "lost by the status after it"
        nothing_stays(project, OWN | names("big") | {"big.dvc"})
        whole_cache(project)
        project.stage("add", "big", check=True)
        assert project.stage("status", "-q").returncode == 0
        whole_cache(project)


def test_run(project: Repo) -> None:
    """An output holds a file that no command made and no cache has: it is never gone, wherever it had to go."""
    marks = Marks(project)

    def prepare() -> list[str]:
        marks.fill()
        project.write({"made/by hand": f"mine {marks.count}\n"})
        return ["run", "-f", "-n", "make", "-d", "big", "-o", "made", COMMAND]

    known = OWN | names("big") | names("made") | {"made/by hand", "dvc.yaml", "dvc.lock"}
    for moment in moments(duration(project, prepare), seed=2):
        before = killed(project, prepare, moment)
        assert not set(lost(before, project, aside=True)) - {"dvc.lock"}
        project.stage("status", check=True)
        nothing_stays(project, known)
        whole_cache(project)
        assert not set(lost(before, project, aside=True)) - {"dvc.lock"}, f"lost by a kill after {moment:.3f} s"
        project.stage("repro", check=True)
        assert project.stage("status", "-q").returncode == 0
        whole_cache(project)


def test_checkout(project: Repo) -> None:
    marks = Marks(project)
    wanted = {}
    for branch in ("first", "second"):
        project.git("checkout", "-q", "-B", branch)
        marks.fill()
        project.stage("add", "big", check=True)
        project.commit(branch)
        wanted[branch] = {name: project.read(name) for name in names("big")}
    branches = itertools.cycle(("first", "second"))

    def prepare() -> list[str]:
        project.git("checkout", "-q", next(branches))
        return ["checkout"]

    for moment in moments(duration(project, prepare), seed=3):
        before = killed(project, prepare, moment)
        assert not lost(before, project, aside=True), f"lost by a kill after {moment:.3f} s"
        project.stage("status", check=True)
        assert not lost(before, project), "lost by the status after it"
        nothing_stays(project, OWN | names("big") | {"big.dvc"})
        whole_cache(project)
        project.stage("checkout", check=True)
        branch = project.git("branch", "--show-current").strip()
        assert {name: project.read(name) for name in names("big")} == wanted[branch]
        assert project.stage("status", "-q").returncode == 0


def test_output_of_a_killed_run_comes_back(project: Repo, tmp_path: Path) -> None:
    """The moment that matters most: the old output has been moved aside and the new one is half made."""
    project.write({"src": "one\n"})
    project.stage(
        "run", "-n", "make", "-d", "src", "-o", "out", "-o", "d", "cp src out; mkdir d; cp src d/f", check=True
    )
    text = project.read("dvc.yaml").replace("cp src out", "echo half > out; touch ../started; sleep 60; cp src out")
    project.write({"dvc.yaml": text, "src": "two\n", "d/by hand": "mine\n", "out": "by hand too\n"})
    running = project.start("git-stage", "repro", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while not (tmp_path / "started").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    kill_group(running)
    running.wait(timeout=30)
    assert project.stage("status").returncode == 0
    assert (project.read("d/f"), project.read("d/by hand")) == ("one\n", "mine\n")
    assert project.read("out") == "by hand too\n"
    nothing_stays(project, OWN | {"src", "out", "d/f", "d/by hand", "dvc.yaml", "dvc.lock"})


def test_temporary_files_in_a_cache_on_another_file_system(project: Repo, tmp_path: Path) -> None:
    """There a killed command leaves its temporary files at the top of the cache, named for its folder in .dvc/tmp."""
    cache = tmp_path / "cache"
    project.write({".dvc/config": f"[cache]\n    dir = {cache}\n", "f": "1\n"})
    project.stage("add", "f", check=True)
    project.write({".dvc/tmp/gitstage/99999999-0a0b0c0d/alive": "locked\n"})
    for name in (".99999999-0a0b0c0d-1.tmp", ".99999999-0a0b0c0e-1.tmp"):
        (cache / name).write_text("half")
    project.stage("status", check=True)
    assert sorted(path.name for path in cache.iterdir()) == [".99999999-0a0b0c0e-1.tmp", "files"]
    assert not project.exists(".dvc/tmp/gitstage/99999999-0a0b0c0d")

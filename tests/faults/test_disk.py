"""A disk that is really full, and one that is really read-only."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support import Repo, mounted, small_disk
from test_kill import everything, lost, whole_cache


def can_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder, small_disk(Path(folder), "64k") as done:
        return done


MOUNTS = can_mount()


class Small:
    """A project on a disk with little room: on a small tmpfs, or, where that cannot be mounted, under a limit for files."""

    def __init__(self, repo: Repo, prefix: Sequence[str]) -> None:
        self.repo, self.prefix = repo, prefix

    def stage(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self.repo.run(*self.prefix, "git-stage", *args)


@pytest.fixture(params=["tmpfs", "limit"] if MOUNTS else ["limit"])
def small(
    request: pytest.FixtureRequest, tmp_path: Path, environment: dict[str, str], ran_template: Path
) -> Iterator[Small]:
    place = tmp_path / "disk"
    place.mkdir()
    limit: list[str] = []
    with contextlib.ExitStack() as stack:
        if request.param == "tmpfs":
            assert stack.enter_context(small_disk(place, "8m"))
        else:  # of 512 or 1024 bytes
            limit = ["sh", "-c", 'ulimit -f 64; PYTHONDONTWRITEBYTECODE=1 exec "$@"', "sh"]
        shutil.copytree(ran_template, place / "repo", symlinks=True)
        yield Small(Repo(place / "repo", environment), limit)


def fill(repo: Repo, prefix: Sequence[str]) -> None:
    """Leave no room on the small disk (which a limit does by itself)."""
    if not prefix:
        with open(repo.path / "filler", "wb", buffering=0) as stream:
            for size in (1 << 16, 1 << 12):
                try:
                    while True:
                        stream.write(b"\0" * size)
                except OSError:
                    continue


def empty(small: Small) -> None:
    if not small.prefix:
        small.repo.remove("filler")
    small.prefix = []


def test_full(small: Small) -> None:
    repo = small.repo
    text = "".join(f"{number}\n" for number in range(30_000))
    repo.write({"big": text, "src": text, "out": "by hand\n", "data": "d changed\n"})
    before = everything(repo)
    fill(repo, small.prefix)
    for argv in (["add", "big"], ["repro"], *([] if small.prefix else [["commit", "-f"]])):  # which writes little
        got = small.stage(*argv)
        assert got.returncode in (1, 5, 9), (argv, got.stdout, got.stderr)  # 1: Git had no room
        assert "Traceback" not in got.stderr
        assert "git-stage: " in got.stderr
        assert not lost(before, repo), argv
        whole_cache(repo)
    assert repo.read("out") == "by hand\n"
    assert not repo.exists("big.dvc")
    assert small.stage("status").returncode == 0
    assert small.stage("gc", "-w", "-f").returncode == 0  # which makes room
    empty(small)
    repo.stage("add", "big", "data", check=True)
    repo.stage("repro", check=True)
    assert repo.stage("status").stdout == "Data and pipelines are up to date.\n"
    assert repo.read("out") == text
    assert not set(lost(before, repo, aside=True)) - {"dvc.lock", "data.dvc", ".gitignore"}
    whole_cache(repo)


@pytest.fixture
def read_only(ran: Repo) -> Iterator[Repo]:
    """A project that nobody can write to, at once."""
    if MOUNTS:
        with mounted(ran.path, "--bind", str(ran.path)):
            subprocess.run(["mount", "-o", "remount,bind,ro", ran.path], check=True)
            yield ran
    else:
        subprocess.run(["chmod", "-R", "a-w", ran.path], check=True)
        yield ran
        subprocess.run(["chmod", "-R", "u+w", ran.path], check=True)


def test_read_only(ran: Repo, request: pytest.FixtureRequest) -> None:
    ran.write({"src": "two\n", "new": "new\n", "dir/a": "changed\n"})
    before = ran.tree()
    request.getfixturevalue("read_only")
    got = ran.stage("status")
    assert (got.returncode, "modified" in got.stdout) == (0, True), got.stderr
    for argv in (
        ["add", "new"], ["repro"], ["commit", "-f"], ["checkout", "--force"], ["remove", "s"], ["move", "data", "moved"],
        ["gc", "-w", "-f"], ["freeze", "s"], ["config", "cache.type", "copy"], ["install"],
        ["run", "-n", "n", "-o", "n", "touch n"], ["import-url", "src", "copy"], ["init", "-f"],
    ):  # fmt: skip
        got = ran.stage(*argv)
        assert got.returncode in (1, 9), (argv, got.stdout, got.stderr)
        assert got.stderr.startswith("git-stage: "), (argv, got.stderr)
        assert len(got.stderr.splitlines()) <= 2, (argv, got.stderr)
    assert ran.tree() == before

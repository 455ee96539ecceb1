"""Enough files that several processes share the work: what they make, and what is left when they are stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Repo, md5, wait_until

from gitstage.forks import LEAST

COUNT = 2 * LEAST + 200


def texts() -> Iterator[tuple[str, str]]:
    for number in range(COUNT):
        yield f"{'sub/' if number % 2 else ''}f{number}", f"text {number}\n"


@pytest.fixture
def many(project: Repo) -> Repo:
    (project.path / "data/sub").mkdir(parents=True)
    for name, text in texts():
        (project.path / "data" / name).write_text(text)
    return project


def check(repo: Repo) -> None:
    """The cache and the work tree hold all of it; nothing else is in the cache or in the folder for what is not yet there."""
    cache = repo.path / ".dvc/cache/files/md5"
    objects = {path.parent.name + path.name for path in cache.glob("??/*")}
    assert {md5(text) for _, text in texts()} == {name for name in objects if not name.endswith(".dir")}
    for name, text in texts():
        digest = md5(text)
        assert (cache / digest[:2] / digest[2:]).read_text() == text
        assert (repo.path / "data" / name).read_text() == text
    assert repo.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"
    assert [path.name for path in (repo.path / ".dvc/tmp/gitstage").iterdir() if path.name[0].isdigit()] == []


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_add_and_checkout(many: Repo, kind: str) -> None:
    many.stage("config", "cache.type", kind, check=True)
    many.stage("add", "-q", "data", check=True)
    check(many)
    for name in ("data/f0", "data/sub/f1"):
        path = many.path / name
        assert path.is_symlink() == (kind == "symlink") and (path.lstat().st_nlink == 2) == (kind == "hardlink")
    many.remove("data")
    assert many.stage("checkout", check=True).stdout == "A\tdata/\n"
    check(many)


def test_what_cannot_be_kept_is_named(many: Repo) -> None:
    """The failure is one of a fork; it is told once, as if there were none."""
    digest = md5(f"text {COUNT - 1}\n")
    many.write({f".dvc/cache/files/md5/{digest[:2]}": "in the way\n"})
    said = many.stage("add", "data")
    assert said.returncode == 9 and said.stderr.count("\n") == 1, said
    assert f".dvc/cache/files/md5/{digest[:2]}" in said.stderr
    assert not (many.path / "data.dvc").exists()
    many.remove(f".dvc/cache/files/md5/{digest[:2]}")
    many.stage("add", "data", check=True)
    check(many)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("verb", ["add", "checkout"])
def test_stopped_in_the_middle(many: Repo, verb: str, signum: int) -> None:
    """Only the command itself is struck; what it started must not go on for long, and the next command finishes."""
    if verb == "checkout":
        many.stage("add", "-q", "data", check=True)
        many.remove("data")
    words = ["add", "data"] if verb == "add" else ["checkout"]
    running = many.start("git-stage", *words)
    scratch = many.path / ".dvc/tmp/gitstage"
    wait_until(lambda: any(scratch.glob("*-*/*-*")) or running.poll() is not None)
    running.send_signal(signum)
    running.wait()
    wait_until(lambda: not _processes(many))
    many.stage(*words, check=True)
    check(many)


def _processes(repo: Repo) -> list[str]:
    """Those whose current folder is the repository."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if os.readlink(path) == str(repo.path):
                found.append(path.parent.name)
        except OSError:
            pass
    return found

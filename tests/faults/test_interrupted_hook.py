"""Ctrl-C while a hook brings outputs in line: Git and the hook end at once, and only whole files lie there."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest
from support import Repo, kill_group, wait_until

FILES = 3000


def contents(repo: Repo) -> set[tuple[str, bool]]:
    """What the files of the output start with, and whether they are whole."""
    found = set()
    for name in os.listdir(repo.path / "big"):
        text = repo.read(f"big/{name}")
        found.add((text.split()[0] if text else "", text == f"{text.split()[0]} {name}\n" * 50 if text else False))
    return found


@pytest.fixture
def branches(project: Repo) -> Repo:
    for branch in ("first", "second"):
        project.git("checkout", "-q", "-B", branch)
        project.write({f"big/{n}": f"{branch} {n}\n" * 50 for n in range(FILES)})
        project.stage("add", "-q", "big", check=True)
        project.commit(branch)
    project.stage("install", "-q", check=True)
    project.git("checkout", "-q", "first")
    assert contents(project) == {("first", True)}
    return project


def test_ctrl_c(branches: Repo, tmp_path: Path) -> None:
    some = [branches.path / "big" / str(number) for number in range(0, FILES, 500)]
    for _ in range(5):
        said = tmp_path / "said"
        with open(said, "w") as stream:
            running = branches.start("git", "checkout", "-q", "second", stdout=stream, stderr=stream)
            wait_until(lambda: any(map(begun, some)), what="the first file")
            kill_group(running, signal.SIGINT)
            running.wait(timeout=30)
        wait_until(partial(group_is_gone, running.pid), what="the end of the hook")
        assert "Traceback" not in said.read_text()
        found = contents(branches)
        assert found <= {("first", True), ("second", True)}
        assert len(os.listdir(branches.path / "big")) == FILES
        if len(found) == 2:
            break
        branches.git("checkout", "-q", "first")
        assert contents(branches) == {("first", True)}
    else:
        raise AssertionError("the hook is always faster")
    branches.git("checkout", "-q", "second")
    assert contents(branches) == {("second", True)}
    assert branches.stage("status", "-q").returncode == 0


def begun(path: Path) -> bool:
    """Is it there with the new content?"""
    try:
        return path.read_bytes().startswith(b"second")
    except FileNotFoundError:
        return False


def group_is_gone(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return False

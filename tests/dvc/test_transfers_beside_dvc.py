"""One folder remote for both tools: what one pushed the other pulls, and finds in sync."""

from __future__ import annotations

import shutil
from pathlib import Path

from support import Repo, picture

CONFIG = "[core]\n    remote = r\n['remote \"r\"']\n    url = ../../remote\n"
PIPELINE = "stages:\n  s:\n    cmd: cp src out; mkdir -p d; cp src d/x\n    deps: [src]\n    outs: [out, d]\n"
SKIP = (".git", ".dvc", ".dvcignore")


def with_data(repo: Repo, text: str) -> None:
    repo.write({"src": text, "dvc.yaml": PIPELINE, ".dvc/config": CONFIG})
    repo.write({f"many/s/{number}": f"{text}{number}\n" for number in range(40)})
    repo.stage("add", "many", check=True)
    repo.stage("repro", check=True)
    repo.commit(text)


def clone(repo: Repo, name: str) -> Repo:
    repo.git("clone", "-q", str(repo.path), str(repo.path.parent / name))
    return Repo(repo.path.parent / name, repo.env)


def content(folder: Path) -> dict[str, tuple[str, ...]]:
    return {path: entry for path, entry in picture(folder).items() if entry[0] == "file"}


def test_both_ways(project: Repo) -> None:
    with_data(project, "one\n")
    remote = project.path.parent / "remote"
    ours, theirs = clone(project, "ours"), clone(project, "theirs")

    project.stage("push", "--run-cache", check=True)
    by_us = content(remote)
    theirs.dvc("pull", "--run-cache", check=True)
    assert picture(theirs.path, skip=SKIP) == picture(project.path, skip=SKIP)
    assert theirs.dvc("status", "-c", "--json", check=True).stdout == "{}\n"

    shutil.rmtree(remote)
    project.dvc("push", "--run-cache", check=True)
    assert content(remote) == by_us
    ours.stage("pull", "--run-cache", check=True)
    assert picture(ours.path, skip=SKIP) == picture(project.path, skip=SKIP)
    assert ours.stage("status", "-c", "--json", check=True).stdout == "{}\n"
    ours_cache = content(ours.path / ".dvc/cache")
    assert ours_cache == content(theirs.path / ".dvc/cache")
    assert ours_cache.keys() == by_us.keys()

    with_data(project, "two\n")
    project.stage("push", check=True)
    theirs.git("pull", "-q")
    theirs.dvc("pull", check=True)
    assert picture(theirs.path, skip=SKIP) == picture(project.path, skip=SKIP)
    assert project.dvc("push", check=True).stdout == "Everything is up to date.\n"

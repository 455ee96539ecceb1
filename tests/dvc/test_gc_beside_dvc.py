"""gc of every scope names the same objects as dvc's, and deletes them alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import Repo, dvc_steps, new_repo, picture, sealed_environment

SCOPES = ["-w", "-a", "-T", "-A", "--rev b", "--rev HEAD -n 2", "-a -n 3", "--date 2020-04-01", "-T --rev HEAD~1"]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """Six commits, each with its own data, a directory and an output; a branch and two tags."""
    folder = tmp_path_factory.mktemp("gc")
    repo = new_repo(folder / "repo", sealed_environment(folder / "home"))
    repo.stage("init", "--no-hooks", check=True)
    repo.write({"dvc.yaml": "stages:\n  s:\n    cmd: cp a o; cp a m\n    deps: [a]\n    outs: [o]\n"
                            "    metrics: [m: {cache: false}]\n"})  # fmt: skip
    for number in range(1, 7):
        when = f"2020-0{number}-15T12:00:00+0000"
        repo.env |= {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        repo.write({"a": f"{number}\n", "d/x": "same\n", "d/y": f"y{number}\n"})
        repo.stage("add", "a", "d", check=True)
        repo.stage("repro", check=True)
        repo.commit(str(number))
    for name, rev in (("t1", "HEAD~5"), ("t2", "HEAD~3")):
        repo.git("tag", *(["-a", "-m", name] if name == "t2" else []), name, rev)
    repo.git("branch", "b", "HEAD~2")
    return repo


def listed(text: str) -> list[str]:
    return sorted(line for line in text.splitlines() if line.startswith("Removing "))


def test_the_same_objects_are_listed(history: Repo) -> None:
    before = history.tree()
    theirs = dvc_steps(history, [["gc", *scope.split(), "-f", "--dry"] for scope in SCOPES], look=False)
    for scope, (code, text, _) in zip(SCOPES, theirs, strict=True):
        ours = history.stage("gc", *scope.split(), "--dry", check=True)
        assert code == 0 and listed(ours.stdout) == listed(text), scope
        assert bool(listed(ours.stdout)) == (scope != "-A")
    assert history.tree() == before


def test_the_same_calls_are_refused(history: Repo) -> None:
    before = history.tree()
    calls = [line.split() for line in ("", "-n 2", "-w -n 2", "--rev nope -f", "--date 2020-13 -f", "-w -c -f")]
    for argv, (code, _, _) in zip(
        calls, dvc_steps(history, [["gc", *argv] for argv in calls], look=False), strict=True
    ):
        assert code and history.stage("gc", *argv).returncode, argv
    assert history.stage("gc", "-w").returncode == 1
    assert history.tree() == before


def test_what_is_deleted_is_what_was_listed(history: Repo) -> None:
    dry = listed(history.stage("gc", "-a", "--dry", check=True).stdout)
    before = history.cache()
    got = history.stage("gc", "-a", "-f", check=True)
    assert got.stdout == f"Removed {len(dry)} objects from repo cache.\nNo unused 'legacy' cache to remove.\n"
    gone = {f"Removing {history.path}/.dvc/cache/{path}" for path in before.keys() - history.cache().keys()}
    assert sorted(gone) == dry
    assert history.dvc("gc", "-a", "-f", "--dry", check=True).stdout.startswith("No unused 'repo' cache")
    assert history.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"


def test_the_remote_is_cleared_alike(history: Repo, tmp_path: Path) -> None:
    shutil.copytree(history.path, tmp_path / "repo", symlinks=True)
    repo = Repo(tmp_path / "repo", history.env)
    repo.write({".dvc/config": "[core]\n    remote = r\n['remote \"r\"']\n    url = ../../remote\n"})
    repo.stage("push", "-a", check=True)
    theirs = Repo(tmp_path / "theirs/repo", history.env)
    shutil.copytree(tmp_path / "repo", theirs.path, symlinks=True)
    shutil.copytree(tmp_path / "remote", tmp_path / "theirs/remote")
    before = picture(tmp_path / "remote")
    listed = repo.stage("gc", "-w", "-c", "--dry", check=True).stdout
    assert picture(tmp_path / "remote") == before and "from remote 'r'" in listed
    repo.stage("gc", "-w", "-c", "-f", check=True)
    theirs.dvc("gc", "-w", "-c", "-f", check=True)
    ours, dvc = (
        {path for path, entry in picture(place).items() if entry[0] == "file" and path.startswith("files/")}
        for place in (tmp_path / "remote", tmp_path / "theirs/remote")
    )
    assert ours == dvc and ours < before.keys()
    assert repo.cache().keys() == theirs.cache().keys()
    got = repo.stage("gc", "-w", "--not-in-remote", "-f", check=True)
    assert not [path for path in repo.cache() if path.startswith("files/")], got.stdout
    repo.stage("pull", check=True)
    assert repo.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"

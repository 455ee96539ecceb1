"""gc of every scope names the same objects as dvc's, and deletes them alike."""

from __future__ import annotations

import pytest
from support import Repo, new_repo, sealed_environment

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


@pytest.mark.parametrize("scope", SCOPES)
def test_the_same_objects_are_listed(history: Repo, scope: str) -> None:
    before = history.tree()
    ours = history.stage("gc", *scope.split(), "--dry", check=True)
    theirs = history.dvc("gc", *scope.split(), "-f", "--dry", check=True)
    assert listed(ours.stdout) == listed(theirs.stdout)
    assert bool(listed(ours.stdout)) == (scope != "-A")
    assert history.tree() == before


@pytest.mark.parametrize("argv", ["", "-n 2", "-w -n 2", "--rev nope -f", "--date 2020-13 -f", "-w"])
def test_the_same_calls_are_refused(history: Repo, argv: str) -> None:
    before = history.tree()
    assert history.stage("gc", *argv.split()).returncode
    assert history.dvc("gc", *argv.split()).returncode
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

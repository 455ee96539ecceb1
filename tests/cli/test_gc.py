"""gc keeps what somebody may return to: other work trees, indexes, stashes, merges under way, unreadable commits."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Repo, md5

A, B, C = ("a version\n", "b version\n", "c version\n")
UNNEEDED = "nobody needs this\n"


@pytest.fixture
def data(project: Repo) -> Repo:
    """Data in version A, committed; and an object that nothing needs."""
    project.write({"data": UNNEEDED})
    project.stage("add", "data", check=True)
    put(project, A)
    project.commit("A")
    return project


def put(repo: Repo, text: str) -> None:
    repo.write({"data": text})
    repo.stage("add", "data", check=True)


def has(repo: Repo, text: str) -> bool:
    return repo.object(md5(text)).exists()


def staged(repo: Repo) -> None:
    put(repo, B)
    repo.git("add", "data.dvc")
    put(repo, C)


def stashed(repo: Repo) -> None:
    put(repo, B)
    repo.git("stash", "-q")
    put(repo, C)
    repo.git("stash", "-q")
    put(repo, A)


def stashed_untracked(repo: Repo) -> None:
    repo.write({"new": B})
    repo.stage("add", "new", check=True)
    repo.git("stash", "-q", "-u")


def edited_after_commit(repo: Repo) -> None:
    """HEAD needs B, the work tree C."""
    put(repo, B)
    repo.commit("B")
    put(repo, C)


def in_a_worktree(repo: Repo) -> None:
    """Another work tree's HEAD needs B, its files C."""
    repo.git("worktree", "add", "-q", "../other")
    other = Repo(repo.path.parent / "other", repo.env)
    put(other, B)
    other.commit("B")
    put(other, C)


def merging(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "theirs")
    put(repo, B)
    repo.commit("B")
    repo.git("checkout", "-q", "main")
    put(repo, C)
    repo.commit("C")
    assert "CONFLICT" in repo.git("merge", "theirs", check=False)
    repo.git("checkout", "--ours", "data.dvc")


def rebasing(repo: Repo) -> None:
    """The branch that is being rebased needs B, what it goes onto C."""
    repo.git("checkout", "-q", "-b", "mine")
    put(repo, B)
    repo.commit("B")
    repo.git("checkout", "-q", "-b", "onto", "main")
    put(repo, C)
    repo.commit("C")
    repo.git("checkout", "-q", "mine")
    repo.git("rebase", "onto", check=False)
    repo.git("checkout", "--ours", "data.dvc")


@pytest.mark.parametrize(
    ("prepare", "needed"),
    [
        (staged, [A, B, C]),
        (stashed, [A, B, C]),
        (stashed_untracked, [A, B]),
        (edited_after_commit, [B, C]),
        (in_a_worktree, [A, B, C]),
        (merging, [B, C]),
        (rebasing, [B, C]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_everything_that_is_in_use_is_kept(data: Repo, prepare: Callable[[Repo], None], needed: list[str]) -> None:
    prepare(data)
    data.stage("gc", "-w", "-f", check=True)
    assert [text for text in needed if not has(data, text)] == []
    assert not has(data, UNNEEDED)


def test_a_commit_whose_files_are_invalid_keeps_all_that_it_names(data: Repo) -> None:
    put(data, B)
    data.append("data.dvc", "what: is this\n")
    data.commit("invalid")
    data.git("reset", "-q", "--hard", "HEAD~1")
    data.git("branch", "bad", "HEAD@{1}")
    data.stage("gc", "-a", "-f", check=True)
    assert has(data, B) and not has(data, UNNEEDED)


def test_an_invalid_work_tree_stops_it(data: Repo) -> None:
    data.append("data.dvc", "what: is this\n")
    before = data.state()
    assert data.stage("gc", "-w", "-f").returncode == 3
    assert data.state() == before


def test_outputs_whose_names_come_from_parameters_are_kept_in_every_commit(data: Repo) -> None:
    data.write({"dvc.yaml": "stages:\n  s:\n    foreach: ${names}\n    do:\n      cmd: echo ${item} >${item}\n"
                            "      outs:\n      - ${item}\n", "params.yaml": "names: [p, q]\n"})  # fmt: skip
    data.stage("repro", check=True)
    data.commit("both")
    data.write({"params.yaml": "names: [p]\n"})
    data.commit("one")
    assert has(data, "q\n")
    data.stage("gc", "-w", "-f", check=True)
    assert has(data, "p\n") and not has(data, "q\n")
    data.git("checkout", "-q", "HEAD~1", "--", "params.yaml")
    data.git("commit", "-qm", "both again")
    data.stage("repro", check=True)
    data.stage("gc", "-A", "-f", check=True)
    assert has(data, "p\n") and has(data, "q\n")


def test_the_files_of_a_directory_whose_manifest_is_lost_are_known_from_the_work_tree(ran: Repo) -> None:
    (manifest,) = [path for path in ran.cache() if path.endswith(".dir")]
    (ran.path / ".dvc/cache" / manifest).unlink()
    assert ran.stage("gc", "-w", "-f", check=True).stderr == ""
    assert has(ran, "a\n")
    ran.remove("dir")
    assert "nobody knows which files that directory needs" in ran.stage("gc", "-w", "-f", check=True).stderr


def test_a_shared_cache_gives_others_time_to_record_what_they_wrote(data: Repo, tmp_path: Path) -> None:
    data.write({".dvc/config": f"[cache]\n    dir = {tmp_path}/shared\n"})
    put(data, B)
    put(data, A)
    shared = tmp_path / "shared/files/md5" / md5(B)[:2] / md5(B)[2:]
    data.stage("gc", "-w", "-f", check=True)
    assert shared.exists()
    data.git("config", "gitstage.gcGrace", "soon")
    got = data.stage("gc", "-w", "-f")
    assert (got.returncode, got.stderr.splitlines()[0]) == (
        6,
        "git-stage: gitstage.gcGrace: 'soon' is no number of seconds",
    )
    data.git("config", "gitstage.gcGrace", "0")
    data.stage("gc", "-w", "-f", check=True)
    assert not shared.exists()


def test_another_project_with_the_same_cache_counts(data: Repo, tmp_path: Path, project_template: Path) -> None:
    shutil.copytree(project_template, tmp_path / "second", symlinks=True)
    second = Repo(tmp_path / "second", data.env)
    second.write({".dvc/config": f"[cache]\n    dir = {data.path}/.dvc/cache\n"})
    put(second, B)
    data.stage("gc", "-w", "-f", "-p", str(second.path), check=True)
    assert has(data, B) and has(data, A) and not has(data, UNNEEDED)


def test_results_of_runs_stay_but_not_their_content(ran: Repo) -> None:
    ran.write({"src": "two\n"})
    ran.stage("repro", check=True)
    ran.commit("two")
    before = ran.cache()
    ran.stage("gc", "-w", "-f", check=True)
    gone = before.keys() - ran.cache().keys()
    assert gone == {str(ran.object(md5("one\n")).relative_to(ran.path / ".dvc/cache"))}
    ran.write({"src": "one\n"})
    assert "Running stage 's'" in ran.stage("repro", check=True).stdout


def test_it_waits_for_a_command_in_another_work_tree(data: Repo) -> None:
    data.git("worktree", "add", "-q", "../other")
    other = data.path.parent / "other/.dvc/tmp"
    other.mkdir(exist_ok=True)
    with open(other / "lock", "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        got = data.stage("gc", "-w", "-f")
    assert got.returncode == 8
    assert has(data, UNNEEDED)

"""Every Git command that moves the work tree moves the data with it, and Git's exit code is what it is without hooks."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Repo, md5


def change(repo: Repo, value: str) -> None:
    """a.in gets another value and the stage is reproduced; all is committed."""
    repo.write({"a.in": f"{value}\n"})
    repo.stage("repro", "-q", check=True)
    repo.git("commit", "-qam", value)


@pytest.fixture(scope="module")
def made(project_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage a.in -> a.out. main: 1, then an unrelated commit; two: a.in is 2; ff: the first commit; conflict: a.in is 3."""
    from support import sealed_environment

    folder = tmp_path_factory.mktemp("verbs")
    shutil.copytree(project_template, folder / "repo", symlinks=True)
    repo = Repo(folder / "repo", sealed_environment(folder / "home"))
    repo.write({"a.in": "1\n"})
    repo.stage("run", "-q", "-n", "a", "-d", "a.in", "-o", "a.out", "cat a.in > a.out", check=True)
    repo.commit("one")
    repo.git("branch", "ff")
    for branch, value in (("two", "2"), ("conflict", "3")):
        repo.git("checkout", "-q", "-b", branch, "main")
        change(repo, value)
        repo.stage("checkout", "-q", check=True)
        repo.git("checkout", "-q", "main")
        repo.stage("checkout", "-q", check=True)
    repo.write({"code": "1\n"})
    repo.commit("unrelated")
    repo.git("tag", "start")
    return repo.path


def steps(*commands: str) -> Callable[[Repo], list[int]]:
    """Runs Git commands (as one would type them after `git`), and returns their exit codes."""

    def run(repo: Repo) -> list[int]:
        return [repo.run("sh", "-c", f"git {command}").returncode for command in commands]

    return run


VERBS = {
    "am": steps("format-patch -1 --stdout two >../patch", "am -q <../patch"),
    "pull, merge": steps("pull -q --no-rebase --no-edit . two"),
    "pull, ff only": steps("checkout -q ff", "pull -q --ff-only . two"),
    "pull, rebase": steps("checkout -q ff", "pull -q --rebase . two"),
    "pull, rebase with local commits": steps("pull -q --rebase . two"),
    "rebase two onto main": steps("checkout -q two", "rebase -q main"),
    "rebase main onto two": steps("rebase -q two"),
    "rebase --apply": steps("checkout -q two", "rebase -q --apply main"),
    "rebase, conflict, abort": steps("checkout -q two", "rebase -q conflict", "rebase --abort"),
    "rebase, exec": steps("checkout -q two", "rebase -q -x true main"),
    "rebase, ff": steps("checkout -q ff", "rebase -q two"),
    "rebase, autostash": steps("checkout -q two", "status >/dev/null; echo x >new; git add new", "rebase -q --autostash main"),
    "reset --hard": steps("reset -q --hard two"),
    "reset --keep": steps("reset -q --keep two"),
    "merge": steps("merge -q --no-edit two"),
    "merge, ff only": steps("checkout -q ff", "merge -q --ff-only two"),
    "merge --squash": steps("merge -q --squash two"),
    "merge, conflict, abort": steps("checkout -q two", "merge -q conflict", "merge --abort"),
    "cherry-pick": steps("cherry-pick two"),
    "cherry-pick -n": steps("cherry-pick -n two"),
    "revert": steps("checkout -q two", "revert --no-edit HEAD"),
    "stash": steps("checkout -q two -- a.in dvc.lock", "stash -q"),
    "stash pop": steps("checkout -q two -- a.in dvc.lock", "stash -q", "stash pop -q"),
    "stash branch": steps("checkout -q two -- a.in dvc.lock", "stash -q", "stash branch other"),
    "checkout files": steps("checkout -q two -- a.in dvc.lock"),
    "restore": steps("restore -s two a.in dvc.lock"),
    "restore, index too": steps("restore -s two -S -W a.in dvc.lock"),
    "checkout": steps("checkout -q two"),
    "switch": steps("switch -q two"),
    "switch, detached": steps("switch -q --detach two"),
    "switch, orphan": steps("switch -q --orphan fresh"),
    "checkout -f": steps("checkout -q two -- a.in dvc.lock", "checkout -q -f"),
    "bisect run": steps("bisect start -q two ff", "bisect run test -e code", "bisect reset"),
    "commit --amend": steps("checkout -q two", "commit -q --amend -m amended"),
    "read-tree": steps("read-tree -u -m two"),
}  # fmt: skip


def agrees(repo: Repo) -> bool:
    """Is a.out what dvc.lock says, or absent if that is absent?"""
    if not repo.exists("dvc.lock"):
        return not repo.exists("a.out")
    recorded = re.search(r"- path: a.out\n +hash: md5\n +md5: (\w+)", repo.read("dvc.lock"))
    return recorded is not None and repo.exists("a.out") and md5(repo.read("a.out")) == recorded[1]


@pytest.mark.parametrize("layout", ["ordinary", "worktree"])
@pytest.mark.parametrize("verb", VERBS)
def test_data_follows(verb: str, layout: str, made: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    codes = {}
    for hooks in ("without", "with"):
        shutil.copytree(made, tmp_path / hooks / "repo", symlinks=True)
        repo = Repo(tmp_path / hooks / "repo", dict(environment))
        if hooks == "with":
            repo.stage("install", "-q", check=True)
        if layout == "worktree":
            repo.git("checkout", "-q", "--detach")
            repo.git("worktree", "add", "-q", "../linked", "main")
            repo = Repo(tmp_path / hooks / "linked", dict(environment))
            assert hooks == "without" or agrees(repo), "a new worktree has its data"
        codes[hooks] = VERBS[verb](repo)
        if hooks == "with":
            assert agrees(repo), repo.run("git", "status").stdout
    assert codes["with"] == codes["without"]


def test_where_a_rebase_stops_the_data_is_there(made: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    shutil.copytree(made, tmp_path / "repo", symlinks=True)
    repo = Repo(tmp_path / "repo", environment)
    repo.stage("install", "-q", check=True)
    repo.git("checkout", "-q", "two")
    repo.git("rebase", "-q", "-x", "cmp a.in a.out", "main")
    repo.git("checkout", "-q", "-B", "two", "start")
    assert repo.run("git", "rebase", "-q", "-x", "cmp a.in dvc.lock", "ff").returncode == 1, (
        "the control: exec can fail"
    )


def test_resets_need_not_be_followed(made: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    shutil.copytree(made, tmp_path / "repo", symlinks=True)
    repo = Repo(tmp_path / "repo", environment)
    repo.stage("install", "-q", check=True)
    repo.git("config", "gitstage.followResets", "false")
    repo.git("reset", "-q", "--hard", "two")
    assert not agrees(repo)
    repo.git("config", "--unset", "gitstage.followResets")
    repo.git("reset", "-q", "--hard", "main")
    repo.git("reset", "-q", "--hard", "two")
    assert agrees(repo)


def test_a_merge_without_conflict_is_judged(made: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    shutil.copytree(made, tmp_path / "repo", symlinks=True)
    repo = Repo(tmp_path / "repo", environment)
    repo.stage("install", "-q", check=True)
    repo.git("checkout", "-q", "-b", "stale", "ff")
    repo.write({"a.in": "9\n"})
    repo.git("commit", "-qam", "not run", "--no-verify")
    repo.git("checkout", "-q", "main")
    before = repo.git("rev-parse", "HEAD")
    got = repo.run("git", "merge", "--no-edit", "stale")
    assert got.returncode != 0
    assert "git stage repro a" in got.stderr
    assert repo.git("rev-parse", "HEAD") == before

"""The hooks in every kind of repository: where its parts lie, and how Git stores what is in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Repo

from git import layouts
from git.layouts import MINE, Place


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The repository of `layouts.make` for a prefix, made once."""
    made: dict[str, Path] = {}

    def find(prefix: str) -> Path:
        if prefix not in made:
            made[prefix] = layouts.make(tmp_path_factory.mktemp("history"), prefix).path
        return made[prefix]

    return find


@pytest.fixture
def made(history: Callable[[str], Path], tmp_path: Path, environment: dict[str, str]) -> Repo:
    shutil.copytree(history(""), tmp_path / "repo", symlinks=True)
    return Repo(tmp_path / "repo", environment)


def at(repo: Repo) -> Place:
    return Place(repo, "", "")


def separate_git_dir(repo: Repo) -> Repo:
    repo.git("init", "-q", "--separate-git-dir", "../git dir")
    return repo


def core_worktree(repo: Repo) -> Repo:
    (repo.path / ".git").rename(repo.path.parent / "meta.git")
    found = Repo(repo.path, repo.env | {"GIT_DIR": "../meta.git"})
    found.git("config", "core.worktree", "../repo")
    return found


def named_by_environment(repo: Repo) -> Repo:
    (repo.path / ".git").rename(repo.path.parent / "meta.git")
    return Repo(repo.path, repo.env | {"GIT_DIR": str(repo.path.parent / "meta.git"), "GIT_WORK_TREE": str(repo.path)})


def worktree_of_bare(repo: Repo) -> Repo:
    """Its main worktree is none, so the cache is where the user says."""
    config = Path(repo.env["DVC_GLOBAL_CONFIG_DIR"]) / "config"
    config.write_text(f"[cache]\n    dir = {repo.path}/.dvc/cache\n")
    repo.git("clone", "-q", "--bare", ".", "../bare.git")
    bare = Repo(repo.path.parent / "bare.git", repo.env)
    bare.git("worktree", "add", "-q", "../linked", "main")
    return Repo(repo.path.parent / "linked", repo.env)


def split_index(repo: Repo) -> Repo:
    repo.git("config", "core.splitIndex", "true")
    repo.git("update-index", "--split-index")
    return repo


def sparse_checkout(repo: Repo) -> Repo:
    repo.write({"far/away": "1\n"})
    repo.commit("far")
    repo.git("sparse-checkout", "set", "--cone", ".dvc", "near")  # Git deletes what it ignores outside the cone
    assert not repo.exists("far")
    return repo


def sparse_index(repo: Repo) -> Repo:
    sparse_checkout(repo)
    repo.git("sparse-checkout", "set", "--cone", "--sparse-index", ".dvc", "near")
    assert "far/\n" in repo.git("ls-files", "--sparse")
    return repo


def moved_into(repo: Repo, *init: str) -> Repo:
    """The same history in a repository of another kind."""
    new = Repo(repo.path.parent / "new", repo.env)
    new.path.mkdir()
    new.git("init", "-q", "-b", "main", *init)
    stream = subprocess.run(
        ["git", "fast-export", "--all"], cwd=repo.path, env=repo.env, capture_output=True, check=True
    )
    subprocess.run(["git", "fast-import", "--quiet"], cwd=new.path, env=repo.env, input=stream.stdout, check=True)
    new.git("reset", "-q", "--hard", "main")
    shutil.copytree(repo.path / ".dvc/cache", new.path / ".dvc/cache")
    new.stage("checkout", "-q", check=True)
    return new


def sha256(repo: Repo) -> Repo:
    return moved_into(repo, "--object-format=sha256")


def reftable(repo: Repo) -> Repo:
    return moved_into(repo, "--ref-format=reftable")


def blobless(repo: Repo) -> Repo:
    """A partial clone that has seen the branches that are used, and is cut off then."""
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git("clone", "-q", "--filter=blob:none", f"file://{repo.path}", "../part")
    part = Repo(repo.path.parent / "part", repo.env)
    shutil.copytree(repo.path / ".dvc/cache", part.path / ".dvc/cache")
    for branch in ("two", "main"):
        part.git("checkout", "-q", branch)
    part.git("config", "remote.origin.uploadpack", "touch ../fetched; false")
    part.stage("checkout", "-q", check=True)
    return part


VERSION = tuple(
    map(int, re.findall(r"\d+", subprocess.run(["git", "version"], capture_output=True, text=True).stdout)[:2])
)
KINDS = [
    separate_git_dir, core_worktree, named_by_environment, worktree_of_bare, split_index, sparse_checkout, sparse_index,
    sha256, blobless, *([reftable] if VERSION >= (2, 45) else []),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_data_follows_and_no_commit_lies(kind: Callable[[Repo], Repo], made: Repo) -> None:
    repo = kind(made)
    here = at(repo)
    repo.stage("install", "-q", check=True)
    repo.git("checkout", "-q", "-f", "main")
    repo.write({"kept": MINE})
    assert here.agrees()
    for command in ("checkout -q two", "reset -q --hard main", "checkout -q -f main", "checkout -q two"):
        assert here.git(command) == 0
        assert here.agrees(), command
    assert here.read("kept") == MINE
    repo.git("checkout", "-q", "main")
    before = repo.git("rev-parse", "HEAD")
    repo.write({"a.in": "9\n", "code": "2\n"})
    got = repo.run("git", "commit", "-qam", "stale")
    assert got.returncode == 1 and "git stage repro a" in got.stderr
    assert repo.run("git", "commit", "-qm", "stale", "a.in").returncode == 1
    assert repo.git("rev-parse", "HEAD") == before
    repo.git("commit", "-qm", "code", "code")
    repo.git("commit", "-q", "--amend", "-m", "code again")
    repo.stage("repro", "-q", check=True)
    repo.git("commit", "-qam", "fresh")
    assert repo.git("status", "--porcelain", "--untracked-files=no") == ""
    assert repo.stage("status", "-q", "a").returncode == 0
    assert not (repo.path.parent / "fetched").exists()


def test_a_bare_repository_without_a_cache_for_all_is_told_of_it(made: Repo) -> None:
    made.git("clone", "-q", "--bare", ".", "../bare.git")
    bare = Repo(made.path.parent / "bare.git", made.env)
    made.stage("install", "-q", check=True)
    shutil.copytree(made.path / ".git/hooks", bare.path / "hooks", dirs_exist_ok=True)
    got = bare.run("git", "worktree", "add", "-q", "../linked", "main")
    assert got.returncode == 0
    assert got.stderr == "gitstage: 2 outputs are not in the cache: a.out, kept\nhint: git stage pull\n"


def test_a_project_outside_a_sparse_checkout(
    history: Callable[[str], Path], tmp_path: Path, environment: dict[str, str]
) -> None:
    shutil.copytree(history("p/"), tmp_path / "repo", symlinks=True)
    repo = Repo(tmp_path / "repo", environment)
    (repo.path / "p/.dvc/cache").rename(tmp_path / "cache")  # Git deletes what it ignores outside the cone
    (Path(environment["DVC_GLOBAL_CONFIG_DIR"]) / "config").write_text(f"[cache]\n    dir = {tmp_path}/cache\n")
    here = Place(repo, "p/", "")
    repo.stage("install", "-q", cwd="p", check=True)
    repo.git("status")  # Git leaves alone what it does not know to be unchanged
    for command in ("sparse-checkout set --cone near", "checkout -q two", "commit --allow-empty -qm x"):
        got = repo.run("git", *command.split())
        assert (got.returncode, "gitstage" in got.stderr) == (0, False), got.stderr
        assert not repo.exists("p")
    repo.git("sparse-checkout", "disable")  # runs no hook that tells of it
    repo.git("checkout", "-q", "two")
    assert here.agrees() and here.read("a.out") == "2\n"


# linked worktrees share a cache


def test_real_dvc_in_a_new_worktree_shares_the_cache(made: Repo) -> None:
    (made.path / "sub").mkdir()
    made.stage("install", "-q", check=True)
    made.git("worktree", "add", "-q", "-b", "mine", "../../linked", "two", cwd="sub")
    linked = Repo(made.path.parent / "linked", made.env)
    assert at(linked).agrees()
    assert linked.git("status", "--porcelain") == ""
    assert linked.dvc("cache", "dir", check=True).stdout.strip() == str(made.path / ".dvc/cache")
    assert "up to date" in linked.dvc("status", check=True).stdout
    linked.remove("a.out")
    linked.dvc("checkout", "-q", check=True)
    assert at(linked).agrees()
    linked.write({"a.in": "dvc\n"})
    linked.dvc("repro", "-q", check=True)
    linked.git("commit", "-qam", "made by dvc")
    assert not (linked.path / ".dvc/cache").exists()
    made.git("merge", "-q", "mine")
    assert at(made).agrees() and made.read("a.out") == "dvc\n"
    made.git("worktree", "remove", "--force", "../linked")
    made.remove("a.out")
    made.stage("checkout", "-q", check=True)
    assert made.read("a.out") == "dvc\n"


def test_where_the_main_worktree_keeps_its_cache(made: Repo) -> None:
    (made.path / ".dvc/cache").rename(made.path.parent / "big disk")
    made.write({".dvc/config.local": f"[cache]\n    dir = {made.path.parent}/big disk\n"})
    made.stage("install", "-q", check=True)
    made.git("worktree", "add", "-q", "../linked", "two")
    linked = Repo(made.path.parent / "linked", made.env)
    assert at(linked).agrees()
    assert linked.dvc("cache", "dir", check=True).stdout.strip() == str(made.path.parent / "big disk")


def test_a_worktree_that_has_a_cache_or_a_setting_keeps_it(made: Repo) -> None:
    made.git("worktree", "add", "-q", "../linked", "two")
    linked = Repo(made.path.parent / "linked", made.env)
    linked.dvc("repro", "-q", check=True)
    made.stage("install", "-q", check=True)
    linked.git("checkout", "-q", "-b", "b", "ff")
    assert not linked.exists(".dvc/config.local")
    linked.remove(".dvc/cache")
    linked.write({".dvc/config.local": "[cache]\n    dir = mine\n"})
    linked.git("checkout", "-q", "-f", "b~0")
    assert linked.read(".dvc/config.local") == "[cache]\n    dir = mine\n"


# several projects


def test_several_projects_have_one_set_of_hooks(made: Repo) -> None:
    made.stage("init", "-q", "--no-hooks", "--subdir", cwd=make_folder(made, "q"), check=True)
    made.write({"q/b.in": "1\n"})
    made.stage("run", "-q", "-n", "b", "-d", "b.in", "-o", "b.out", "cp b.in b.out", cwd="q", check=True)
    made.stage("install", "-q", cwd="q", check=True)
    made.commit("q")
    made.git("branch", "before")
    made.write({"q/b.in": "2\n", "a.in": "5\n"})
    refused = made.run("git", "commit", "-qam", "both are stale")
    assert refused.returncode == 1
    assert "stage 'a'" in refused.stderr and "stage 'b'" in refused.stderr
    made.stage("repro", "-q", check=True)
    assert made.run("git", "commit", "-qam", "one is stale").returncode == 1
    made.stage("repro", "-q", cwd="q", check=True)
    made.git("commit", "-qam", "fresh")
    for branch, values in (("before", ("1\n", "1\n")), ("main", ("5\n", "2\n"))):
        made.git("checkout", "-q", branch)
        assert (made.read("a.out"), made.read("q/b.out")) == values
    made.git("checkout", "-q", "two")
    assert at(made).agrees() and not made.exists("q/b.out")


def make_folder(repo: Repo, name: str) -> str:
    (repo.path / name).mkdir()
    return name


# where Git stops on its way


def count_starts(repo: Repo) -> Path:
    """From now on each start of Python by a hook is a line of the file, unless it only looks at a commit."""
    log = repo.path.parent / "starts"
    for hook in (repo.path / ".git/hooks").iterdir():
        text = hook.read_text()
        python = re.search("^python=(.*)$", text, re.M)
        if python:
            wrapper = repo.path.parent / "counted"
            wrapper.write_text(
                f'#!/bin/sh\ncase "$*" in *judged*) ;; *) echo "$3" >>{log} ;; esac\nexec {python[1]} "$@"\n'
            )
            wrapper.chmod(0o755)
            hook.write_text(text.replace(python[0], f"python={wrapper}"))
    return log


@pytest.mark.parametrize("backend", ["--merge", "--apply"])
def test_a_rebase_restores_at_its_begin_and_its_end(made: Repo, backend: str) -> None:
    for value in range(3):
        made.git("checkout", "-q", "more" if value == 0 else "many")
        made.git("checkout", "-q", "-B", "many")
        made.write({"a.in": f"many {value}\n"})
        made.stage("repro", "-q", check=True)
        made.git("commit", "-qam", str(value))
    made.stage("install", "-q", check=True)
    made.git("checkout", "-q", "-f", "many")
    log = count_starts(made)
    made.git("rebase", "-q", backend, "main")
    assert at(made).agrees() and made.read("a.out") == "many 2\n"
    assert log.read_text().split() == ["post-index-change"] * (2 if backend == "--merge" else 1)
    log.unlink()
    made.git("checkout", "-q", "main")
    made.git("cherry-pick", "main..many")
    assert at(made).agrees() and made.read("a.out") == "many 2\n"
    assert log.read_text().split() == ["post-index-change"] * 2


def test_a_stop_in_the_middle_has_its_data(made: Repo) -> None:
    made.stage("install", "-q", check=True)
    made.git("checkout", "-q", "more")
    edit = {"GIT_SEQUENCE_EDITOR": "sed -i 1s/pick/edit/"}
    made.git("rebase", "-q", "-i", "main", env=edit)
    assert at(made).agrees() and made.read("a.out") == "2\n"
    made.git("reset", "-q", "--hard", "HEAD~1")
    assert at(made).agrees() and made.read("a.out") == "1\n"
    assert made.run("git", "rebase", "--continue").returncode == 1, "the next commit does not fit"
    assert made.git("ls-files", "-u") != ""
    made.git("checkout", "-q", "more~1", "--", "a.in", "dvc.lock")
    made.git("rebase", "--continue")
    assert at(made).agrees() and made.read("a.out") == "4\n"


# settings


def test_resets_need_not_be_followed(made: Repo) -> None:
    made.stage("install", "-q", check=True)
    made.git("config", "gitstage.followResets", "false")
    made.git("reset", "-q", "--hard", "two")
    assert not at(made).agrees()
    made.git("config", "--unset", "gitstage.followResets")
    made.git("reset", "-q", "--hard", "start")
    made.git("reset", "-q", "--hard", "two")
    assert at(made).agrees()


def test_a_merge_without_conflict_is_judged(made: Repo) -> None:
    made.stage("install", "-q", check=True)
    made.git("checkout", "-q", "-b", "stale", "ff")
    made.write({"a.in": "9\n"})
    made.git("commit", "-qam", "not run", "--no-verify")
    made.git("checkout", "-q", "main")
    before = made.git("rev-parse", "HEAD")
    got = made.run("git", "merge", "--no-edit", "stale")
    assert got.returncode != 0
    assert "git stage repro a" in got.stderr
    assert made.git("rev-parse", "HEAD") == before

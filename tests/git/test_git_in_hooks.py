"""What a hook sees: for each form of commit, the index tree must be the tree of the commit that follows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import support
from support import Repo, md5, new_repo

import gitstage

CODE = """
import sys
from gitstage.git import Repo
from gitstage.memo import Memo
repo = Repo.discover(sys.argv[1] if len(sys.argv) > 1 else None)
repo.backend = {backend!r}
tree = repo.index("", Memo(None))
found = tree.digests(["a", "b", "sub/c", "new", "sub"])
with open({log!r}, "w") as log:
    for path in sorted(found):
        print(path, found[path], file=log)
    print("staged", *repo.staged(), file=log)
    print("top", repo.top, file=log)
"""


def hook(repo: Repo, folder: Path, log: Path, backend: str, *args: str) -> None:
    """A pre-commit hook that writes what the index tree says."""
    repo.env["PYTHONPATH"] = os.path.dirname(os.path.dirname(os.path.abspath(gitstage.__file__)))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pre-commit").write_text(
        "#!/bin/sh\n" + support.python(CODE.format(backend=backend, log=str(log)), *args)
    )
    (folder / "pre-commit").chmod(0o755)


def said(log: Path) -> dict[str, str]:
    lines = [line.partition(" ") for line in log.read_text().splitlines()]
    log.unlink()
    return {name: rest for name, _, rest in lines}


@pytest.fixture(params=["git", "pygit2"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "said"


FIRST = {"a": "a1\n", "b": "b1\n", "sub/c": "c1\n"}
SECOND = {"a": "a2\n", "b": "b2\n", "sub/c": "c2\n"}


def check(repo: Repo, log: Path, top: Path, staged: str, *, git: tuple[str, ...] = ("git",), cwd: str = ".") -> None:
    """The hook spoke of the very files that the commit then holds."""
    found = said(log)
    assert found.pop("top") == str(top)
    assert found.pop("staged") == staged
    held = {}
    for path in ("a", "b", "sub/c", "new"):
        got = repo.run(*git, "cat-file", "blob", f"HEAD:{path}", cwd=cwd)
        if got.returncode == 0:
            held[path] = md5(got.stdout)
    found.pop("sub", None)
    assert found == held


FORMS = [
    (("add b", "commit"), "b"),
    (("commit -a",), "a b sub/c"),
    (("commit a",), "a"),
    (("add b", "commit a"), "a"),
    (("add b", "commit -i a"), "a b"),
    (("add b", "commit --amend"), "b"),
    (("commit ./sub",), "sub/c"),
    (("commit --allow-empty",), ""),
]


@pytest.mark.parametrize(("commands", "staged"), FORMS, ids=[" & ".join(commands) for commands, _ in FORMS])
@pytest.mark.parametrize("layout", ["plain", "subfolder", "linked", "submodule", "separate", "worktree-setting"])
def test_forms_of_commit(
    repo: Repo, tmp_path: Path, log: Path, backend: str, layout: str, commands: tuple[str, ...], staged: str
) -> None:
    repo.write(FIRST)
    repo.commit("first")
    repo.write({"a": "a1\n", "z": "z"})
    repo.commit("and one to amend")
    top, hooks = repo.path, repo.path / ".git/hooks"
    here = repo
    if layout == "linked":
        repo.git("worktree", "add", "-q", "../linked")
        here = Repo(tmp_path / "linked", repo.env)
    elif layout == "submodule":
        above = new_repo(tmp_path / "above", repo.env)
        above.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", "../repo", "mod")
        here = Repo(above.path / "mod", repo.env)
        hooks = above.path / ".git/modules/mod/hooks"
    elif layout == "separate":
        repo.git("init", "-q", "--separate-git-dir", "../apart")
        hooks = tmp_path / "apart/hooks"
    elif layout == "worktree-setting":
        (tmp_path / "bare").mkdir()
        os.rename(repo.path / ".git", tmp_path / "bare/.git")
        here = Repo(tmp_path / "bare", repo.env)
        here.git("config", "core.worktree", str(repo.path))
        hooks = tmp_path / "bare/.git/hooks"
    top = repo.path if layout == "worktree-setting" else here.path
    Repo(top, repo.env).write(SECOND)
    hook(here, hooks, log, backend)
    if layout == "worktree-setting":  # run where the files are, as Git finds the repository by its variable only
        here = Repo(top, {**here.env, "GIT_DIR": str(tmp_path / "bare/.git")})
    for command in commands:
        words = [
            os.path.join("..", w) if layout == "subfolder" and w in ("a", "b", "./sub") else w for w in command.split()
        ]
        cwd = "sub" if layout == "subfolder" else "."
        message = ["-qm", "x"] if words[0] == "commit" else []
        here.git(words[0], *message, *words[1:], cwd=cwd)
    check(here, log, top, staged)


@pytest.mark.parametrize("command", ["commit -qm x", "commit -qam x", "commit -qm x a"])
def test_git_dir_and_work_tree_elsewhere(repo: Repo, tmp_path: Path, log: Path, backend: str, command: str) -> None:
    repo.write(FIRST)
    repo.commit("first")
    os.rename(repo.path / ".git", tmp_path / "elsewhere.git")
    hook(repo, tmp_path / "elsewhere.git/hooks", log, backend)
    repo.write({**SECOND, "new": "n\n"})
    here = Repo(tmp_path, repo.env)
    options = ("--git-dir=elsewhere.git", "--work-tree=repo")
    here.git(*options, "add", "b", "new")
    here.git(*options, *command.split())
    staged = {"commit -qm x": "b new", "commit -qam x": "a b new sub/c", "commit -qm x a": "a"}[command]
    check(here, log, repo.path, staged, git=("git", *options))


def test_first_commit_and_own_index(repo: Repo, log: Path, backend: str) -> None:
    hook(repo, repo.path / ".git/hooks", log, backend)
    repo.write({**FIRST, "new": "n\n"})
    repo.git("add", "a")
    env = {"GIT_INDEX_FILE": ".git/mine"}
    repo.git("add", "sub/c", "new", env=env)
    repo.git("commit", "-qm", "x", env=env)
    check(repo, log, repo.path, "new sub/c")
    repo.git("commit", "-qm", "x", "-a")
    check(repo, log, repo.path, "a new sub/c")


def test_asked_about_a_subfolder(repo: Repo, tmp_path: Path, log: Path, backend: str) -> None:
    """A hook that names a folder: with GIT_DIR in the environment, Git alone would take that for the top."""
    repo.write(FIRST)
    repo.commit("first")
    repo.git("worktree", "add", "-q", "../linked")
    here = Repo(tmp_path / "linked", repo.env)
    hook(here, repo.path / ".git/hooks", log, backend, str(here.path / "sub"))
    here.write(SECOND)
    here.git("commit", "-qam", "x", cwd="sub")
    check(here, log, here.path, "a b sub/c")


def test_commit_all_before_the_first(repo: Repo, log: Path, backend: str) -> None:
    hook(repo, repo.path / ".git/hooks", log, backend)
    repo.write(FIRST)
    repo.git("add", "-N", "a")
    repo.git("add", "b", "sub/c")
    repo.write({"b": "b2\n"})
    repo.git("commit", "-qm", "x")
    check(repo, log, repo.path, "b sub/c")


def test_after_a_merge_without_conflict(repo: Repo, log: Path, backend: str) -> None:
    repo.write(FIRST)
    repo.commit("first")
    repo.git("checkout", "-qb", "side")
    repo.write({"a": "a2\n"})
    repo.commit("side")
    repo.git("checkout", "-q", "main")
    repo.write({"b": "b2\n"})
    repo.commit("main")
    hook(repo, repo.path / ".git/hooks", log, backend)
    os.rename(repo.path / ".git/hooks/pre-commit", repo.path / ".git/hooks/pre-merge-commit")
    repo.git("merge", "-qm", "x", "side")
    check(repo, log, repo.path, "a")

"""What a repository's own files may decide: names for outputs, folders, links."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Repo

from gitstage import trust
from gitstage.fs import is_reserved, is_windows_name


@pytest.mark.parametrize(
    "name", [".git", ".GIT", ".Git. .", "git~1", "GIT~1", ".git::$DATA", ".g\u200cit", "\ufeff.dvc", ".hg ", "dvc~1"]
)
def test_names_that_some_file_system_takes_for_one_that_git_acts_on(name: str) -> None:
    assert is_reserved(name)


@pytest.mark.parametrize(
    "name", [".gitignore", ".github", "git", "dvc", "a.git", ".git2", "git~11", ".dvcx", "x:.git", "\u200c"]
)
def test_names_that_only_look_like_one(name: str) -> None:
    assert not is_reserved(name)


@pytest.mark.parametrize(
    "name",
    ["con", "NUL", "aux.txt", "com1", "LPT9.x", "com\xb9", "conin$", "a.", "a ", "a:b", "a\\b", 'a"b', "a|b", "prn :x"],
)
def test_names_that_windows_has_not(name: str) -> None:
    assert not is_windows_name(name)


@pytest.mark.parametrize("name", ["console", "nul2", "com", "lpt", "a.b", "aux-1", "com10", ".x"])
def test_names_that_windows_has(name: str) -> None:
    assert is_windows_name(name)


def test_folders_outside(tmp_path: Path) -> None:
    top = tmp_path / "repo"
    (top / ".git/x").mkdir(parents=True)
    (top / "cache").mkdir()
    for name, inside in {"empty": None, "old": "ab", "new": "files", "runs": "runs", "full": "letters"}.items():
        (tmp_path / name).mkdir()
        if inside is not None:
            (tmp_path / name / inside).mkdir()
            (tmp_path / name / "notes").touch()

    def why(path: Path) -> str:
        return str(trust.refusal(str(path), "cache.dir", str(top)) or "")

    for name in ("empty", "old", "new", "runs", "repo/cache", "repo/new", "repo/.dvc/x"):
        assert why(tmp_path / name) == "", name
    assert "holds other files" in why(tmp_path / "full")
    assert "not there" in why(tmp_path / "missing")
    assert "Git's own" in why(top / ".git")
    assert "Git's own" in why(top / ".git/x/y")
    (top / "link").symlink_to(tmp_path / "full")
    assert "holds other files" in why(top / "link")
    (top / "link-to-git").symlink_to(".git")
    assert "Git's own" in why(top / "link-to-git")


def test_whose_setting_it_is(ran: Repo, tmp_path: Path) -> None:
    """A folder that is not there yet is made for who named it, but not for a clone."""
    store = tmp_path / "store"
    ran.stage("remote", "add", "-d", "r", str(store), check=True)
    ran.commit("remote")
    ran.git("update-ref", "refs/remotes/origin/main", "HEAD")  # as a clone has it
    got = ran.stage("push", "data")
    assert (got.returncode, store.exists()) == (6, False), got.stderr
    assert got.stderr.splitlines()[1] == f"hint: mkdir -p {store}, if that is meant"

    ran.git("update-ref", "refs/remotes/origin/main", "HEAD~1")  # it was not there when the repository was cloned
    ran.stage("push", "data", check=True)
    ran.git("update-ref", "refs/remotes/origin/main", "HEAD")
    ran.stage("push", "data", check=True)  # the folder is there by now

    other = tmp_path / "other"
    ran.stage("remote", "add", "-d", "o", str(other), check=True)  # not committed: this user's doing
    ran.stage("push", "data", check=True)
    ran.commit("other")
    ran.git("update-ref", "refs/remotes/origin/main", "HEAD")
    third = tmp_path / "third"
    ran.stage("remote", "modify", "--local", "o", "url", str(third), check=True)
    ran.stage("push", "data", check=True)
    assert sorted(path.name for path in (store / "files/md5").iterdir()) == sorted(
        path.name for path in (third / "files/md5").iterdir()
    )


def test_a_link_of_this_user_is_followed(ran: Repo, tmp_path: Path) -> None:
    """The cache on another disk, by a symlink that Git does not track."""
    (ran.path / ".dvc/cache").rename(tmp_path / "disk")
    (ran.path / ".dvc/cache").symlink_to(tmp_path / "disk")
    ran.remove("data")
    ran.stage("checkout", check=True)
    assert ran.read("data") == "d\n"
    ran.git("add", "-f", ".dvc/cache")
    got = ran.stage("checkout")
    assert (got.returncode, got.stderr.splitlines()[0]) == (
        3, "git-stage: .dvc/cache: is a symlink out of the repository, and tracked by Git",
    )  # fmt: skip

"""Repo: where Git's parts lie, settings, tracked and ignored paths, staging."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import support

from gitstage.errors import Busy, ConfigError, GitstageError, NoProject, SystemFailure
from gitstage.fs import UnsafePath
from gitstage.git import LOCAL_ENV, Repo, clean_env
from gitstage.git.program import chunks
from gitstage.memo import Memo

ODD_NAMES = [*support.ODD_NAMES, "\udce9\udcff"]


def starts(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """From now on, every process that is started adds to this list."""
    found: list[object] = []
    for module, name in ((os, "posix_spawn"), (subprocess, "Popen")):
        monkeypatch.setattr(module, name, _counted(getattr(module, name), found))
    return found


def _counted(start: Callable[..., Any], found: list[object]) -> Callable[..., Any]:
    def counted(*args: Any, **more: Any) -> Any:
        found.append(args)
        return start(*args, **more)

    return counted


def opened(repo: support.Repo, folder: str = ".") -> Repo:
    found = Repo.discover(str(repo.path / folder))
    assert found is not None
    return found


# -- discovery -------------------------------------------------------------------------------------------------


class TestDiscover:
    def test_plain(self, repo: support.Repo) -> None:
        repo.write({"sub/x": ""})
        git = opened(repo, "sub")
        top = str(repo.path)
        assert (git.top, git.git_dir, git.common_dir) == (top, f"{top}/.git", f"{top}/.git")
        assert git.index_path == f"{top}/.git/index"
        assert git.state_dir == git.worktree_state_dir == f"{top}/.git/gitstage"

    def test_none_outside(self, tmp_path: Path) -> None:
        assert Repo.discover(str(tmp_path)) is None

    def test_linked_worktree(self, repo: support.Repo, tmp_path: Path) -> None:
        repo.write({"f": "1"})
        repo.commit()
        repo.git("worktree", "add", "-q", "../linked")
        git = Repo.discover(str(tmp_path / "linked"))
        assert git is not None
        assert git.top == str(tmp_path / "linked")
        assert git.git_dir == str(repo.path / ".git/worktrees/linked")
        assert git.state_dir == str(repo.path / ".git/gitstage")
        assert git.worktree_state_dir == str(repo.path / ".git/worktrees/linked/gitstage")
        assert git.worktrees() == [str(repo.path), str(tmp_path / "linked")]
        assert git.main_worktree() == str(repo.path)
        assert git.hooks_dir() == str(repo.path / ".git/hooks")

    def test_bare_and_its_worktree(self, repo: support.Repo, tmp_path: Path) -> None:
        repo.write({"f": "1"})
        repo.commit()
        repo.git("clone", "-q", "--bare", ".", "../bare.git")
        git = Repo.discover(str(tmp_path / "bare.git"))
        assert git is not None
        assert git.top is None
        assert git.head() == repo.git("rev-parse", "HEAD").strip()
        assert (git.worktrees(), git.main_worktree()) == ([], None)
        with pytest.raises(GitstageError, match="must be run in a work tree"):
            git.pipeline_files("")
        for refused in (lambda: git.add(["f"]), lambda: git.index("", Memo(None))):
            with pytest.raises(GitstageError, match="no work tree"):
                refused()
        git.git("worktree", "add", "-q", "../w")
        inner = Repo.discover(str(tmp_path / "w"))
        assert inner is not None
        assert inner.top == str(tmp_path / "w")
        assert inner.main_worktree() is None
        assert inner.worktrees() == [str(tmp_path / "w")]

    def test_inside_the_git_dir_there_is_no_work_tree(self, repo: support.Repo) -> None:
        assert opened(repo, ".git").top is None

    def test_symlinked_folder(self, repo: support.Repo, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(repo.path)
        git = Repo.discover(str(tmp_path / "link"))
        assert git is not None
        assert git.top == str(repo.path)

    def test_environment_wins(self, repo: support.Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        repo.write({"f": "1", "sub/g": "2"})
        repo.commit()
        repo.write({"sub/x.dvc": ""})
        monkeypatch.chdir(repo.path)
        for name, value in {"GIT_DIR": ".git", "GIT_WORK_TREE": ".", "GIT_INDEX_FILE": ".git/other"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GIT_PREFIX", "sub/")
        monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
        for start in (None, str(repo.path / "sub"), str(tmp_path)):
            git = Repo.discover(start)
            assert git is not None
            assert (git.top, git.git_dir) == (str(repo.path), str(repo.path / ".git"))
            assert git.index_path == str(repo.path / ".git/other")
        git = opened(repo, "sub")
        assert git.staged() == ["f", "sub/g"]  # nothing is in that index
        assert git.pipeline_files("") == ["sub/x.dvc"]
        git.add(["f"])
        assert git.staged() == ["sub/g"]

    def test_foreign_owner_in_one_line(self, repo: support.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        with pytest.raises(
            NoProject, match=r"^git rev-parse: detected dubious ownership in repository at '[^\n]*$"
        ) as got:
            Repo.discover(str(repo.path))
        assert got.value.hint == f"git config --global --add safe.directory {repo.path}"

    def test_damaged_configuration(self, repo: support.Repo) -> None:
        (repo.path / ".git/config").write_text("[core\n")
        with pytest.raises(NoProject, match="bad config line 1"):
            Repo.discover(str(repo.path))

    def test_git_dir_that_is_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GIT_DIR", str(tmp_path / "none"))
        with pytest.raises(NoProject, match="not a git repository"):
            Repo.discover(str(tmp_path))

    def test_path_with_line_break(self, environment: dict[str, str], tmp_path: Path) -> None:
        support.new_repo(tmp_path / "a\nb", environment)
        with pytest.raises(NoProject, match="line break"):
            Repo.discover(str(tmp_path / "a\nb"))

    def test_no_git(self, repo: support.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(GitstageError, match="git is not on PATH"):
            Repo.discover(str(repo.path))

    def test_one_process(self, repo: support.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        started = starts(monkeypatch)
        opened(repo)
        assert len(started) == 1


def test_git_fails_in_gits_words(repo: support.Repo) -> None:
    with pytest.raises(GitstageError, match=r"^git cat-file: Not a valid object name nope$"):
        opened(repo).git("cat-file", "-p", "nope")
    assert opened(repo).git("cat-file", "-p", "nope", check=False) == b""


def test_long_command_lines_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitstage.git.program._ARGUMENT_BYTES", 30)
    paths = ["aaaaa", "b", "c" * 50, "d", "e", "f", "g"]
    assert [list(part) for part in chunks(paths)] == [["aaaaa", "b"], ["c" * 50], ["d", "e", "f"], ["g"]]
    assert list(chunks([])) == []


def test_git_gets_stdin_and_never_waits_for_the_terminals(repo: support.Repo) -> None:
    git = opened(repo)
    assert git.git("hash-object", "--stdin", stdin=b"").startswith(b"e69de29")
    assert git.git("hash-object", "--stdin").startswith(b"e69de29")


def test_hooks_path(repo: support.Repo) -> None:
    repo.git("config", "core.hooksPath", ".husky/_")
    assert opened(repo).hooks_dir() == str(repo.path / ".husky/_")


def test_local_env_is_what_git_says(repo: support.Repo) -> None:
    assert set(repo.git("rev-parse", "--local-env-vars").split()) <= LOCAL_ENV


def test_clean_env() -> None:
    given = {
        "PATH": "/x/git-core:/x/git-core:/bin:/x/git-core", "GIT_EXEC_PATH": "/x/git-core", "GIT_DIR": ".git", "A": "b",
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "a.b", "GIT_CONFIG_VALUE_0": "c", "GIT_AUTHOR_NAME": "N",
    }  # fmt: skip
    assert clean_env(given) == {"PATH": "/bin:/x/git-core", "A": "b", "GIT_AUTHOR_NAME": "N"}
    own = {"PATH": "/bin", "GIT_EXEC_PATH": "/x"}
    assert clean_env(own) == own


def test_clean_env_in_an_alias(repo: support.Repo) -> None:
    code = "import os; from gitstage.git import clean_env; print(clean_env(os.environ)['PATH'])"
    env = {"PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__import__("gitstage").__file__)))}
    repo.git("config", "alias.seen", "!" + support.python(code))
    assert repo.git("seen", env=env).strip() == repo.env["PATH"]


# -- settings --------------------------------------------------------------------------------------------------


class TestSettings:
    def test_last_wins_and_names_are_lower(self, repo: support.Repo) -> None:
        repo.git("config", "--global", "gitstage.verify", "off")
        repo.git("config", "gitstage.autoPush", "multi\nline")
        repo.git("config", "--add", "gitstage.verify", "warn")
        repo.git("config", "other.verify", "x")
        with open(repo.path / ".git/config", "a") as stream:
            stream.write("[gitstage]\n\tbare\n[gitstagex]\n\ty = 1\n")
        assert opened(repo).settings() == {"verify": "warn", "autopush": "multi\nline", "bare": "true"}

    def test_none(self, repo: support.Repo) -> None:
        assert opened(repo).settings() == {}

    def test_git_c(self, repo: support.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'gitstage.verify'='off'")
        assert opened(repo).settings() == {"verify": "off"}

    @pytest.mark.parametrize("word", ["true", "YES", "on", "1", "-1", "0", "no", "Off", "false", "", "2k"])
    def test_bool_as_git_reads_it(self, repo: support.Repo, word: str) -> None:
        repo.git("config", "gitstage.followResets", word)
        expected = repo.git("config", "--type=bool", "gitstage.followResets").strip()
        assert opened(repo).setting_bool("followResets", default=True) == (expected == "true")

    def test_bool_default_and_nonsense(self, repo: support.Repo) -> None:
        repo.git("config", "gitstage.restore", "perhaps")
        git = opened(repo)
        assert git.setting_bool("autoPush", default=True)
        assert not git.setting_bool("autoPush", default=False)
        with pytest.raises(ConfigError, match=r"gitstage.restore: 'perhaps' is neither"):
            git.setting_bool("restore", default=True)


# -- files -----------------------------------------------------------------------------------------------------


class TestFiles:
    def test_head(self, repo: support.Repo) -> None:
        assert opened(repo).head() is None
        repo.write({"f": ""})
        made = repo.commit()
        assert opened(repo).head() == made

    def test_pipeline_files(self, repo: support.Repo) -> None:
        repo.write({
            "dvc.yaml": "", "data.dvc": "", "sub/dvc.yaml": "", "sub/a b.dvc": "", "sub/deep/x.dvc": "", "xdvc.yaml": "",
            "dvc.lock": "", "ign/dvc.yaml": "", "one.ign.dvc": "", ".gitignore": "/ign\n*.ign.dvc\n", ".dvc/tmp/x.dvc": "",
            "gone.dvc": "", "su*/y.dvc": "", "kept.ign.dvc": "", "x.dvc/file": "",
        })  # fmt: skip
        repo.git("add", "-f", "gone.dvc", "kept.ign.dvc", "dvc.yaml", "sub")
        repo.remove("gone.dvc")
        repo.git("init", "-q", "nested.dvc")
        repo.write({"nested.dvc/dvc.yaml": ""})
        everything = [
            "data.dvc",
            "dvc.lock",
            "dvc.yaml",
            "kept.ign.dvc",
            "su*/y.dvc",
            "sub/a b.dvc",
            "sub/deep/x.dvc",
            "sub/dvc.yaml",
        ]
        assert opened(repo, "sub").pipeline_files("") == everything
        assert opened(repo).pipeline_files("sub") == ["sub/a b.dvc", "sub/deep/x.dvc", "sub/dvc.yaml"]
        assert opened(repo).pipeline_files("su*") == ["su*/y.dvc"]
        assert opened(repo).pipeline_files("none") == []

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_tracked_by_any_name(self, repo: support.Repo, name: str) -> None:
        git = opened(repo)
        for path in (name, f"{name}d/inner", "other", "aXb"):
            target = os.path.join(git.top or "", path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w"):
                pass
        assert git.tracked([name, f"{name}d"]) == {}
        git.add([name, f"{name}d/inner", "aXb"])
        assert git.tracked([name, f"{name}d", f"{name}d/inner", "other", "none"]) == {
            name: name, f"{name}d": f"{name}d/inner", f"{name}d/inner": f"{name}d/inner",
        }  # fmt: skip
        assert git.tracked([""]).keys() == {""}

    def test_tracked_of_none(self, repo: support.Repo) -> None:
        repo.write({"f": ""})
        repo.commit()
        assert opened(repo).tracked([]) == {}

    def test_staged(self, repo: support.Repo) -> None:
        git = opened(repo)
        assert git.staged() == []
        repo.write({"a": "1\n", "b \n": "2\n", "c": "3\n"})
        repo.git("add", "a", "b \n")
        repo.git("add", "-N", "c")
        assert git.staged() == ["a", "b \n"]
        repo.commit()
        assert git.staged() == []
        repo.git("mv", "a", "z")
        repo.write({"c": "4\n"})
        assert git.staged() == ["a", "z"]
        repo.git("commit", "-qm", "moved")
        repo.write({"HEAD": ""})
        assert git.staged() == []


class TestIgnore:
    @pytest.mark.parametrize("name", [*ODD_NAMES, "cr\r", "tab\t", "back\\slash"])
    def test_any_name(self, repo: support.Repo, name: str) -> None:
        git = opened(repo)
        os.makedirs(os.path.join(git.top or "", "sub"))
        for path in (f"sub/{name}", "sub/near"):
            with open(os.path.join(git.top or "", path), "w"):
                pass
        assert git.ignored([f"sub/{name}", "sub/near"]) == set()
        assert git.ignore(f"sub/{name}") == "sub/.gitignore"
        assert git.ignored([f"sub/{name}", "sub/near"]) == {f"sub/{name}"}
        listed = git.git("ls-files", "-z", "--others", "--exclude-standard").split(b"\0")
        assert sorted(listed) == [b"", b"sub/.gitignore", b"sub/near"]
        assert git.ignore(f"sub/{name}") is None
        assert git.unignore(f"sub/{name}") == "sub/.gitignore"
        assert not repo.exists("sub/.gitignore")
        assert git.unignore(f"sub/{name}") is None

    def test_rules_from_anywhere(self, repo: support.Repo) -> None:
        git = opened(repo)
        repo.write(
            {".gitignore": "*.csv\nbuild/\n!keep.csv\n", "sub/.gitignore": "!a.csv\n", "build/x": "", "file/build": ""}
        )
        (repo.path / ".git/info/exclude").write_text("/secret\n")
        paths = [
            "a.csv",
            "keep.csv",
            "sub/a.csv",
            "sub/b.csv",
            "build",
            "file/build",
            "secret",
            "build/x",
            "build/sub/new",
        ]
        assert git.ignored(paths) == {"a.csv", "sub/b.csv", "build", "secret", "build/x", "build/sub/new"}

    def test_tracked_paths_are_judged_by_the_rules(self, repo: support.Repo) -> None:
        repo.write({"out": "", ".gitignore": "/out\n"})
        repo.git("add", "-f", "out")
        assert opened(repo).ignored(["out"]) == {"out"}

    def test_as_dvc_writes_it(self, repo: support.Repo) -> None:
        git = opened(repo)
        repo.write({".gitignore": "/a"})
        assert git.ignore("b") == ".gitignore"
        assert git.ignore("new/folder/c") == "new/folder/.gitignore"
        assert repo.read(".gitignore") == "/a\n/b\n"
        assert repo.read("new/folder/.gitignore") == "/c\n"

    def test_negated_above_is_appended_again(self, repo: support.Repo) -> None:
        repo.write({"sub/.gitignore": "/out\n!out\n"})
        assert opened(repo).ignore("sub/out") == "sub/.gitignore"
        assert repo.read("sub/.gitignore") == "/out\n!out\n/out\n"
        assert opened(repo).unignore("sub/out") == "sub/.gitignore"
        assert repo.read("sub/.gitignore") == "!out\n"

    def test_all_at_once_with_few_processes(self, repo: support.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        git = opened(repo)
        repo.write({"d/.gitignore": "/x3\n"})
        started = starts(monkeypatch)
        paths = [f"d/x{i}" for i in range(50)] + ["e/y"]
        assert git.ignore_all(paths) == ["d/.gitignore", "e/.gitignore"]
        assert len(started) == 2
        assert git.ignored(paths) == set(paths)
        assert repo.read("d/.gitignore").count("/x3\n") == 1
        assert git.ignore_all(paths) == []
        assert git.ignore_all([]) == []

    def test_a_gitignore_that_git_could_not_read(self, repo: support.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        """Git says nothing of it: a line that is there is no reason to write another."""
        git = opened(repo)
        repo.write({".gitignore": "/a\r\n/b\n/c\n!/c\n"})
        answers = [set[str]()]
        ask = git.ignored
        monkeypatch.setattr(git, "ignored", lambda paths: answers.pop() if answers else ask(paths))
        assert git.ignore_all(["a", "b"]) == []
        assert git.ignore_all(["b", "c", "d"]) == [".gitignore"]
        assert repo.read(".gitignore") == "/a\r\n/b\n/c\n!/c\n/c\n/d\n"

    def test_a_file_that_git_follows_is_not_asked_about_again(
        self, repo: support.Repo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        git = opened(repo)
        repo.write({"d/.gitignore": "!*\n"})
        for name, processes in (("a", 2), ("b", 1), ("c.txt", 1), ("odd name", 2), ("ü", 2)):
            started = starts(monkeypatch)
            assert git.ignore(f"d/{name}") == "d/.gitignore"
            assert len(started) == processes, name
            assert git.ignored([f"d/{name}"]) == {f"d/{name}"}
        assert git.ignore("e/a") == "e/.gitignore"
        monkeypatch.setattr("gitstage.git.repo.ignore_line", lambda name: b"/not-" + name)
        with pytest.raises(GitstageError, match="odd too: Git does not ignore it"):
            git.ignore("d/odd too")
        with pytest.raises(GitstageError, match="f/a: Git does not ignore it"):
            git.ignore("f/a")

    def test_hostile_paths(self, repo: support.Repo, tmp_path: Path) -> None:
        git = opened(repo)
        (tmp_path / "elsewhere").mkdir()
        (repo.path / "link").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(GitstageError, match="beyond a symbolic link"):
            git.ignore("link/out")
        for path in (".git/hooks/x", "a/.git/x"):
            with pytest.raises(UnsafePath):
                git.ignore(path)
        with pytest.raises(GitstageError):
            git.ignore("../out")
        assert list((tmp_path / "elsewhere").iterdir()) == []
        assert not (tmp_path / ".gitignore").exists()

    def test_symlinked_gitignore_is_refused(self, repo: support.Repo, tmp_path: Path) -> None:
        (tmp_path / "mine").write_text("/a\n")
        (repo.path / ".gitignore").symlink_to(tmp_path / "mine")
        with pytest.raises(GitstageError, match=r"\.gitignore: is a symlink"):
            opened(repo).ignore("b")
        assert (tmp_path / "mine").read_text() == "/a\n"

    def test_nothing_changes_when_it_cannot_be_done(self, repo: support.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        git = opened(repo)
        repo.write({"sub/.gitignore": "/a\n"})
        monkeypatch.setattr("gitstage.git.repo.ignore_line", lambda name: b"/other")
        with pytest.raises(GitstageError, match=r"^new: Git does not ignore it"):
            git.ignore_all(["sub/x", "new"])
        assert repo.read("sub/.gitignore") == "/a\n"
        assert not repo.exists(".gitignore")


# -- staging ---------------------------------------------------------------------------------------------------


class TestAdd:
    def test_new_changed_gone(self, repo: support.Repo) -> None:
        repo.write({"changed": "1", "gone": "1", "left": "1"})
        repo.commit()
        repo.write({"changed": "2", "left": "2", "*": "new"})
        repo.remove("gone")
        opened(repo).add(["changed", "gone", "*", "never"])
        assert repo.git("status", "--porcelain") == "A  *\nM  changed\nD  gone\n M left\n"

    def test_nothing(self, repo: support.Repo) -> None:
        opened(repo).add([])
        opened(repo).add(["never"])
        assert repo.git("status", "--porcelain") == ""

    def test_ignored_is_refused(self, repo: support.Repo) -> None:
        repo.write({".gitignore": "x\n", "x": ""})
        with pytest.raises(GitstageError, match="git add: The following paths are ignored"):
            opened(repo).add(["x"])

    def test_what_git_passes_over_is_said(self, repo: support.Repo, tmp_path: Path) -> None:
        """It does so, and exits with 0, if it cannot look at a folder."""
        repo.write({"sub/tracked": "1"})
        repo.commit()
        repo.write({"seen": "", "sub/passed over": "", "sub/tracked": "2"})
        git = opened(repo)
        program = tmp_path / "git"
        program.write_text(
            f'#!/bin/sh\ncase " $* " in *" add "*) printf "seen\\0";; *) cat;; esac | {shutil.which("git")} "$@"\n'
        )
        program.chmod(0o755)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GITSTAGE_REAL_GIT", str(program))
            for path in ("sub/passed over", "sub/tracked"):
                with pytest.raises(SystemFailure, match=rf"^git add: {path}: Git passed over it"):
                    git.add(["seen", path])
        git.add(["seen", "sub/passed over", "sub/tracked"])
        assert repo.git("status", "--porcelain") == 'A  seen\nA  "sub/passed over"\nM  sub/tracked\n'

    def test_waits_for_a_lock(self, repo: support.Repo) -> None:
        repo.write({"x": ""})
        lock = repo.path / ".git/index.lock"
        lock.touch()
        freer = threading.Timer(0.4, lock.unlink)
        freer.start()
        start = time.monotonic()
        opened(repo).add(["x"])
        assert time.monotonic() - start > 0.3
        freer.join()
        assert opened(repo).staged() == ["x"]

    def test_gives_up_on_a_lock_and_leaves_it(self, repo: support.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gitstage.git.repo._LOCK_WAIT", 0.1)
        repo.write({"x": ""})
        (repo.path / ".git/index.lock").touch()
        with pytest.raises(Busy, match=r"index\.lock"):
            opened(repo).add(["x"])
        assert (repo.path / ".git/index.lock").exists()

    def test_outside_a_sparse_cone(self, repo: support.Repo) -> None:
        repo.write({"in/a": "1", "out/b": "1"})
        repo.commit()
        repo.git("sparse-checkout", "set", "in")
        repo.write({"out/b": "2"})
        opened(repo).add(["out/b"])
        assert opened(repo).staged() == ["out/b"]

    def test_in_the_hook_of_commit_path(self, repo: support.Repo) -> None:
        repo.write({"a": "1", "b": "1"})
        repo.commit()
        code = "from gitstage.git import Repo; Repo.discover().add(['b'])"
        hook = repo.path / ".git/hooks/pre-commit"
        hook.write_text(f"#!/bin/sh\n{support.python(code)}\n")
        hook.chmod(0o755)
        repo.write({"a": "2", "b": "2"})
        env = {"PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__import__("gitstage").__file__)))}
        repo.git("commit", "-qm", "two", "a", env=env)
        assert repo.git("show", "--format=", "--name-only", "HEAD") == "a\nb\n"
        assert repo.git("status", "--porcelain") == ""


def test_import_is_light() -> None:
    heavy = ("pygit2", "yaml", "click", "logging", "tempfile", "pathspec")
    code = f"import sys, gitstage.git; print([name for name in {heavy} if name in sys.modules])"
    env = {
        **os.environ,
        "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__import__("gitstage").__file__))),
    }
    got = subprocess.run(
        [__import__("sys").executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert got.stdout == "[]\n"

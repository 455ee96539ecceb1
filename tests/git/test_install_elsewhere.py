"""Hooks of every repository, of clones to come, of a worktree; and those that the Git configuration names."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import Repo, picture

from gitstage.errors import GitstageError
from gitstage.git import Repo as Opened
from gitstage.git import program
from gitstage.hooks import confighooks, framework, installer

NAMES = [hook.name for hook in installer.HOOKS]


def opened(repo: Repo, where: str = ".") -> Opened:
    found = Opened.discover(str(repo.path / where))
    assert found is not None
    return found


def of_user(home: Path) -> dict[str, tuple[str, ...]]:
    """Everything in the home; the folders that programs share may have been made."""
    return {path: entry for path, entry in picture(home).items() if path not in (".local/", ".local/share/")}


# worktrees and core.hooksPath


def test_a_hooks_path_of_one_worktree(ran: Repo) -> None:
    """With extensions.worktreeConfig each worktree may have its own; relative ones count from the worktree's top."""
    main_hooks = picture(ran.path / ".git/hooks")
    config = ran.read(".git/config")
    ran.git("worktree", "add", "-q", "-b", "linked", "../linked")
    ran.git("config", "extensions.worktreeConfig", "true")
    ran.git("config", "--worktree", "core.hooksPath", "tools/our hooks", cwd="../linked")
    linked = Repo(ran.path.parent / "linked", ran.env)
    linked.stage("install", check=True)
    assert picture(ran.path / ".git/hooks") == main_hooks
    assert linked.exists("tools/our hooks/pre-commit")
    linked.write({"src": "two\n"})
    assert linked.run("git", "commit", "-qam", "stale").returncode == 1
    ran.write({"src": "two\n"})
    ran.git("commit", "-qam", "nothing is installed here")
    linked.git("checkout", "-q", "-f")
    assert "restored" not in linked.stage("uninstall", check=True).stdout
    assert not linked.exists("tools") and linked.git("status", "-s") == ""
    assert ran.read(".git/config") != config  # the user's own

    # a relative one of the whole repository: the folder is each worktree's
    ran.git("config", "--worktree", "--unset", "core.hooksPath", cwd="../linked")
    ran.git("config", "core.hooksPath", "hooks")
    ran.stage("install", check=True)
    assert ran.exists("hooks/pre-commit") and not linked.exists("hooks")
    linked.stage("install", check=True)
    linked.write({"src": "four\n"})
    assert linked.run("git", "commit", "-qam", "stale").returncode == 1
    for place in (ran, linked):
        place.stage("uninstall", check=True)
        assert not place.exists("hooks")


def test_hooks_are_found_where_they_were_put_before_core_hooks_path(ran: Repo, tmp_path: Path) -> None:
    before = picture(ran.path / ".git/hooks")
    ran.stage("install", check=True)
    ran.git("config", "--global", "core.hooksPath", str(tmp_path / "all"))
    ran.stage("uninstall", check=True)
    assert picture(ran.path / ".git/hooks") == before
    assert not (tmp_path / "all").exists()


def test_submodule_and_separate_git_dir(ran: Repo, tmp_path: Path) -> None:
    outer = Repo(tmp_path / "outer", ran.env)
    outer.path.mkdir()
    outer.git("init", "-q", "-b", "main", "--separate-git-dir", str(tmp_path / "elsewhere"))
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(ran.path), "sub")
    sub = Repo(outer.path / "sub", ran.env)
    sub.stage("install", check=True)
    assert (tmp_path / "elsewhere/modules/sub/hooks/pre-commit").exists()
    assert not (tmp_path / "elsewhere/hooks/pre-commit").exists()
    sub.write({"src": "two\n"})
    assert sub.run("git", "commit", "-qam", "stale").returncode == 1
    outer.stage("init", "--hooks", check=True)
    assert (tmp_path / "elsewhere/hooks/pre-commit").exists()


# all repositories of a user


def test_a_folder_of_hooks_for_everybody(ran: Repo, tmp_path: Path) -> None:
    home = Path(ran.env["HOME"])
    ran.git("config", "--global", "core.hooksPath", "~/all/hooks")
    user = of_user(home)
    refused = ran.stage("install")
    assert refused.returncode == 1 and "git stage install --global" in refused.stderr
    ran.stage("install", "--global", check=True)
    assert (home / "all/hooks/pre-commit").exists()
    ran.write({"src": "two\n"})
    assert ran.run("git", "commit", "-qam", "stale").returncode == 1
    ran.git("init", "-q", str(tmp_path / "another"))
    assert ran.run("git", "commit", "-q", "--allow-empty", "-m", "x", cwd=str(tmp_path / "another")).returncode == 0
    ran.stage("uninstall", "--global", cwd=str(tmp_path), check=True)
    assert of_user(home) == user


def test_an_older_git_cannot_do_that_without_a_folder(ran: Repo) -> None:
    home = Path(ran.env["HOME"])
    before = picture(home), picture(ran.path)
    for option in ("--global", "--config-hooks"):
        got = ran.stage("install", option)
        assert got.returncode == 1
        assert "need Git 2.54 or later; this is 2." in got.stderr
        assert "git stage install --template DIR" in got.stderr
    assert (picture(home), picture(ran.path)) == before


# hooks that the Git configuration names


@pytest.fixture
def newer_git(ran: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A git that says it is 2.55. It does not run such hooks; what it would run is run by `as_git_would`."""
    real = shutil.which("git", path=ran.env["PATH"])
    fake = tmp_path / "newer/git"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\nfor a; do [ "$a" != version ] || exec echo git version 2.55.1.x; done\nexec {real} "$@"\n'
    )
    fake.chmod(0o755)
    ran.env["PATH"] = f"{fake.parent}:{ran.env['PATH']}"
    monkeypatch.setenv("PATH", ran.env["PATH"])
    return ran


def as_git_would(repo: Repo, name: str, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Git gives the command to sh, the hook's arguments after it."""
    command = repo.git("config", "--get", f"hook.gitstage-{name}.command").removesuffix("\n")
    assert repo.git("config", "--get-all", f"hook.gitstage-{name}.event") == f"{name}\n"
    return repo.run("sh", "-c", f'{command} "$@"', command, *args, stdin=stdin)


def test_the_version_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, refused in {
        "git version 2.39.5": True,
        "git version 2.53.0.rc2": True,
        "git version 2.54.0": False,
        "git version 2.55.0-618-g1a3e64c6c4": False,
        "git version 3.0.1 (Apple Git-200)": False,
    }.items():
        monkeypatch.setattr(program.Program, "run", lambda *_, said=text: said.encode())
        if refused:
            with pytest.raises(GitstageError, match=r"need Git 2\.54"):
                confighooks.require_version()
        else:
            confighooks.require_version()


def test_hooks_in_the_configuration_of_a_repository(newer_git: Repo) -> None:
    repo = newer_git
    config, hooks = repo.read(".git/config"), picture(repo.path / ".git/hooks")
    repo.stage("install", check=True)  # files, which the other kind replaces
    done = repo.stage("install", "--config-hooks", check=True).stdout.splitlines()
    assert picture(repo.path / ".git/hooks") == hooks
    assert [line.split()[0] for line in done] == ["installed"] * len(NAMES)
    assert set(installer.installed(opened(repo))) == set(NAMES)
    sections = repo.git("config", "--get-regexp", r"^hook\..*\.event$").split()
    assert sections[::2] == [f"hook.gitstage-{name}.event" for name in NAMES] and sections[1::2] == NAMES
    again = repo.stage("install", check=True).stdout.splitlines()
    assert [line.split()[0] for line in again] == ["unchanged"] * len(NAMES)
    assert picture(repo.path / ".git/hooks") == hooks

    repo.write({"src": "two\n"})
    repo.git("add", "src")
    for state in ("with the hook file", "without it"):
        refused = as_git_would(repo, "pre-commit")
        assert refused.returncode == 1 and "stage 's'" in refused.stderr, state
        shutil.rmtree(repo.path / ".git/gitstage")
    repo.stage("install", check=True)
    repo.git("rm", "-q", "--cached", "out.txt", check=False)
    repo.remove("out")
    head = repo.git("rev-parse", "HEAD").strip()
    assert as_git_would(repo, "post-checkout", head, head, "1").returncode == 0
    assert repo.read("out") == "one\n"
    assert as_git_would(repo, "post-rewrite", "rebase", stdin=f"{head} {head}\n").returncode == 0

    # without the newer Git the files are what runs
    older = {"PATH": repo.env["PATH"].partition(":")[2]}
    assert "installed .git/hooks/pre-commit" in repo.stage("install", env=older, check=True).stdout
    repo.stage("uninstall", check=True)
    assert (repo.read(".git/config"), picture(repo.path / ".git/hooks")) == (config, hooks)


def test_hooks_in_the_configuration_of_the_user(newer_git: Repo, tmp_path: Path) -> None:
    repo, home = newer_git, Path(newer_git.env["HOME"])
    repo.git("config", "--global", "user.name", "it's me")
    before = of_user(home)
    repo.stage("install", "--global", cwd=str(tmp_path), check=True)
    assert (home / ".local/share/gitstage/hooks/pre-commit").exists()
    repo.write({"src": "two\n"})
    repo.git("add", "src")
    assert as_git_would(repo, "pre-commit").returncode == 1
    hooks = picture(repo.path / ".git/hooks")
    here = repo.stage("install", check=True).stdout.splitlines()  # only the merge driver is missing
    assert [line.split()[0] for line in here] == ["unchanged"] * len(NAMES)
    assert picture(repo.path / ".git/hooks") == hooks
    assert repo.git("config", "merge.gitstage.driver")
    assert "unchanged" in repo.stage("install", "--global", check=True).stdout
    repo.stage("uninstall", "--global", check=True)
    assert of_user(home) == before


def test_configuration_is_all_or_nothing(newer_git: Repo) -> None:
    """The configuration cannot be written to its end: no hook is left in it, and the files are where they were."""
    repo = newer_git
    repo.stage("install", check=True)
    before = picture(repo.path / ".git/hooks"), repo.read(".git/config")
    fake = Path(repo.env["PATH"].partition(":")[0]) / "git"
    fake.write_text(fake.read_text().replace("do ", 'do [ "$a" != hook.gitstage-post-merge.event ] || exit 4; ', 1))
    got = repo.stage("install", "--config-hooks")
    assert got.returncode == 1
    assert (picture(repo.path / ".git/hooks"), repo.read(".git/config")) == before


# clones to come


def test_template(ran: Repo, tmp_path: Path) -> None:
    folder = tmp_path / "a template"
    home = of_user(Path(ran.env["HOME"]))
    said = ran.stage("install", "--template", str(folder), cwd=str(tmp_path), check=True).stdout
    assert f"git config --global init.templateDir '{folder}'" in said
    assert sorted(os.listdir(folder / "hooks")) == sorted(NAMES)
    ran.git("config", "--global", "init.templateDir", str(folder))
    assert "init.templateDir" not in ran.stage("install", "--template", str(folder), check=True).stdout

    lone = ran.run("git", "clone", "-q", str(ran.path), str(tmp_path / "lone"), check=True)
    assert lone.stderr.splitlines() == [
        "gitstage: 3 outputs are not in the cache: data, dir, out",
        "hint: git stage pull",
    ]
    ran.write({".dvc/config": f"[cache]\n    dir = {ran.path}/.dvc/cache\n"})
    ran.commit("a cache that others can reach")
    ran.git("clone", "-q", str(ran.path), str(tmp_path / "clone"))
    clone = Repo(tmp_path / "clone", ran.env)
    assert (clone.read("out"), clone.read("data")) == ("one\n", "d\n")
    assert set(clone.stage("install", check=True).stdout.split()[::2]) == {"unchanged"}
    clone.write({"src": "two\n"})
    assert clone.run("git", "commit", "-qam", "stale").returncode == 1
    clone.stage("uninstall", check=True)
    assert os.listdir(clone.path / ".git/hooks") == []

    ran.git("config", "--global", "--unset", "init.templateDir")
    ran.git("config", "--global", "--remove-section", "init", check=False)
    ran.stage("uninstall", "--template", str(folder), cwd=str(tmp_path), check=True)
    assert not folder.exists()
    assert of_user(Path(ran.env["HOME"])) == home


def test_a_template_with_hooks_of_its_own(ran: Repo, tmp_path: Path) -> None:
    folder = tmp_path / "template"
    (folder / "hooks").mkdir(parents=True)
    (folder / "description").write_text("a template\n")
    (folder / "hooks/pre-commit").write_text("#!/bin/sh\necho theirs >&2\n")
    (folder / "hooks/pre-commit").chmod(0o755)
    before = picture(folder)
    ran.stage("install", "--template", str(folder), check=True)
    ran.git("init", "-q", "--template", str(folder), str(tmp_path / "fresh"))
    got = ran.run("git", "commit", "-q", "--allow-empty", "-m", "x", cwd=str(tmp_path / "fresh"), check=True)
    assert got.stderr == "theirs\n"
    ran.stage("uninstall", "--template", str(folder), check=True)
    assert picture(folder) == before


# the framework's pre-push


def test_all_refs_count_where_the_framework_runs_pre_push(ran: Repo) -> None:
    ran.git("tag", "-a", "-m", "t", "v1")
    id_, tag = (ran.git("rev-parse", name).strip() for name in ("main", "v1"))
    zero = "0" * 40
    assert framework.pushed(opened(ran)) == (
        f"refs/heads/main {id_} refs/heads/main {zero}\nrefs/tags/v1 {tag} refs/tags/v1 {zero}\n"
    )
    env = {"PRE_COMMIT": "1", "PRE_COMMIT_REMOTE_NAME": "origin", "PRE_COMMIT_REMOTE_URL": "u"}
    assert framework.arguments("pre-push", env) == ["origin", "u"]
    assert framework.arguments("pre-push", {}) is None

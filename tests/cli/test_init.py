"""`git-stage init`: a project that both tools accept."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from support import Repo, md5, new_repo, picture

import gitstage

ONE = md5("one\n")
CLEAN = "Data and pipelines are up to date.\n"


def test_files_are_those_of_dvc(repo: Repo, tmp_path: Path, environment: dict[str, str]) -> None:
    repo.stage("init", check=True)
    other = new_repo(tmp_path / "other", environment)
    other.dvc("init", "-q", check=True)
    assert repo.tree() == other.tree()
    assert repo.git("ls-files", "-s") == other.git("ls-files", "-s")
    assert repo.dvc("status", check=True).stdout.startswith("There are no data or pipelines tracked")


def test_dvc_works_on_it(repo: Repo) -> None:
    repo.stage("init", check=True)
    repo.write({"data": "one\n"})
    repo.dvc("add", "-q", "data", check=True)
    assert repo.stage("status", check=True).stdout == CLEAN


def test_existing_dvcignore_is_kept(repo: Repo) -> None:
    repo.write({".dvcignore": "*.log\n"})
    repo.stage("init", check=True)
    assert repo.read(".dvcignore") == "*.log\n"


def test_outside_git_is_refused(repo: Repo) -> None:
    outside = Repo(repo.path.parent / "outside", repo.env | {"GIT_CEILING_DIRECTORIES": str(repo.path.parent)})
    outside.path.mkdir()
    got = outside.stage("init")
    assert got.returncode == 7
    assert got.stderr.startswith("git-stage: ")
    assert picture(outside.path) == {}


def test_no_scm(repo: Repo) -> None:
    outside = Repo(repo.path.parent / "outside", repo.env | {"GIT_CEILING_DIRECTORIES": str(repo.path.parent)})
    outside.path.mkdir()
    outside.stage("init", "--no-scm", check=True)
    assert outside.read(".dvc/config") == "[core]\n    no_scm = True\n"
    outside.write({"src": "one\n"})
    outside.stage("run", "-n", "copy", "-d", "src", "-o", "out", "cp src out", check=True)
    assert not outside.exists(".gitignore")
    assert outside.stage("status", check=True).stdout == CLEAN
    assert outside.dvc("status", check=True).stdout == CLEAN


def test_existing_project_is_refused(project: Repo) -> None:
    project.write({"data": "one\n", ".dvc/config": "[core]\n    autostage = true\n"})
    project.stage("add", "data", check=True)
    before = project.state()
    got = project.stage("init")
    assert got.returncode not in (0, 2)
    assert ".dvc" in got.stderr
    assert "-f" in got.stderr
    assert project.state() == before
    project.stage("init", "-f", check=True)
    assert project.read(".dvc/config") == ""


def test_subdirectory_needs_its_option(repo: Repo) -> None:
    repo.write({"sub/src": "one\n"})
    got = repo.stage("init", cwd="sub")
    assert got.returncode not in (0, 2)
    assert not repo.exists("sub/.dvc")
    repo.stage("init", "--subdir", cwd="sub", check=True)
    assert repo.exists("sub/.dvc/config")
    assert not repo.exists(".dvc")
    repo.stage("run", "-n", "copy", "-d", "src", "-o", "out", "cp src out", cwd="sub", check=True)
    assert repo.stage("root", cwd="sub", check=True).stdout == ".\n"
    assert repo.dvc("status", cwd="sub", check=True).stdout == CLEAN
    assert repo.stage("status").returncode == 7


def test_root(project: Repo) -> None:
    project.write({"a/b/c": ""})
    assert project.stage("root", cwd="a/b", check=True).stdout == "../..\n"


def test_hooks_are_installed_only_when_asked_for(repo: Repo) -> None:
    repo.stage("init", check=True)
    assert not repo.exists(".git/hooks/pre-commit")
    repo.stage("init", "-f", "--hooks", check=True)
    for name in ("pre-commit", "post-checkout"):
        assert os.access(repo.path / ".git/hooks" / name, os.X_OK)


def test_layout_2_writes_as_dvc_2_did(repo: Repo) -> None:
    repo.stage("init", "--layout", "2", check=True)
    repo.write({"src": "one\n"})
    repo.stage("run", "-n", "make", "-d", "src", "-o", "d", "mkdir d; cp src d/f", check=True)
    manifest = json.dumps([{"md5": ONE, "relpath": "f"}])
    assert repo.read("dvc.lock") == (
        "schema: '2.0'\nstages:\n  make:\n    cmd: mkdir d; cp src d/f\n"
        f"    deps:\n    - path: src\n      md5: {ONE}\n      size: 4\n"
        f"    outs:\n    - path: d\n      md5: {md5(manifest)}.dir\n      size: 4\n      nfiles: 1\n"
    )
    folder = repo.path / ".dvc/cache" / md5(manifest)[:2]
    assert (folder / (md5(manifest)[2:] + ".dir")).read_text() == manifest
    assert not repo.exists(".dvc/cache/files")
    text = "x\ny\n"
    repo.write({"data": text.replace("\n", "\r\n")})
    repo.stage("add", "data", check=True)
    assert repo.read("data.dvc") == f"outs:\n- md5: {md5(text)}\n  size: 6\n  path: data\n"
    assert repo.stage("status", check=True).stdout == CLEAN
    assert repo.dvc("status", check=True).stdout == CLEAN
    repo.remove("d", "data")
    repo.stage("checkout", check=True)
    assert (repo.read("d/f"), repo.read("data")) == ("one\n", "x\r\ny\r\n")


def test_existing_project_of_layout_2_is_kept_so(project: Repo) -> None:
    digest = md5("one\n")
    kept = project.path / ".dvc/cache" / digest[:2] / digest[2:]
    project.write({str(kept.relative_to(project.path)): "one\n"}, mode=0o444)
    project.write({"old.dvc": f"outs:\n- md5: {digest}\n  size: 4\n  path: old\n", ".gitignore": "/old\n"})
    project.stage("checkout", check=True)
    assert project.read("old") == "one\n"
    project.stage("run", "-n", "twice", "-d", "old", "-o", "new", "cat old old > new", check=True)
    assert "hash: md5" not in project.read("dvc.lock")
    made = md5("one\none\n")
    assert (project.path / ".dvc/cache" / made[:2] / made[2:]).read_text() == "one\none\n"
    assert not project.exists(".dvc/cache/files")


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_modes_follow_the_umask(repo: Repo, mask: int) -> None:
    before = os.umask(mask)
    try:
        repo.stage("init", check=True)
        repo.write({"data": "one\n"})
        repo.stage("add", "data", check=True)
    finally:
        os.umask(before)
    modes = {
        path: stat.S_IMODE(os.stat(repo.path / path).st_mode)
        for path in ("data", "data.dvc", ".gitignore", ".dvc/config")
    }
    assert set(modes.values()) == {0o666 & ~mask}, modes
    assert stat.S_IMODE(repo.object(md5("one\n")).stat().st_mode) == 0o444
    assert stat.S_IMODE(repo.object(md5("one\n")).parent.stat().st_mode) == 0o777 & ~mask


def test_version_and_help(repo: Repo) -> None:
    assert gitstage.__version__ in repo.stage("version", check=True).stdout
    assert gitstage.__version__ in repo.stage("--version", check=True).stdout
    for argv in (["help"], ["--help"], ["help", "run"], ["run", "--help"], ["run", "-h"]):
        got = repo.stage(*argv, check=True)
        assert "run" in got.stdout
        assert got.stderr == ""


def test_a_layout_that_is_none_is_refused(ran: Repo) -> None:
    ran.git("config", "gitstage.layout", "9")
    ran.write({"new": "1\n"})
    got = ran.stage("add", "new")
    assert (got.returncode, got.stdout) == (6, "")
    assert "gitstage.layout" in got.stderr
    assert not ran.exists("new.dvc")

"""`git-stage add`: tracks files and directories that no command makes."""

from __future__ import annotations

import json
import os

import pytest
from support import Repo, md5

ONE = md5("one\n")


def entry(path: str, text: str) -> str:
    return f"outs:\n- md5: {md5(text)}\n  size: {len(text)}\n  hash: md5\n  path: {path}\n"


def test_file(project: Repo) -> None:
    project.write({"data": "one\n"})
    got = project.stage("add", "data")
    assert (got.returncode, got.stderr) == (0, "")
    assert project.read("data.dvc") == entry("data", "one\n")
    assert project.read(".gitignore") == "/data\n"
    assert project.read("data") == "one\n"
    kept = project.object(ONE)
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("one\n", 0o444)
    assert (project.path / "data").stat().st_mode & 0o777 == 0o644
    assert project.git("status", "-s").splitlines() == ["?? .gitignore", "?? data.dvc"]


def test_several_targets_below_a_folder(project: Repo) -> None:
    project.write({"d/x": "x\n", "d/y": "y\n", "z": "z\n"})
    project.stage("add", "d/x", "d/y", "z", check=True)
    assert project.read("d/x.dvc") == entry("x", "x\n")
    assert project.read("d/.gitignore") == "/x\n/y\n"
    assert project.read(".gitignore") == "/z\n"


def test_directory(project: Repo) -> None:
    project.write({"d/b/c": "c\n", "d/a": "a\n"})
    project.stage("add", "d", check=True)
    manifest = json.dumps([{"md5": md5("a\n"), "relpath": "a"}, {"md5": md5("c\n"), "relpath": "b/c"}])
    assert (
        project.read("d.dvc") == f"outs:\n- md5: {md5(manifest)}.dir\n  size: 4\n  nfiles: 2\n  hash: md5\n  path: d\n"
    )
    assert project.object(md5(manifest) + ".dir").read_text() == manifest
    assert all(project.object(md5(text)).exists() for text in ("a\n", "c\n"))


def test_again_without_a_change_changes_nothing(project: Repo) -> None:
    project.write({"data": "one\n", "d/a": "a\n"})
    project.stage("add", "data", "d", check=True)
    before = project.state()
    project.stage("add", "data", "d", check=True)
    assert project.state() == before


def test_again_after_a_change_keeps_what_the_user_wrote(project: Repo) -> None:
    project.write({"data": "one\n"})
    project.stage("add", "data", check=True)
    project.write({"data.dvc": "# mine\ndesc: words\n" + project.read("data.dvc"), "data": "second\n"})
    project.stage("add", "data", check=True)
    assert project.read("data.dvc") == "# mine\ndesc: words\n" + entry("data", "second\n")
    assert project.object(ONE).exists()


def test_part_of_a_tracked_directory(project: Repo) -> None:
    project.write({"d/a": "a\n"})
    project.stage("add", "d", check=True)
    project.write({"d/b": "b\n"})
    project.stage("add", "d/b", check=True)
    manifest = json.dumps([{"md5": md5("a\n"), "relpath": "a"}, {"md5": md5("b\n"), "relpath": "b"}])
    assert f"md5: {md5(manifest)}.dir" in project.read("d.dvc")
    assert not project.exists("d/b.dvc")


def test_no_commit(project: Repo) -> None:
    project.write({"data": "one\n"})
    project.stage("add", "--no-commit", "data", check=True)
    assert project.read("data.dvc") == entry("data", "one\n")
    assert project.read(".gitignore") == "/data\n"
    assert project.cache() == {}


def test_glob(project: Repo) -> None:
    project.write({"a1.csv": "1", "a2.csv": "2", "sub/a3.csv": "3", "b.txt": "b"})
    project.stage("add", "--glob", "*.csv", check=True)
    assert sorted(name.name for name in project.path.rglob("*.dvc") if name.is_file()) == ["a1.csv.dvc", "a2.csv.dvc"]
    project.stage("add", "--glob", "**/*.csv", check=True)
    assert project.exists("sub/a3.csv.dvc")
    got = project.stage("add", "--glob", "zzz*")
    assert got.returncode != 0
    assert "zzz*" in got.stderr


def test_from_a_subdirectory(project: Repo) -> None:
    project.write({"sub/data": "one\n", "top": "top\n"})
    project.stage("add", "data", "../top", cwd="sub", check=True)
    assert project.read("sub/data.dvc") == entry("data", "one\n")
    assert project.read("top.dvc") == entry("top", "top\n")
    assert project.read("sub/.gitignore") == "/data\n"


def test_out_copies_an_external_file_in(project: Repo) -> None:
    project.write({"../outside": "one\n"})
    project.stage("add", "../outside", "-o", "inside", check=True)
    assert project.read("inside") == project.read("../outside") == "one\n"
    assert project.read("inside.dvc") == entry("inside", "one\n")
    before = project.state()
    project.write({"../outside": "two\n"})
    got = project.stage("add", "../outside", "-o", "inside")
    assert got.returncode not in (0, 2)
    assert project.state() == before
    project.stage("add", "-f", "../outside", "-o", "inside", check=True)
    assert project.read("inside") == "two\n"


def test_executable(project: Repo) -> None:
    project.write({"tool": "#!/bin/sh\n"}, mode=0o755)
    project.stage("add", "tool", check=True)
    assert "  isexec: true\n" in project.read("tool.dvc")
    assert os.access(project.path / "tool", os.X_OK)


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_executable_link_stays_executable(project: Repo, kind: str) -> None:
    project.write({".dvc/config": f"[cache]\n    type = {kind}\n"})
    project.write({"tool": "#!/bin/sh\n"}, mode=0o755)
    for argv in (["add", "tool"], ["status"], ["add", "tool"], ["checkout", "--relink"], ["status", "--cache"]):
        project.stage(*argv, check=True)
        assert os.access(project.path / "tool", os.X_OK), argv
        assert not os.stat(project.path / "tool").st_mode & 0o222, argv


@pytest.mark.parametrize("kind", ["hardlink", "symlink", "copy", "reflink,copy"])
def test_link_types(project: Repo, kind: str) -> None:
    quoted = f'"{kind}"' if "," in kind else kind
    project.write({".dvc/config": f"[cache]\n    type = {quoted}\n", "data": "one\n", "d/a": "a\n"})
    project.stage("add", "data", "d", check=True)
    for path, text in (("data", "one\n"), ("d/a", "a\n")):
        kept = project.object(md5(text))
        assert kept.stat().st_mode & 0o777 == 0o444
        assert project.read(path) == text
        same = os.path.samefile(project.path / path, kept)
        assert same == (kind in ("hardlink", "symlink")), path
        assert os.path.islink(project.path / path) == (kind == "symlink")
    assert project.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"


def test_changed_file_of_a_hardlinked_project_leaves_the_object_alone(project: Repo) -> None:
    project.write({".dvc/config": "[cache]\n    type = hardlink\n", "data": "one\n"})
    project.stage("add", "data", check=True)
    project.write({"data": "two\n"})
    project.stage("add", "data", check=True)
    assert project.object(ONE).read_text() == "one\n"
    assert project.object(md5("two\n")).read_text() == "two\n"


def test_autostage(project: Repo) -> None:
    project.write({".dvc/config": "[core]\n    autostage = true\n", "data": "one\n"})
    project.stage("add", "data", check=True)
    assert project.git("diff", "--cached", "--name-only").splitlines() == [".gitignore", "data.dvc"]


def test_name_that_begins_with_a_dash_and_odd_names(project: Repo) -> None:
    names = ["-dash", "with space", "ünï", "yes", "#hash", "a: b"]
    project.write(dict.fromkeys(names, "x"))
    project.stage("add", "--", *names, check=True)
    assert project.read(".gitignore") == "/-dash\n/with space\n/ünï\n/yes\n/\\#hash\n/a: b\n"
    assert project.git("status", "-s", "--", *names) == ""
    project.remove(*names)
    project.stage("checkout", check=True)
    assert all(project.read(name) == "x" for name in names)


def test_ignored_files_are_left_out(project: Repo) -> None:
    project.append(".dvcignore", "*.log\n")
    project.write({"d/a": "a\n", "d/b.log": "b\n"})
    project.stage("add", "d", check=True)
    assert "nfiles: 1\n" in project.read("d.dvc")
    assert not project.object(md5("b\n")).exists()

"""`git-stage checkout`: makes the work tree what is recorded."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from support import Repo, md5


@pytest.fixture
def data(project: Repo) -> Repo:
    """A file, a directory and a stage's output, all in the cache."""
    project.write({"f": "one\n", "d/a": "a\n", "d/s/b": "b\n"})
    project.stage("add", "f", "d", check=True)
    project.stage("run", "-n", "copy", "-d", "f", "-o", "out", "cp f out", check=True)
    project.commit("data")
    return project


def test_nothing_to_do(data: Repo) -> None:
    before = data.state()
    got = data.stage("checkout")
    assert (got.returncode, got.stdout, got.stderr) == (0, "", "")
    assert data.state() == before


def test_restores_what_is_missing(data: Repo) -> None:
    before = data.state()
    data.remove("f", "d", "out")
    got = data.stage("checkout", check=True)
    assert got.stdout.expandtabs() == "A       d/\nA       f\nA       out\n"
    assert data.state() == before


def test_summary(data: Repo) -> None:
    data.remove("f", "d")
    assert data.stage("checkout", "--summary", check=True).stdout == "3 files added\n"
    assert data.stage("checkout", "--summary", check=True).stdout == "No changes.\n"


def test_big_files_are_their_own_and_whole(data: Repo) -> None:
    files = {f"many/{number}": bytes([number]) * (2 << 20) + b"end" for number in range(5)} | {"many/x": b"small"}
    data.write(files)
    data.stage("add", "many", check=True)
    data.remove("many")
    data.stage("checkout", "many", check=True)
    for path, content in files.items():
        kept = data.object(hashlib.md5(content).hexdigest())
        assert (data.path / path).read_bytes() == kept.read_bytes() == content
        assert not os.path.samefile(data.path / path, kept)
        assert os.access(data.path / path, os.W_OK) and os.stat(data.path / path).st_mode & 0o200
    assert data.stage("status", "many.dvc", check=True).stdout == "Data and pipelines are up to date.\n"


def test_targets(data: Repo) -> None:
    data.remove("f", "d", "out")
    assert data.stage("checkout", "f.dvc", check=True).stdout.expandtabs() == "A       f\n"
    assert data.stage("checkout", "copy", check=True).stdout.expandtabs() == "A       out\n"
    assert data.stage("checkout", "d/s/b", check=True).stdout.expandtabs().startswith("A       d/")
    assert (data.exists("d/s/b"), data.exists("d/a")) == (True, False)
    assert data.stage("checkout", "d", check=True).stdout.expandtabs() == "M       d/\n"
    assert data.exists("d/a")


def test_content_that_is_in_the_cache_is_replaced(data: Repo) -> None:
    data.write({"f": "a\n"})
    assert data.stage("checkout", "f", check=True).stdout.expandtabs() == "M       f\n"
    assert data.read("f") == "one\n"


def test_content_that_is_nowhere_else_is_left_alone(data: Repo) -> None:
    data.write({"f": "by hand\n"})
    data.remove("out")
    got = data.stage("checkout")
    assert got.returncode not in (0, 2)
    assert "f" in got.stderr
    assert "--force" in got.stderr or "-f" in got.stderr
    assert data.read("f") == "by hand\n"
    data.stage("checkout", "--force", "f", check=True)
    assert data.read("f") == "one\n"


def test_extra_file_in_a_directory(data: Repo) -> None:
    data.write({"d/new": "new\n"})
    before = data.tree()
    got = data.stage("checkout", "d")
    assert got.returncode not in (0, 2)
    assert "d/new" in got.stderr
    assert data.tree() == before
    data.write({"d/new": "a\n"})
    assert data.stage("checkout", "d", check=True).stdout.expandtabs() == "M       d/\n"
    assert not data.exists("d/new")


def test_only_the_files_that_differ_are_touched(data: Repo) -> None:
    kept = os.stat(data.path / "d/a")
    data.remove("d/s")
    data.stage("checkout", check=True)
    after = os.stat(data.path / "d/a")
    assert (kept.st_ino, kept.st_mtime_ns, kept.st_ctime_ns) == (after.st_ino, after.st_mtime_ns, after.st_ctime_ns)
    assert data.read("d/s/b") == "b\n"


def test_ignored_files_stay(data: Repo) -> None:
    data.append(".dvcignore", "*.log\n")
    data.write({"d/x.log": "log\n", "d/a": "b\n"})
    data.stage("checkout", check=True)
    assert (data.read("d/a"), data.read("d/x.log")) == ("a\n", "log\n")


def test_missing_object_leaves_what_is_there(data: Repo) -> None:
    data.object(md5("b\n")).unlink()
    data.remove("d/s", "f")
    got = data.stage("checkout")
    assert got.returncode == 4
    assert "d" in got.stderr
    assert data.read("d/a") == "a\n"
    got = data.stage("checkout", "--allow-missing")
    assert got.returncode == 0
    assert (data.read("d/a"), data.read("f")) == ("a\n", "one\n")


def test_corrupted_object_is_not_given_out(data: Repo) -> None:
    kept = data.object(md5("a\n"))
    kept.chmod(0o644)
    kept.write_text("evil\n")
    data.remove("d")
    got = data.stage("checkout")
    assert got.returncode == 4
    assert not data.exists("d/a")


@pytest.mark.parametrize("kind", ["hardlink", "symlink", "copy"])
def test_link_types(data: Repo, kind: str) -> None:
    data.write({".dvc/config": f"[cache]\n    type = {kind}\n"})
    data.remove("f", "d", "out")
    data.stage("checkout", check=True)
    for path, text in (("f", "one\n"), ("d/a", "a\n"), ("d/s/b", "b\n"), ("out", "one\n")):
        assert data.read(path) == text
        assert os.path.samefile(data.path / path, data.object(md5(text))) == (kind != "copy")
        assert os.path.islink(data.path / path) == (kind == "symlink")
    assert data.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"


def test_relink(data: Repo) -> None:
    data.write({".dvc/config": "[cache]\n    type = hardlink\n"})
    assert data.stage("checkout", check=True).stdout == ""
    data.stage("checkout", "--relink", check=True)
    assert os.path.samefile(data.path / "d/a", data.object(md5("a\n")))


def test_relink_without_the_object_fails_and_leaves_the_file(data: Repo) -> None:
    data.object(md5("one\n")).unlink()
    before = data.tree()
    got = data.stage("checkout", "--relink", "f")
    assert got.returncode == 4
    assert data.tree() == before


def test_outputs_of_another_commit_are_dropped(data: Repo) -> None:
    data.git("checkout", "-q", "-b", "less", "HEAD~1")
    got = data.stage("checkout", check=True)
    assert got.stdout.expandtabs() == "D       d/\nD       f\nD       out\n"
    assert not any(data.exists(path) for path in ("f", "d", "out"))
    data.git("checkout", "-q", "main")
    assert data.stage("checkout", check=True).stdout.expandtabs() == "A       d/\nA       f\nA       out\n"


def test_edited_outputs_of_another_commit_stay(data: Repo) -> None:
    data.git("checkout", "-q", "-b", "less", "HEAD~1")
    data.write({"f": "by hand\n"})
    data.stage("checkout", check=True)
    assert data.read("f") == "by hand\n"
    assert not data.exists("d")


def test_stage_that_never_ran_is_named(data: Repo) -> None:
    data.stage("run", "--no-exec", "-n", "never", "-o", "nothing", "echo > nothing", check=True)
    got = data.stage("checkout", "never")
    assert got.returncode not in (0, 2)
    assert "nothing" in got.stderr


def test_manifest_that_leaves_the_directory_is_refused(data: Repo) -> None:
    text = json.dumps([{"md5": md5("a\n"), "relpath": "../../escaped"}])
    kept = data.object(md5(text) + ".dir")
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(text)
    kept.chmod(0o444)
    data.write({"e.dvc": f"outs:\n- md5: {md5(text)}.dir\n  hash: md5\n  path: e\n"})
    got = data.stage("checkout", "e.dvc")
    assert got.returncode not in (0, 2)
    assert "Traceback" not in got.stderr
    assert not data.exists("../escaped")
    assert not data.exists("escaped")


def test_symlink_in_the_way_is_not_followed(data: Repo) -> None:
    data.write({"../outside/keep": "mine\n"})
    data.remove("d")
    (data.path / "d").symlink_to("../outside")
    data.stage("checkout", "-f", "d")
    assert data.read("../outside/keep") == "mine\n"
    assert not data.exists("../outside/a")


def test_links_to_objects_that_are_lost_come_back(project: Repo, tmp_path: Path) -> None:
    project.write({".dvc/config": "[cache]\n    type = symlink\n", "d/a": "a\n", "d/b": "b\n"})
    project.stage("remote", "add", "-q", "-d", "r", str(tmp_path / "remote"), check=True)
    project.stage("add", "d", check=True)
    project.stage("push", check=True)
    shutil.rmtree(project.path / ".dvc/cache")
    got = project.stage("status", check=True)
    assert "d" in got.stdout
    assert "up to date" not in got.stdout
    assert project.stage("checkout").returncode == 4
    for argv in (["add", "d"], ["commit", "-f"]):
        got = project.stage(*argv)
        assert got.returncode == 3, argv
        assert "is a broken symlink" in got.stderr, argv
    project.stage("pull", check=True)
    assert project.read("d/a") == "a\n"
    assert project.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"
    os.symlink("nowhere", project.path / "d/c")  # somebody's own: its content cannot be known
    assert "d/c: is a broken symlink" in project.stage("status").stderr

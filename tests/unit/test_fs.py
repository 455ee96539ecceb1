"""Paths that stay below a root, whole writes, and a scratch folder that a crash leaves tidy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitstage.errors import SystemFailure
from gitstage.fs import Root, Scratch, UnsafePath, atomic_write, components


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "..", "../x", "a/../../x", "a/../b", "/etc/passwd", "a//b", "a/", "./a", "a\0b",
        ".git", ".git/hooks/post-commit", "a/.git/config", ".GIT/x", ".Git", "git~1/x", "GIT~1", ".git./x", ".git /x",
        ".dvc", ".dvc/config", "sub/.DVC/tmp", ".hg/x",
    ],
)  # fmt: skip
def test_refused(path: str) -> None:
    with pytest.raises(UnsafePath):
        components(path)


@pytest.mark.parametrize(
    "path", ["a", "a/b", ".gitignore", ".github/x", "git", "dvc", "x.dvc", ".d", "a b/#c", "..a", "a.."]
)
def test_allowed(path: str) -> None:
    assert components(path) == path.split("/")


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    return Root(str(tmp_path / "root"))


def test_symlinked_folders_are_not_followed(tmp_path: Path, root: Root) -> None:
    (tmp_path / "root/link").symlink_to(tmp_path / "outside")
    (tmp_path / "root/deep").mkdir()
    (tmp_path / "root/deep/link").symlink_to("../../outside")
    (tmp_path / "new").write_text("new")
    for path in ("link/x", "deep/link/x", "deep/link/y/z"):
        with pytest.raises(UnsafePath, match="is a symlink"):
            root.put(str(tmp_path / "new"), path)
        with pytest.raises(UnsafePath, match="is a symlink"):
            root.unlink(path)
    assert os.listdir(tmp_path / "outside") == []
    root.put(str(tmp_path / "new"), "link")
    assert (tmp_path / "root/link").read_text() == "new", "the link itself is replaced"
    assert os.listdir(tmp_path / "outside") == []


def test_absolute_and_odd_paths_are_refused_when_their_folder_is_open(tmp_path: Path, root: Root) -> None:
    root.mkdir("a/b")
    assert root.lstat("a") and root.lstat("a/b")
    for path in ("/etc", "//etc", "a//b", "a/..", "a/.git", "", "a/"):
        with pytest.raises(UnsafePath):
            root.lstat(path)


def test_a_file_is_no_folder(tmp_path: Path, root: Root) -> None:
    (tmp_path / "root/file").write_text("x")
    (tmp_path / "new").write_text("new")
    with pytest.raises(UnsafePath, match="is a file"):
        root.put(str(tmp_path / "new"), "file/x")
    with pytest.raises(UnsafePath, match="is a file"):
        root.lstat("file/x")
    assert root.lstat("none/x") is None


def test_put_take_and_remove(tmp_path: Path, root: Root) -> None:
    (tmp_path / "new").write_text("1")
    root.put(str(tmp_path / "new"), "a/b/c")
    assert (tmp_path / "root/a/b/c").read_text() == "1"
    assert root.take("a/b", str(tmp_path / "taken"))
    assert (tmp_path / "taken/c").read_text() == "1"
    assert not root.take("a/b", str(tmp_path / "again"))
    root.put(str(tmp_path / "taken"), "a/b")
    assert (tmp_path / "root/a/b/c").read_text() == "1", "handles of a folder that was moved are not used again"
    assert not root.rmdir("a/b")
    root.unlink("a/b/c")
    root.unlink("a/b/c")
    assert root.rmdir("a/b")
    assert root.rmdir("a/b")


def test_put_replaces_an_empty_folder_only(tmp_path: Path, root: Root) -> None:
    (tmp_path / "new").write_text("1")
    (tmp_path / "root/empty").mkdir()
    (tmp_path / "root/full").mkdir()
    (tmp_path / "root/full/x").touch()
    with pytest.raises(OSError, match="not empty"):
        root.put(str(tmp_path / "new"), "full")
    root.put(str(tmp_path / "new"), "empty")
    assert (tmp_path / "root/empty").read_text() == "1"


def test_atomic_write_keeps_the_mode_and_never_writes_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "file"
    atomic_write(str(target), b"1")
    target.chmod(0o640)
    atomic_write(str(target), b"2")
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"2", 0o640)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "link").symlink_to(secret)
    atomic_write(str(tmp_path / "link"), b"3")
    assert (secret.read_text(), (tmp_path / "link").is_symlink()) == ("secret", False)
    with pytest.raises(SystemFailure, match="nowhere"):
        atomic_write(str(tmp_path / "nowhere/file"), b"4")
    assert sorted(os.listdir(tmp_path)) == ["file", "link", "secret"]


def test_moved_aside_and_back(tmp_path: Path, root: Root) -> None:
    scratch = Scratch(str(tmp_path / "tmp"), root)
    (tmp_path / "root/out").mkdir()
    (tmp_path / "root/out/old").write_text("old")
    assert scratch.move_aside("out")
    assert not scratch.move_aside("none")
    (tmp_path / "root/out").write_text("what a command wrote")
    assert [*scratch.restore(str(tmp_path / "kept"))] == ["out"]
    assert (tmp_path / "root/out/old").read_text() == "old"
    assert (tmp_path / "kept/out").read_text() == "what a command wrote"
    scratch.close()
    assert os.listdir(tmp_path / "tmp") == []


CRASH = """
import os, sys
from gitstage.fs import Root, Scratch
scratch = Scratch(sys.argv[1] + "/tmp", Root(sys.argv[1] + "/root"))
scratch.move_aside("out")
open(sys.argv[1] + "/root/out", "w").write("half")
if sys.argv[2] == "settled":
    scratch.settle()
if sys.argv[2] == "child":
    import subprocess
    child = subprocess.Popen(["sleep", "30"], pass_fds=[scratch.handle], stdout=subprocess.DEVNULL)
    open(sys.argv[1] + "/child", "w").write(str(child.pid))
print("ready", flush=True)
os.kill(os.getpid(), 9)
"""


def crash(tmp_path: Path, how: str) -> None:
    (tmp_path / "root/out").write_text("old")
    got = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path), how], stdout=subprocess.PIPE, text=True)
    assert (got.stdout, got.returncode) == ("ready\n", -signal.SIGKILL)


def test_after_a_crash_the_next_one_brings_it_back(tmp_path: Path, root: Root) -> None:
    crash(tmp_path, "crash")
    assert Scratch(str(tmp_path / "tmp"), root).sweep(str(tmp_path / "kept")) == ["out"]
    assert (tmp_path / "root/out").read_text() == "old"
    assert (tmp_path / "kept/out").read_text() == "half"
    assert os.listdir(tmp_path / "tmp") == []


def test_what_was_settled_before_a_crash_stays(tmp_path: Path, root: Root) -> None:
    crash(tmp_path, "settled")
    assert Scratch(str(tmp_path / "tmp"), root).sweep(str(tmp_path / "kept")) == []
    assert (tmp_path / "root/out").read_text() == "half"
    assert os.listdir(tmp_path / "tmp") == []


def test_a_command_that_outlives_us_keeps_its_outputs(tmp_path: Path, root: Root) -> None:
    crash(tmp_path, "child")
    child = int((tmp_path / "child").read_text())
    try:
        other = Scratch(str(tmp_path / "tmp"), root)
        assert other.sweep(str(tmp_path / "kept")) == []
        assert list(other.held_elsewhere()) == ["out"]
    finally:
        os.kill(child, signal.SIGKILL)
    for _ in range(500):
        if Scratch(str(tmp_path / "tmp"), root).sweep(str(tmp_path / "kept")):
            break
        time.sleep(0.01)
    assert (tmp_path / "root/out").read_text() == "old"

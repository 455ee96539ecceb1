"""What docs/crash-safety.md says of crashes, one promise after the other; the matrix (test_matrix.py) plays them all."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Repo, conflict, md5, wait_until

from gitstage import cache as cache_module
from gitstage import fs
from gitstage.cache import Cache
from gitstage.digest import Digest
from gitstage.errors import SystemFailure
from gitstage.fs import Root, Scratch, atomic_write
from gitstage.memo import Memo
from gitstage.processes import is_running
from gitstage.project import Project


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    """Of a process that works in `tmp_path`/tree."""
    (tmp_path / "tree").mkdir()
    return Scratch(str(tmp_path / "scratch"), Root(str(tmp_path / "tree")))


def died(scratch: Scratch) -> None:
    """The owner dies: its lock goes, its folder stays."""
    assert scratch._alive is not None
    os.close(scratch._alive)


def swept(scratch: Scratch, tmp_path: Path) -> list[str]:
    """What the next command finds."""
    return Scratch(scratch.parent, scratch.root).sweep(str(tmp_path / "kept"))


def test_outputs_that_cannot_return_wait_for_the_next_command(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree/out").write_text("mine")
    scratch.move_aside("out")
    with monkeypatch.context() as disk:
        disk.setattr(os, "replace", refuse)
        with pytest.raises(OSError, match="No space"):
            scratch.restore(str(tmp_path / "kept"))
        scratch.close()
    assert swept(scratch, tmp_path) == ["out"]
    assert (tmp_path / "tree/out").read_text() == "mine"
    assert os.listdir(scratch.parent) == []


def refuse(*args: object, **kwargs: object) -> None:
    raise OSError(28, "No space left on device")


def change_all(scratch: Scratch, tmp_path: Path) -> Iterator[None]:
    """Move `out` away and `data` to `new`; write, change and delete metadata. Yields when each is done."""
    tree = tmp_path / "tree"
    fs.use_scratch(scratch)
    scratch.move_aside("out")
    yield
    scratch.about_to_make("new", "data")
    os.rename(tree / "data", tree / "new")
    yield
    for name, data in (("made.dvc", b"made"), ("dvc.yaml", b"new"), ("dvc.yaml", b"newer")):
        atomic_write(str(tree / name), data)
        yield
    fs.about_to_change(str(tree / "gone.dvc"), None)
    os.unlink(tree / "gone.dvc")
    yield
    fs.use_scratch(None)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


BEFORE = {"out": "out", "data": "data", "dvc.yaml": "old", "gone.dvc": "gone"}


@pytest.mark.parametrize("how", ["fails", "dies", "dies after the end", "is done"])
def test_all_or_nothing(scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    tree = tmp_path / "tree"
    for name, text in BEFORE.items():
        (tree / name).write_text(text)
    kept = f"{scratch.parent}/kept"
    whole = scratch.whole(kept)
    whole.__enter__()
    for _ in change_all(scratch, tmp_path):
        pass
    scratch.keep("out", f"{kept}/verb")
    scratch.forget()
    if how == "fails":
        error = SystemFailure("the disk is gone")
        assert not whole.__exit__(type(error), error, None)
    elif how == "is done":
        whole.__exit__(None, None, None)
    elif how == "dies after the end":
        with monkeypatch.context() as disk:  # the journal is written, but what it says cannot be done yet
            disk.setattr(fs, "_keep", refuse)
            whole.__exit__(None, None, None)
    if how.startswith("dies"):
        died(scratch)
        Scratch(scratch.parent, scratch.root).sweep(kept)
    else:
        scratch.close()
    if how in ("fails", "dies"):
        assert contents(tree) == BEFORE
    else:
        assert contents(tree) == {"new": "data", "made.dvc": "made", "dvc.yaml": "newer"}
        assert Path(kept, "verb/out").read_text() == "out"
    assert [name for name in os.listdir(scratch.parent) if name != "kept"] == []


@pytest.mark.parametrize("step", range(6))
def test_nothing_is_done_before_it_is_written_down(scratch: Scratch, tmp_path: Path, step: int) -> None:
    for name, text in BEFORE.items():
        (tmp_path / "tree" / name).write_text(text)
    whole = scratch.whole(str(tmp_path / "kept"))
    whole.__enter__()
    for _ in itertools.islice(change_all(scratch, tmp_path), step + 1):
        pass
    assert contents(tmp_path / "tree") != BEFORE
    fs.use_scratch(None)
    died(scratch)
    swept(scratch, tmp_path)
    assert contents(tmp_path / "tree") == BEFORE


def test_what_the_user_changed_after_the_crash_is_not_taken_back(scratch: Scratch, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name, text in BEFORE.items():
        (tree / name).write_text(text)
    whole = scratch.whole(str(tmp_path / "kept"))
    whole.__enter__()
    for _ in change_all(scratch, tmp_path):
        pass
    died(scratch)
    (tree / "dvc.yaml").write_text("edited")
    swept(scratch, tmp_path)
    assert contents(tree) == BEFORE | {"dvc.yaml": "edited"}


def test_a_journal_that_a_power_failure_emptied(scratch: Scratch, tmp_path: Path) -> None:
    (tmp_path / "tree/out").write_text("mine")
    scratch.move_aside("out")
    (Path(scratch.folder) / "moved").write_text("")
    died(scratch)
    swept(scratch, tmp_path)
    (kept,) = (tmp_path / "kept").rglob("*/*")
    assert kept.read_text() == "mine"


def test_what_is_kept_replaces_nothing(scratch: Scratch, tmp_path: Path) -> None:
    for text in ("first", "second"):
        (tmp_path / "tree/out").write_text(text)
        scratch.move_aside("out")
        scratch.keep("out", str(tmp_path / "kept"))
        scratch.forget()
    assert sorted(path.read_text() for path in tmp_path.glob("kept/out*")) == ["first", "second"]


def test_removing_what_is_protected_leaves_other_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the object that a file is a link to, and of the folder around; also if something else is wrong."""
    tmp_path.chmod(0o755)
    for error in (PermissionError(13, "Permission denied"), OSError(24, "Too many open files")):
        (tmp_path / "object").write_text("o")
        (tmp_path / "object").chmod(0o444)
        (tmp_path / "out/sub").mkdir(parents=True)
        (tmp_path / "out").chmod(0o555)
        os.link(tmp_path / "object", tmp_path / "out/f")
        real, refused = os.unlink, [error]

        def unlink(*args: Any, real: Any = real, refused: list[OSError] = refused, **more: Any) -> None:
            if refused:
                raise refused.pop()
            real(*args, **more)

        with monkeypatch.context() as system:
            system.setattr(os, "unlink", unlink)
            if error.errno == 13:
                fs._remove_tree(str(tmp_path / "out"))
            else:
                with pytest.raises(OSError, match="Too many"):
                    fs._remove_tree(str(tmp_path / "out"))
        assert (tmp_path / "out").exists() == (error.errno == 24)
        assert (tmp_path / "object").stat().st_mode & 0o777 == 0o444
        assert tmp_path.stat().st_mode & 0o777 == 0o755
        (tmp_path / "object").unlink()


def test_a_zombie_does_not_live() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    assert is_running(os.getpid())
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, but nobody has asked
    assert not is_running(child.pid)
    child.wait()
    assert not is_running(child.pid)


def test_what_cannot_be_looked_at_is_not_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_text("f")
    assert fs.is_file(str(tmp_path / "f")) and fs.is_dir(str(tmp_path)) and fs.exists(str(tmp_path / "f"))
    assert not fs.exists(str(tmp_path / "f/below")) and not fs.exists(str(tmp_path / "none"))
    monkeypatch.setattr(os, "stat", broken)
    for ask in (fs.exists, fs.is_file, fs.is_dir):
        with pytest.raises(OSError, match="Input/output"):
            ask(str(tmp_path / "f"))


def broken(*args: object, **kwargs: object) -> None:
    raise OSError(5, "Input/output error")


# -- power failures ------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, scratch: Scratch) -> Cache:
    return Cache(str(tmp_path / "cache"), types=("copy",), memo=Memo(None), scratch=scratch)


def stored(cache: Cache, tmp_path: Path, text: str) -> Digest:
    path = tmp_path / "source"
    path.write_text(text)
    return cache.add_file(str(path), path.stat())


def test_an_empty_object_is_not_believed(cache: Cache, tmp_path: Path) -> None:
    digest, nothing = stored(cache, tmp_path, "text"), stored(cache, tmp_path, "")
    os.chmod(cache.path(digest), 0o644)
    os.truncate(cache.path(digest), 0)
    os.chmod(cache.path(digest), 0o444)
    assert cache.has(nothing)
    assert not cache.has(digest)
    assert not os.path.exists(cache.path(digest))


def test_after_a_start_of_the_machine_the_last_objects_are_read_first(cache: Cache, tmp_path: Path) -> None:
    good, bad = stored(cache, tmp_path, "good"), stored(cache, tmp_path, "bad one")
    os.chmod(cache.path(bad), 0o644)
    Path(cache.path(bad)).write_text("bad two")
    os.chmod(cache.path(bad), 0o444)
    assert cache.has(bad)  # its mode says so
    later = time.time_ns() + 1_000_000_000
    cache.unprotect_last(later, later - 500_000_000)  # nothing was written since
    assert cache.has(bad)
    cache.unprotect_last(later, 0)
    assert cache.has(good)
    assert os.stat(cache.path(good)).st_mode & 0o777 == 0o444
    assert not cache.has(bad)


def test_objects_are_forced_out_before_other_copies_go(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = stored(cache, tmp_path, "text")
    forced: list[str] = []
    monkeypatch.setattr(cache_module, "force_out", forced.extend)
    cache.settle([digest])
    assert forced == [cache.path(digest)]
    cache.settle()
    assert forced == [cache.path(digest)] * 2
    forced.clear()
    monkeypatch.setattr(cache_module, "_WRITTEN_BACK", 0)
    cache.settle()
    cache.settle([digest])
    assert forced == []


def test_an_object_that_is_relied_on_looks_young(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the `gc` of another project with the same cache spares it."""
    monkeypatch.setattr(cache_module, "_LONG_AGO", 0)
    digest = stored(cache, tmp_path, "text")
    before = os.stat(cache.path(digest)).st_ctime_ns
    time.sleep(0.02)
    stored(cache, tmp_path, "text")
    assert os.stat(cache.path(digest)).st_ctime_ns == before
    cache._others_use = True
    stored(cache, tmp_path, "text")
    assert os.stat(cache.path(digest)).st_ctime_ns > before


def test_the_first_command_after_a_start(ran: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    note = ran.path / ".git/gitstage/boot"
    ran.stage("status", check=True)
    os.utime(note, (1, 1))  # of an earlier start
    ran.stage("status", check=True)
    assert note.stat().st_mtime > 1
    digest = Digest.parse(md5("one\n"))
    damaged = ran.object(digest.hex)
    damaged.chmod(0o644)
    damaged.write_text("two\n")
    damaged.chmod(0o444)
    monkeypatch.setattr(fs, "booted_at", lambda: time.time_ns() + 1_000_000_000)
    with Project(str(ran.path)) as project:
        assert project.cache.has(digest)  # its mode says so
        os.utime(note, (1, 1))
        project.sweep()
        assert not project.cache.has(digest)


# -- commands that died ----------------------------------------------------------------------------------------------


def test_init_can_be_repeated(repo: Repo) -> None:
    repo.stage("init", "--no-hooks", check=True)
    whole = repo.tree()
    assert repo.stage("init", "--no-hooks").returncode == 1
    repo.git("rm", "-q", "--cached", "-r", ".")
    for gone in ([], [".dvc/.gitignore"], [".dvc/.gitignore", ".dvc/config"]):
        repo.remove(".dvc/tmp", *gone)
        repo.stage("init", "--no-hooks", check=True)
        assert repo.tree() == whole
        assert ".dvc/config" in repo.git("ls-files")
        repo.git("rm", "-q", "--cached", "-r", ".")
    repo.remove(".dvc/tmp")
    repo.write({".dvc/config": "[core]\n    remote = r\n"})  # somebody has worked with it
    assert repo.stage("init", "--no-hooks").returncode == 1


def test_a_clone_for_imports_that_was_half_made(ran: Repo, tmp_path: Path) -> None:
    other = Repo(tmp_path / "origin", ran.env)
    other.path.mkdir()
    other.git("init", "-q", "-b", "main")
    other.write({"f": "f\n"})
    other.commit()
    ran.stage("import", "-q", "../origin", "f", check=True)
    (clone,) = (ran.path / ".git/gitstage/clones").iterdir()
    assert clone.suffix != ".tmp"
    for name in ("f", "f.dvc"):
        ran.remove(name)
    shutil.rmtree(clone)
    half = clone.with_name(f"{clone.name}.0a0b0c0d.tmp")
    half.mkdir()
    (half / "HEAD").write_text("ref: refs/heads/main\n")
    ran.stage("import", "-q", "../origin", "f", check=True)


def test_resolve_that_died_before_it_staged(ran: Repo) -> None:
    conflict(ran, ran.read("dvc.yaml"), "  u:\n    cmd: echo u\n", "  v:\n    cmd: echo v\n")
    index = (ran.path / ".git/index").read_bytes()
    ran.stage("resolve", check=True)
    merged = ran.read("dvc.yaml")
    (ran.path / ".git/index").write_bytes(index)
    ran.stage("resolve", check=True)
    assert ran.read("dvc.yaml") == merged
    assert ran.git("ls-files", "-u") == ""


def test_autostage_catches_up(ran: Repo) -> None:
    ran.stage("config", "core.autostage", "true", check=True)
    ran.write({"data": "changed\n", "new": "new\n"})
    ran.stage("add", "data", "new", check=True)
    ran.git("reset", "-q")  # as if it had died before it staged
    ran.stage("add", "data", "new", check=True)
    assert ran.git("diff", "--name-only") == ".dvc/config\n"
    assert ran.git("diff", "--name-only", "--cached") == ".gitignore\ndata.dvc\nnew.dvc\n"


def test_a_repository_that_cannot_be_read_is_not_taken_for_none(ran: Repo) -> None:
    (ran.path / ".git/HEAD").write_text("")
    got = ran.stage("add", "data")
    assert got.returncode == 7
    assert "not a git repository" in got.stderr
    assert not ran.exists(".dvc/tmp/gitstage/memo.db")


def test_a_lock_of_a_killed_command_is_free(ran: Repo, tmp_path: Path) -> None:
    ran.write({"dvc.yaml": ran.read("dvc.yaml").replace("cp src out", "touch ../started; sleep 60"), "src": "two\n"})
    running = ran.start("git-stage", "repro", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: (tmp_path / "started").exists())
    os.killpg(running.pid, signal.SIGKILL)
    # nobody asks how it ended: it stays a zombie
    os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
    ran.write({"dvc.yaml": ran.read("dvc.yaml").replace("touch ../started; sleep 60", "cp src out")})
    ran.stage("repro", check=True)
    assert ran.read("out") == "two\n"
    running.wait()

"""The project's lock and the list of path locks, among processes of our own."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitstage import locks
from gitstage.errors import Busy, FormatError, SystemFailure
from gitstage.locks import PathLocks, RepoLock

HOLD_LOCK = """
import sys
from gitstage.locks import RepoLock
with RepoLock(sys.argv[1], hardlink_lock=sys.argv[2] == "True"):
    print("held", flush=True)
    sys.stdin.read()
"""
HOLD_PATHS = """
import sys
from gitstage.locks import PathLocks
kind, path = sys.argv[2:]
with PathLocks(sys.argv[1], "/project").hold(**{kind: [path]}, command="train.py"):
    print("held", flush=True)
    sys.stdin.read()
"""

Holder = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Holder]:
    """Start a script that holds something until its stdin is closed; returns once it holds it."""
    running = []

    def started(script: str, *argv: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, argv)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(locks.__file__).parent.parent)},
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield started
    for process in running:
        process.kill()
        process.communicate()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.mark.parametrize("hardlink", [False, True])
class TestRepoLock:
    def test_one_holder_at_a_time(self, tmp_path: Path, start: Holder, hardlink: bool) -> None:
        other = start(HOLD_LOCK, tmp_path / "tmp", hardlink)
        lock = RepoLock(str(tmp_path / "tmp"), timeout=0.05, hardlink_lock=hardlink)
        with pytest.raises(Busy) as caught:
            lock.acquire()
        assert not lock.held
        assert caught.value.exit_code == 8
        if not hardlink:
            assert f"process {other.pid} (" in str(caught.value)
        other.communicate("")
        with lock:
            assert lock.held
        assert not lock.held

    def test_waits_until_it_is_free(self, tmp_path: Path, hardlink: bool) -> None:
        first = RepoLock(str(tmp_path), hardlink_lock=hardlink)
        first.acquire()
        released: list[bool] = []

        def release() -> None:
            released.append(True)
            first.release()

        threading.Timer(0.2, release).start()
        with RepoLock(str(tmp_path), hardlink_lock=hardlink):
            assert released

    def test_is_free_between_release_and_acquire(self, tmp_path: Path, hardlink: bool) -> None:
        lock = RepoLock(str(tmp_path), timeout=0, hardlink_lock=hardlink)
        other = RepoLock(str(tmp_path), timeout=0, hardlink_lock=hardlink)
        with lock:
            lock.release()
            with other, pytest.raises(Busy):
                lock.acquire()
            lock.acquire()
            with pytest.raises(Busy):
                other.acquire()

    def test_makes_the_folder_and_leaves_the_rest_alone(self, tmp_path: Path, hardlink: bool) -> None:
        with RepoLock(str(tmp_path / "a/tmp"), hardlink_lock=hardlink):
            assert (tmp_path / "a/tmp/lock").is_file()
        (tmp_path / "a/tmp/btime").touch()
        os.utime(tmp_path / "a/tmp/btime", (1, 1))
        with RepoLock(str(tmp_path / "a/tmp"), hardlink_lock=hardlink):
            pass
        assert (tmp_path / "a/tmp/btime").stat().st_mtime == 1
        assert {path.name for path in (tmp_path / "a/tmp").iterdir()} == {"btime"} | (set() if hardlink else {"lock"})

    def test_tells_once_who_is_waited_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardlink: bool
    ) -> None:
        monkeypatch.setattr(locks, "_SAY_AFTER", 0.05)
        said: list[str] = []
        with (
            RepoLock(str(tmp_path), hardlink_lock=hardlink),
            pytest.raises(Busy),
            RepoLock(str(tmp_path), timeout=0.4, on_wait=said.append, hardlink_lock=hardlink),
        ):
            pass
        assert len(said) == 1
        assert said[0].startswith("another process" if hardlink else f"process {os.getpid()}")

    def test_a_read_only_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardlink: bool) -> None:
        def refuse(*args: object, **kwargs: object) -> int:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(SystemFailure, match="lock: Read-only file system"):
            RepoLock(str(tmp_path), hardlink_lock=hardlink).acquire()
        with RepoLock(str(tmp_path), optional=True, hardlink_lock=hardlink) as lock:
            assert not lock.held

    def test_optional_does_not_hide_other_failures(self, tmp_path: Path, hardlink: bool) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(SystemFailure):
            RepoLock(str(tmp_path / "file/tmp"), optional=True, hardlink_lock=hardlink).acquire()

    def test_optional_still_waits_for_others(self, tmp_path: Path, hardlink: bool) -> None:
        with RepoLock(str(tmp_path), hardlink_lock=hardlink), pytest.raises(Busy):
            RepoLock(str(tmp_path), timeout=0, optional=True, hardlink_lock=hardlink).acquire()


def test_a_killed_holder_is_no_holder(tmp_path: Path, start: Holder) -> None:
    kill(start(HOLD_LOCK, tmp_path, False))
    with RepoLock(str(tmp_path), timeout=0):
        assert (tmp_path / "lock").read_text() == f" {os.getpid()}\n"


def test_a_longer_content_is_cut(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(" 12345678901234567890\n")
    with RepoLock(str(tmp_path)):
        assert (tmp_path / "lock").read_text() == f" {os.getpid()}\n"


def test_started_programs_do_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = RepoLock(str(tmp_path), timeout=0)
    lock.acquire()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as child:
        lock.release()
        with lock:
            pass
        child.communicate(b"\n")


def test_a_hard_link_lock_has_dvcs_form(tmp_path: Path) -> None:
    with RepoLock(str(tmp_path), hardlink_lock=True):
        (claim,) = set(tmp_path.iterdir()) - {tmp_path / "lock"}
        assert len(claim.name) == 32 + len(".lock")
        assert claim.samefile(tmp_path / "lock")
        assert claim.read_text() == str(claim)
        assert claim.stat().st_mtime > time.time() + 300 * 24 * 3600


def test_a_hard_link_lock_ends_with_its_lifetime(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    os.utime(tmp_path / "lock", (time.time() + 100, time.time() + 100))
    with pytest.raises(Busy, match="another process"):
        RepoLock(str(tmp_path), timeout=0.1, hardlink_lock=True).acquire()
    os.utime(tmp_path / "lock", (time.time() - 100, time.time() - 100))
    with RepoLock(str(tmp_path), timeout=1, hardlink_lock=True) as lock:
        assert lock.held


def test_a_program_is_named_without_its_interpreter(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("print('started', flush=True); input()")
    argv = [sys.executable, str(tmp_path / "train"), "a b", "x" * 100]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert locks.describe(child.pid) == f"process {child.pid} (train a b {'x' * 67}...)"
        child.communicate(b"\n")
    assert locks.describe(child.pid) == f"process {child.pid}"


class TestPathLocks:
    @pytest.mark.parametrize(
        ("theirs", "their_path", "ours", "our_path", "conflict"),
        [
            ("write", "/p/a", "write", "/p/a", True),
            ("write", "/p/a", "read", "/p/a", True),
            ("read", "/p/a", "write", "/p/a", True),
            ("read", "/p/a", "read", "/p/a", False),
            ("write", "/p/a", "read", "/p/a/b", True),
            ("write", "/p/a/b", "read", "/p/a", True),
            ("read", "/p/a/b", "write", "/p", True),
            ("write", "/", "read", "/p", True),
            ("write", "/p/a", "write", "/p/ab", False),
            ("write", "/p/a", "read", "/p/b", False),
        ],
    )
    def test_who_excludes_whom(
        self, tmp_path: Path, start: Holder, theirs: str, their_path: str, ours: str, our_path: str, conflict: bool
    ) -> None:
        other = start(HOLD_PATHS, tmp_path, theirs, their_path)
        mine = PathLocks(str(tmp_path), "/p").hold(
            read=[our_path] if ours == "read" else [], write=[our_path] if ours == "write" else [], command="me"
        )
        if not conflict:
            with mine:
                return
        before = (tmp_path / "rwlock").read_text()
        with pytest.raises(Busy) as caught, mine:
            pass
        assert str(caught.value).endswith(f" is in use by process {other.pid} (train.py)")
        assert json.loads((tmp_path / "rwlock").read_text()) == json.loads(before)

    def test_the_message_names_the_path_below_the_root(self, tmp_path: Path, start: Holder) -> None:
        start(HOLD_PATHS, tmp_path, "write", "/project/data/out")
        with (
            pytest.raises(Busy, match=r"^data/out is in use by"),
            PathLocks(str(tmp_path), "/project").hold(read=["/project/data/out"], command="me"),
        ):
            pass

    def test_entries_have_dvcs_form_and_go(self, tmp_path: Path) -> None:
        mine = {"pid": os.getpid(), "cmd": "me"}
        with PathLocks(str(tmp_path), "/p").hold(read=["/p/d", "/p/d"], write=["/p/o"], command="me"):
            assert json.loads((tmp_path / "rwlock").read_text()) == {"write": {"/p/o": mine}, "read": {"/p/d": [mine]}}
        assert json.loads((tmp_path / "rwlock").read_text()) == {"write": {}, "read": {}}
        assert {path.name for path in tmp_path.iterdir()} == {"rwlock", "rwlock.lock"}

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
    def test_entries_go_when_the_block_fails(self, tmp_path: Path, error: type[BaseException]) -> None:
        with pytest.raises(error), PathLocks(str(tmp_path), "/p").hold(write=["/p/o"], command="me"):
            raise error
        assert json.loads((tmp_path / "rwlock").read_text()) == {"write": {}, "read": {}}

    def test_others_entries_stay(self, tmp_path: Path, start: Holder) -> None:
        other = start(HOLD_PATHS, tmp_path, "read", "/p/d")
        with PathLocks(str(tmp_path), "/p").hold(read=["/p/d"], command="me"):
            pids = [entry["pid"] for entry in json.loads((tmp_path / "rwlock").read_text())["read"]["/p/d"]]
            assert pids == [other.pid, os.getpid()]
        pids = [entry["pid"] for entry in json.loads((tmp_path / "rwlock").read_text())["read"]["/p/d"]]
        assert pids == [other.pid]

    def test_two_threads_that_read_one_path(self, tmp_path: Path) -> None:
        paths = PathLocks(str(tmp_path), "/p")
        with paths.hold(read=["/p/d"], command="me"):
            with paths.hold(read=["/p/d"], command="me"):
                pass
            assert "/p/d" in json.loads((tmp_path / "rwlock").read_text())["read"]
        assert json.loads((tmp_path / "rwlock").read_text())["read"] == {}

    def test_this_process_does_not_exclude_itself(self, tmp_path: Path) -> None:
        paths = PathLocks(str(tmp_path), "/p")
        with paths.hold(write=["/p/o"], command="me"), paths.hold(read=["/p/o"], write=["/p"], command="other"):
            assert set(json.loads((tmp_path / "rwlock").read_text())["write"]) == {"/p/o", "/p"}

    def test_the_dead_hold_nothing(self, tmp_path: Path, start: Holder) -> None:
        for kind in ("read", "write"):
            kill(start(HOLD_PATHS, tmp_path, kind, "/p/o"))
        assert "/p/o" in (tmp_path / "rwlock").read_text()
        with PathLocks(str(tmp_path), "/p").hold(write=["/p/o"], command="me"):
            assert json.loads((tmp_path / "rwlock").read_text())["read"] == {}

    @pytest.mark.parametrize("pid", [0, -1, 2**70])
    def test_impossible_pids_are_dead(self, tmp_path: Path, pid: int) -> None:
        (tmp_path / "rwlock").write_text(json.dumps({"write": {"/p/o": {"pid": pid, "cmd": "x"}}}))
        with PathLocks(str(tmp_path), "/p").hold(write=["/p/o"], command="me"):
            pass

    def test_waits_for_the_other(self, tmp_path: Path, start: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(locks, "_SAY_AFTER", 0.05)
        other = start(HOLD_PATHS, tmp_path, "write", "/p/o")
        said: list[str] = []
        ends = threading.Timer(0.5, other.communicate, [""])
        ends.start()
        with PathLocks(str(tmp_path), "/p").hold(read=["/p/o"], command="me", timeout=20, on_wait=said.append):
            assert said == [f"process {other.pid} (train.py)"]
        ends.join()

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", '{"write": []}', '{"write": {"/p": {}}}', '{"read": {"/p": {"pid": 1}}}', '{"read": 1}']
    )
    def test_a_damaged_file_is_named(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "rwlock").write_text(text)
        with (
            pytest.raises(FormatError, match="rwlock: damaged") as caught,
            PathLocks(str(tmp_path), "/p").hold(write=["/p/o"], command="me"),
        ):
            pass
        assert caught.value.hint
        assert (tmp_path / "rwlock").read_text() == text

    @pytest.mark.parametrize("text", ["{}", '{"write": {}}', '{"read": {}}'])
    def test_either_key_may_be_missing(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "rwlock").write_text(text)
        with PathLocks(str(tmp_path), "/p").hold(read=["/p/d"], write=["/p/o"], command="me"):
            assert set(json.loads((tmp_path / "rwlock").read_text())["write"]) == {"/p/o"}

    def test_nothing_to_lock_writes_nothing(self, tmp_path: Path) -> None:
        with PathLocks(str(tmp_path / "tmp"), "/p").hold(command="me"):
            assert not (tmp_path / "tmp").exists()

    def test_a_read_only_folder(self, tmp_path: Path, start: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
        start(HOLD_PATHS, tmp_path, "write", "/p/o")
        before = (tmp_path / "rwlock").stat().st_ino

        def refuse(*args: object, **kwargs: object) -> int:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(os, "open", refuse)
        paths = PathLocks(str(tmp_path), "/p")
        with pytest.raises(SystemFailure), paths.hold(read=["/p/d"], command="me"):
            pass
        with paths.hold(read=["/p/d"], command="me", optional=True):
            assert (tmp_path / "rwlock").stat().st_ino == before
        with pytest.raises(Busy), paths.hold(read=["/p/o"], command="me", optional=True):
            pass

    def test_many_processes_lose_no_entry(self, tmp_path: Path, start: Holder) -> None:
        script = """
import sys
from gitstage.locks import PathLocks
paths = PathLocks(sys.argv[1], "/p")
print("held", flush=True)
for _ in range(30):
    with paths.hold(read=["/p/d"], write=["/p/" + sys.argv[2]], command="x"):
        pass
"""
        with PathLocks(str(tmp_path), "/p").hold(write=["/p/mine"], command="me"):
            running = [start(script, tmp_path, number) for number in range(4)]
            assert [process.wait() for process in running] == [0, 0, 0, 0]
            table = json.loads((tmp_path / "rwlock").read_text())
            assert (set(table["write"]), table["read"]) == ({"/p/mine"}, {})


@pytest.mark.parametrize("hard", [False, True])
def test_a_link_in_the_place_of_a_lock_is_not_written_through(tmp_path: Path, hard: bool) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "mine").write_text("precious\n")
    os.utime(tmp_path / "mine", (time.time() + 1000,) * 2)
    for target in ("mine", "new"):
        link = tmp_path / "tmp/lock"
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / target)
        with pytest.raises((SystemFailure, Busy)), RepoLock(str(tmp_path / "tmp"), timeout=0, hardlink_lock=hard):
            pass
    assert (tmp_path / "mine").read_text() == "precious\n"
    assert not (tmp_path / "new").exists()

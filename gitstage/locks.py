"""Locks that keep this program and DVC out of each other's way; both see the other's.

`.dvc/tmp/lock` is held while the project's files are read and written, and released while a stage's command runs.
`.dvc/tmp/rwlock` lists who reads and writes which path, and stays while the command runs. Both are of DVC's making:
neither knows processes on another machine or in another container.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from _thread import allocate_lock, get_ident
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from types import TracebackType

from gitstage.errors import Busy, FormatError, SystemFailure
from gitstage.processes import is_running
from gitstage.static import Any

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_FIRST_POLL = 0.01  # seconds; doubled up to
_LAST_POLL = 0.1
_SAY_AFTER = 2.0  # seconds of waiting before on_wait is called
_LIFETIME = 365 * 24 * 3600  # seconds that DVC gives a hard-link lock; nobody breaks one before
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)  # a link there may have come along with a repository
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


class RepoLock:
    """The project's lock, `lock` in a `.dvc/tmp`, which is made if missing. Not re-entrant; for one thread.

    `hardlink_lock` is the setting core.hardlink_lock: it must be DVC's, as the two protocols do not see each other.
    `optional`: where the folder cannot be written, for one, hold nothing and go on; `held` tells.
    A child made by `os.fork` shares the lock; a program that is started does not.
    """

    def __init__(
        self,
        tmp_dir: str,
        *,
        timeout: float | None = None,
        on_wait: Callable[[str], None] | None = None,
        hardlink_lock: bool = False,
        optional: bool = False,
        name: str = "lock",
    ) -> None:
        """`timeout` in seconds: 0 tries once, None waits for ever.

        `on_wait` is called once, after two seconds, with who has the lock: "process 123 (dvc repro) on build7".
        """
        self.path = os.path.join(tmp_dir, name)
        self._timeout, self._on_wait, self._optional = timeout, on_wait, optional
        self._method: _Flock | _HardLink = _HardLink(self.path) if hardlink_lock else _Flock(self.path)
        self.held = False

    def acquire(self) -> None:
        """Wait for the lock. Raises Busy at the timeout, SystemFailure if the folder cannot be written."""
        assert not self.held, f"{self.path} is held already"
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            if not self._method.take():
                _wait(self._method.take, self._timeout, self._on_wait, self._method.holder, self._refuse)
        except OSError as error:
            if self._optional and error.errno in _READ_ONLY:
                return
            raise _failure(self.path, error) from error
        self.held = True

    def release(self) -> None:
        """Give the lock up, for instance while a command runs; nothing if it is not held."""
        if self.held:
            self.held = False
            self._method.drop()

    def __enter__(self) -> RepoLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def _refuse(self) -> Busy:
        return Busy(f"{self._method.holder()} has locked this project", self._method.hint(self.path))


class _Flock:
    """An exclusive flock(2) on a file that stays; the holder writes " <pid>\\n" into it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def take(self) -> bool:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | _NOFOLLOW, 0o666)
        try:
            if _try_lock(fd):
                with contextlib.suppress(OSError):  # a full disk must not keep anyone from making room
                    size = os.write(fd, f" {os.getpid()}\n".encode())
                    os.ftruncate(fd, size)
                self._fd, fd = fd, -1
        finally:
            if fd >= 0:
                os.close(fd)
        return self._fd >= 0

    def drop(self) -> None:
        fd, self._fd = self._fd, -1
        _unlock(fd)
        os.close(fd)

    def holder(self) -> str:
        try:
            with open(self._path, "rb") as stream:
                pid = int(stream.read(32))
        except (OSError, ValueError):  # Windows does not let us read what is locked
            return "another process"
        if not is_running(
            pid
        ):  # the lock is held, so it lives elsewhere: in another container, or a file system is shared
            return f"process {pid} of another machine"
        return f"{describe(pid)} on {_host()}"

    def hint(self, path: str) -> str:
        return "wait until it is done, or end it"


class _HardLink:
    """A claim file, hard-linked to the lock file: for file systems whose flock(2) does nothing.

    This is what DVC does with core.hardlink_lock, by the flufl.lock library: the claim holds its own path, and its
    mtime is when the lock ends. A process that dies leaves the lock behind.
    """

    def __init__(self, path: str) -> None:
        import hashlib

        owner = f"{os.getpid()}-{get_ident()}-{time.time_ns()}-{id(self)}"
        self._path = os.path.abspath(path)
        self._claim = os.path.join(os.path.dirname(self._path), hashlib.md5(owner.encode()).hexdigest() + ".lock")

    def take(self) -> bool:
        fd = os.open(self._claim, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NOFOLLOW, 0o666)
        taken = False
        try:
            with os.fdopen(fd, "wb") as stream:
                stream.write(os.fsencode(self._claim))
            end = time.time() + _LIFETIME
            os.utime(self._claim, (end, end))
            try:
                os.link(self._claim, self._path)
                taken = True
            except FileExistsError:
                if os.stat(self._path).st_mtime < time.time():
                    os.unlink(self._path)  # its time is over; the next attempt may have it
            except FileNotFoundError:  # its holder removed it between our two calls
                pass
        except FileNotFoundError:
            pass
        finally:
            if not taken:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._claim)
        return taken

    def drop(self) -> None:
        for path in (self._path, self._claim):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def holder(self) -> str:
        return "another process"

    def hint(self, path: str) -> str:
        return f"if no process of DVC or git-stage is running, remove {path}"


class PathLocks:
    """Who reads and writes which paths, in `rwlock` of a `.dvc/tmp`. One object per process; threads may share it.

    Writers of a path exclude readers and writers of it, of what is in it and of what it is in. Entries of the own
    process never conflict: what runs at the same time is decided before.
    """

    def __init__(self, tmp_dir: str, root: str, *, hardlink_lock: bool = False) -> None:
        """`root`: absolute path of the project, for messages; `hardlink_lock` as in `RepoLock`."""
        self._root, self._hardlink_lock = root, hardlink_lock
        self._tmp_dir = tmp_dir
        self._path = os.path.join(tmp_dir, "rwlock")
        self._held: Counter[tuple[str, str, str]] = Counter()  # (kind, path, command): by how many of our threads
        self._mutex = allocate_lock()

    @contextlib.contextmanager
    def hold(
        self,
        *,
        read: Collection[str] = (),
        write: Collection[str] = (),
        command: str,
        timeout: float | None = 0,
        on_wait: Callable[[str], None] | None = None,
        optional: bool = False,
    ) -> Iterator[None]:
        """Note that this process reads and writes these absolute paths, until the block ends, however it ends.

        `command`, what is running, is shown to whom it keeps waiting. `timeout` and `on_wait` as in `RepoLock`;
        `optional`: if the file cannot be written, only look for conflicts. Raises Busy naming path, process and
        command, FormatError if the file is damaged, SystemFailure.
        """
        claims = [("read", path, command) for path in dict.fromkeys(read)]
        claims += [("write", path, command) for path in dict.fromkeys(write)]
        if not claims:
            yield
            return
        conflict: list[tuple[str, int, str]] = []

        def take() -> bool:
            conflict[:] = self._enter(claims, optional)
            return not conflict

        def refuse() -> Busy:
            path, pid, other = conflict[0]
            return Busy(f"{self._shown(path)} is in use by process {pid} ({other})", "wait until it is done, or end it")

        if not take():
            _wait(take, timeout, on_wait, lambda: f"process {conflict[0][1]} ({conflict[0][2]})", refuse)
        try:
            yield
        finally:
            # If this fails, our entry stays until we end; then whoever reads it next drops it.
            with contextlib.suppress(Busy, FormatError, SystemFailure):
                self._leave(claims)

    def _enter(self, claims: list[tuple[str, str, str]], optional: bool) -> list[tuple[str, int, str]]:
        """Add entries for `claims`, unless others conflict: their (path, pid, command)."""
        with self._mutex, self._file_lock(optional) as lock:
            table = self._load()
            conflicts = _conflicts(table, claims)
            if not conflicts:
                for claim in claims:
                    _add(table, *claim)
                if lock.held:
                    self._store(table)
                self._held.update(claims)
            return conflicts

    def _leave(self, claims: list[tuple[str, str, str]]) -> None:
        with self._mutex:
            gone = []
            for claim in claims:
                self._held[claim] -= 1
                if self._held[claim] <= 0:
                    del self._held[claim]
                    gone.append(claim)
            if not gone:
                return
            with self._file_lock(False):
                table = self._load()
                for claim in gone:
                    _remove(table, *claim)
                self._store(table)

    def _file_lock(self, optional: bool) -> RepoLock:
        # DVC holds this one only while it rewrites the file
        return RepoLock(
            self._tmp_dir, timeout=10, hardlink_lock=self._hardlink_lock, optional=optional, name="rwlock.lock"
        )

    def _load(self) -> dict[str, Any]:
        """The entries of living processes."""
        import json

        try:
            with open(self._path, "rb") as stream:
                table = json.load(stream)
            return _living(table)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _failure(self._path, error) from error
        except (ValueError, TypeError, KeyError, AttributeError):
            hint = "if no process of DVC or git-stage is running, remove it"
            raise FormatError(self._path, "damaged list of path locks", hint=hint) from None

    def _store(self, table: dict[str, Any]) -> None:
        import json

        temporary = f"{self._path}.{os.getpid()}.tmp"
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)  # of a process that had our number, and was killed
            with open(temporary, "x", encoding="utf-8") as stream:
                json.dump(table, stream)
            os.replace(temporary, self._path)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            if isinstance(error, OSError):
                raise _failure(self._path, error) from error
            raise

    def _shown(self, path: str) -> str:
        prefix = self._root.rstrip(os.sep) + os.sep
        return path[len(prefix) :] if path.startswith(prefix) else path


# The form of `rwlock`, where either key may be missing:
# {"write": {path: {"pid": n, "cmd": text}}, "read": {path: [{"pid": n, "cmd": text}, ...]}}


def _living(table: Any) -> dict[str, Any]:
    """`table` without the entries of dead processes. Raises TypeError, KeyError, AttributeError on another form."""
    alive: dict[int, bool] = {}

    def is_alive(entry: Any) -> bool:
        pid, _ = int(entry["pid"]), str(entry["cmd"])
        if pid not in alive:
            alive[pid] = is_running(pid)
        return alive[pid]

    write = {path: entry for path, entry in table.get("write", {}).items() if is_alive(entry)}
    read = {}
    for path, entries in table.get("read", {}).items():
        kept = [entry for entry in entries if is_alive(entry)]
        if kept:
            read[path] = kept
    return {"write": write, "read": read}


def _conflicts(table: dict[str, Any], claims: list[tuple[str, str, str]]) -> list[tuple[str, int, str]]:
    own = os.getpid()
    writers = [(path, entry) for path, entry in table.get("write", {}).items() if entry["pid"] != own]
    readers = [
        (path, entry) for path, entries in table.get("read", {}).items() for entry in entries if entry["pid"] != own
    ]
    found = []
    for kind, wanted, _ in claims:
        for path, entry in writers + readers if kind == "write" else writers:
            if _overlap(wanted, path):
                found.append((wanted, entry["pid"], entry["cmd"]))
    return found


def _overlap(a: str, b: str) -> bool:
    return a == b or a.startswith(b.rstrip(os.sep) + os.sep) or b.startswith(a.rstrip(os.sep) + os.sep)


def _add(table: dict[str, Any], kind: str, path: str, command: str) -> None:
    entry = {"pid": os.getpid(), "cmd": command}
    if kind == "write":
        table.setdefault("write", {})[path] = entry
    else:
        entries = table.setdefault("read", {}).setdefault(path, [])
        if entry not in entries:
            entries.append(entry)


def _remove(table: dict[str, Any], kind: str, path: str, command: str) -> None:
    entry = {"pid": os.getpid(), "cmd": command}
    entries = table.get(kind, {})
    if kind == "write":
        if entries.get(path) == entry:
            del entries[path]
    elif entry in entries.get(path, ()):
        entries[path].remove(entry)
        if not entries[path]:
            del entries[path]


def _wait(
    take: Callable[[], bool],
    timeout: float | None,
    on_wait: Callable[[str], None] | None,
    holder: Callable[[], str],
    refusal: Callable[[], Busy],
) -> None:
    """Call `take` until it is true; raise `refusal()` at the timeout. It has failed once already."""
    start = time.monotonic()
    pause = _FIRST_POLL
    while True:
        waited = time.monotonic() - start
        if timeout is not None and waited >= timeout:
            raise refusal()
        if on_wait is not None and waited >= _SAY_AFTER:
            on_wait(holder())
            on_wait = None
        time.sleep(pause if timeout is None else min(pause, timeout - waited))
        pause = min(2 * pause, _LAST_POLL)
        if take():
            return


def _host() -> str:
    import socket

    return socket.gethostname()


def describe(pid: int) -> str:
    """ "process 123 (dvc repro)", without the command if the system does not tell."""
    command = _command(pid)
    return f"process {pid} ({command})" if command else f"process {pid}"


def _command(pid: int) -> str:
    """What process `pid` runs, short: without folder and interpreter of a Python program."""
    words: list[str] = []
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            words = os.fsdecode(stream.read()).rstrip("\0").split("\0")
    except OSError:
        if os.name == "posix":
            import subprocess

            with contextlib.suppress(OSError, subprocess.SubprocessError):
                shown = subprocess.run(
                    ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, timeout=5, check=False
                )
                words = shown.stdout.split()
    if len(words) > 1 and os.path.basename(words[0]).startswith("python") and not words[1].startswith("-"):
        del words[0]
    if words:
        words[0] = os.path.basename(words[0])
    line = " ".join(words).strip()
    return line if len(line) <= 80 else line[:77] + "..."


def _failure(path: str, error: OSError) -> SystemFailure:
    hint = "dvc config core.hardlink_lock true" if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS) else None
    return SystemFailure(f"{path}: {error.strerror or error}", hint)


if sys.platform == "win32":

    def _try_lock(fd: int) -> bool:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # the first byte, as DVC's locks on Windows
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                return False
            raise
        return True

    def _unlock(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:

    def _try_lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)

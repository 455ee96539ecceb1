"""Processes: the end of this one, a short one asked for what it says, and whether another lives."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Mapping, Sequence

from gitstage.static import NamedTuple, NoReturn

if sys.platform == "win32":

    def is_running(pid: int) -> bool:
        """Does the process live?"""
        import ctypes

        # os.kill would end the process. 0x1000: PROCESS_QUERY_LIMITED_INFORMATION; 259: STILL_ACTIVE
        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid)
        if not handle:
            return False
        code = ctypes.c_ulong()
        ctypes.windll.kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
        ctypes.windll.kernel32.CloseHandle(handle)
        return code.value == 259

else:

    def is_running(pid: int) -> bool:
        """Does the process live? One that has ended does not, even if nobody asks how it ended (a zombie; in a container
        it may stay so for ever)."""
        if pid <= 0:
            return False  # 0 and below would ask about process groups
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        except (ProcessLookupError, OverflowError):
            return False
        try:
            with open(f"/proc/{pid}/stat", "rb") as stream:
                return stream.read().rpartition(b")")[2].split()[:1] not in ([b"Z"], [b"X"])
        except OSError:  # not Linux
            return True


class Ended(NamedTuple):
    """A process that has ended: its exit code (negative: the signal that ended it) and all that it wrote."""

    returncode: int
    stdout: bytes
    stderr: bytes


def run(argv: Sequence[str], env: Mapping[str, str], stdin: bytes | None = None) -> Ended:
    """Run a program to its end. Raises OSError, with the program's name, if it cannot be started.

    As subprocess.run does, which is used where there is more to it: to import it takes as long as all of a short Git command.
    """
    if hasattr(os, "posix_spawn") and len(stdin or b"") <= _PIPE:
        return _run(argv, env, stdin)
    import subprocess

    nothing = subprocess.DEVNULL if stdin is None else None
    done = subprocess.run([*argv], input=stdin, stdin=nothing, capture_output=True, env=env, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def _run(argv: Sequence[str], env: Mapping[str, str], stdin: bytes | None) -> Ended:
    import select

    given = None if stdin is None else _filled(stdin)
    out, to_out = os.pipe()
    err, to_err = os.pipe()
    said: dict[int, list[bytes]] = {out: [], err: []}
    try:
        try:
            pid = _spawn(argv, env, given, to_out, to_err)
        finally:
            for fd in (to_out, to_err) if given is None else (given, to_out, to_err):
                os.close(fd)
        try:
            poll = select.poll()
            for fd in said:
                poll.register(fd, select.POLLIN)
            left = len(said)
            while left:
                for fd, _ in poll.poll():
                    if block := os.read(fd, _BLOCK):
                        said[fd].append(block)
                    else:
                        poll.unregister(fd)
                        left -= 1
        except BaseException:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            raise
        status = os.waitpid(pid, 0)[1]
    finally:
        os.close(out)
        os.close(err)
    return Ended(os.waitstatus_to_exitcode(status), b"".join(said[out]), b"".join(said[err]))


def _filled(data: bytes) -> int:
    """The end of a pipe from which `data` can be read."""
    end, to_end = os.pipe()
    os.write(to_end, data)
    os.close(to_end)
    return end


def _spawn(argv: Sequence[str], env: Mapping[str, str], given: int | None, to_out: int, to_err: int) -> int:
    """Start a program, found on `env`'s PATH, that reads from the descriptor `given`, or nothing; its process id."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0) if given is None else (os.POSIX_SPAWN_DUP2, given, 0),
        (os.POSIX_SPAWN_DUP2, to_out, 1),
        (os.POSIX_SPAWN_DUP2, to_err, 2),
    ]
    program = argv[0]
    folders = os.get_exec_path(dict(env)) if os.sep not in program else [""]
    failed: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for folder in folders:
        path = os.path.join(folder, program)
        if not os.path.exists(path):  # every try starts a process
            continue
        try:
            return os.posix_spawn(path, [*argv], env, file_actions=actions, setsigdef=[_SIGPIPE])  # Python ignores it
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:  # another may do
            failed = error
    failed.filename = program
    raise failed


_BLOCK = 1 << 16
_PIPE = 4096  # bytes that any pipe takes at once
_SIGPIPE = 13


def end(code: int) -> NoReturn:
    """End the process. Python takes a tenth of a short command to take itself apart, so it is left to the system, unless
    there is something that waits for the end: other threads, or functions that are to be called then."""
    if not {"threading", "atexit"} & sys.modules.keys():
        with contextlib.suppress(OSError, ValueError):  # Python says what is wrong with a stream
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code)


def sweep(folder: str, pattern: str) -> None:
    """Remove the temporary files and folders in `folder` of processes that died: those whose whole name matches `pattern`,
    a regular expression whose group `pid` is the process."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            found = re.fullmatch(pattern, name) if any(map(str.isdigit, name)) else None  # to compile it takes long
            if found and not is_running(int(found["pid"])):
                path = os.path.join(folder, name)
                if os.path.isdir(path) and not os.path.islink(path):
                    import shutil

                    shutil.rmtree(path, ignore_errors=True)
                else:
                    os.unlink(path)

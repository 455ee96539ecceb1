"""Running the `git` program for one repository, whatever hook, alias or folder we were started from."""

from __future__ import annotations

import contextlib
import itertools
import os
from _thread import allocate_lock
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from gitstage.errors import GitstageError, SystemFailure
from gitstage.processes import Ended, run
from gitstage.static import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

LOCAL_ENV = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_CONFIG_COUNT",
        "GIT_OBJECT_DIRECTORY",
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_GRAFT_FILE",
        "GIT_INDEX_FILE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_REPLACE_REF_BASE",
        "GIT_PREFIX",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_COMMON_DIR",
        "GIT_REFERENCE_BACKEND",
    }
)
"""What `git rev-parse --local-env-vars` names, in any version: variables that mean one repository only."""

_PATHSPEC_ENV = ("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS")
_NO_LOCKS = ("--no-optional-locks", "-c", "diff.autoRefreshIndex=false")  # the second, as `git diff` knows no better
_ARGUMENT_BYTES = 100_000  # in one call; systems allow from 256 kB on, with the environment
_REQUESTS = 200  # object ids written before their answers are read: they must fit into a pipe (16 kB on macOS)


def clean_env(env: Mapping[str, str]) -> dict[str, str]:
    """The environment for a stage's command: as the user's shell has it, not as Git changed it for a hook.

    Removed: the variables that tie a process to one repository, and Git's exec-path at the front of PATH, where
    `git-stage` is another program.
    """
    cleaned = {
        name: value
        for name, value in env.items()
        if name not in LOCAL_ENV and not name.startswith(("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"))
    }
    exec_path = cleaned.get("GIT_EXEC_PATH")
    folders = cleaned.get("PATH", "").split(os.pathsep)
    if exec_path and folders[0] == exec_path:
        while folders and folders[0] == exec_path:
            del folders[0]
        cleaned["PATH"] = os.pathsep.join(folders)
        del cleaned["GIT_EXEC_PATH"]
    return cleaned


def git_command() -> str:
    """The program to run. A dispatcher in front of the real Git honours the same variable."""
    return os.environ.get("GITSTAGE_REAL_GIT") or "git"


def git_version() -> tuple[int, ...]:
    """The version of the git program, as in (2, 39, 5)."""
    words = Program(os.sep, dict(os.environ)).run("version").decode(errors="replace").split()
    numbers = words[2].split(".") if len(words) > 2 else []
    return tuple(int(number) for number in itertools.takewhile(str.isdecimal, numbers))


def user_git(*args: str, check: bool = True) -> bytes:
    """What `git args` writes to stdout, run outside any repository. GitstageError if it fails and `check`."""
    return Program(os.sep, clean_env(os.environ)).run(*args, check=check, locks=True)


def complaint(command: str, stderr: bytes) -> str:
    """What Git said when it failed, in one line."""
    lines = [line for line in os.fsdecode(stderr).splitlines() if line.strip()]
    worst = next((line for line in lines if line.startswith(("fatal: ", "error: "))), lines[0] if lines else "failed")
    return f"git {command}: {worst.removeprefix('fatal: ').removeprefix('error: ')}"


def chunks(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    """Parts of `paths` that each fit into one command line."""
    start = size = 0
    for end, path in enumerate(paths):
        size += len(os.fsencode(path)) + 9
        if size > _ARGUMENT_BYTES and end > start:
            yield paths[start:end]
            start, size = end, len(os.fsencode(path)) + 9
    if start < len(paths):
        yield paths[start:]


EMPTY_TREE = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


def split_names(output: bytes) -> list[str]:
    """The paths of an output that ends each with NUL."""
    return [os.fsdecode(name) for name in output.split(b"\0") if name]


def parents(path: str) -> Iterator[str]:
    """`path` and every folder above it, the top ("") left out."""
    while path:
        yield path
        path = path.rpartition("/")[0]


class Program:
    """Runs git in `cwd` with an environment that names the repository absolutely."""

    def __init__(self, cwd: str, env: dict[str, str]) -> None:
        self.cwd, self.env = cwd, env
        for name in (*_PATHSPEC_ENV, "GIT_PREFIX"):
            self.env.pop(name, None)

    def call(
        self,
        *args: str,
        stdin: bytes | None = None,
        locks: bool = False,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Ended:
        """Run `git args` to its end. `env` adds to the environment; `locks`: Git may refresh the index."""
        command = [git_command(), "-C", cwd or self.cwd, *(() if locks else _NO_LOCKS), *args]
        try:
            return run(command, {**self.env, **env} if env else self.env, stdin)
        except OSError as error:
            raise not_started(error) from None

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        check: bool = True,
        locks: bool = False,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        none: bool = False,
    ) -> bytes:
        """What `git args` writes to stdout. Raises GitstageError with Git's own words if it fails and `check`.

        `none`: exit code 1 says that there is nothing, as that of `git config --get`.
        """
        done = self.call(*args, stdin=stdin, locks=locks, env=env, cwd=cwd)
        command = next(arg for arg in args if arg[:1] != "-")
        if done.returncode and check and not (none and done.returncode == 1):
            raise GitstageError(complaint(command, done.stderr))
        if check:
            refuse_blind(command, done.stderr)
        return done.stdout

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Start `git args` to be talked to through its pipes."""
        import subprocess

        try:
            return subprocess.Popen(
                [git_command(), "--no-optional-locks", *args],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self.cwd,
                env=self.env,
            )
        except OSError as error:
            raise not_started(error) from None


def ignored(
    program: Program, paths: Collection[str], *, env: Mapping[str, str] | None = None, cwd: str | None = None
) -> set[str]:
    """Those of `paths` that some rule ignores, whether they are tracked or not."""
    stdin = b"".join(b"./" + os.fsencode(path) + b"\0" for path in paths)
    done = program.call("check-ignore", "-z", "-v", "-n", "--stdin", "--no-index", stdin=stdin, env=env, cwd=cwd)
    if done.returncode not in (0, 1):
        raise GitstageError(complaint("check-ignore", done.stderr))
    refuse_blind("check-ignore", done.stderr)
    fields = done.stdout.split(b"\0")[:-1]
    rules = zip(fields[::4], fields[2::4], fields[3::4], strict=True)
    return {os.fsdecode(path)[2:] for source, rule, path in rules if source and not rule.startswith(b"!")}


def refuse_blind(command: str, stderr: bytes) -> None:
    """Git only warns of a file or folder that it could not read, and answers as if it were not there.

    Folders that are closed to the user are his own business. Raises SystemFailure for the rest.
    """
    for line in stderr.splitlines() if b"warning: " in stderr else ():
        if line.startswith((b"warning: unable to access '", b"warning: could not open directory '")):
            if line.startswith(b"warning: c") and line.endswith(b": Permission denied"):
                continue
            if line.endswith(b": Too many levels of symbolic links"):
                name = os.fsdecode(line.split(b"'")[1])
                raise GitstageError(f"{name}: is a symlink, which Git does not follow")
            raise SystemFailure(f"git {command}: {os.fsdecode(line).removeprefix('warning: ')}")


def not_started(error: OSError) -> GitstageError:
    if isinstance(error, FileNotFoundError) and error.filename == git_command():
        return GitstageError("git is not on PATH", "install Git 2.31 or newer")
    return SystemFailure(f"git: {error.strerror}: {error.filename}")


class Blobs:
    """The contents of objects, through one `git cat-file --batch` that is started at the first question."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = allocate_lock()

    def each(self, ids: Sequence[str], use: Callable[[str, bytes], None]) -> None:
        """Call `use(id, content)` for every id, in order. Raises GitstageError if an object is missing."""
        if not ids:
            return
        with self._lock:
            finished = False
            try:
                for start in range(0, len(ids), _REQUESTS):
                    self._some(ids[start : start + _REQUESTS], use)
                finished = True
            except OSError as error:
                raise GitstageError(f"git cat-file: {error.strerror or 'ended early'}") from None
            finally:
                if not finished:  # answers are left in the pipe
                    self._end()

    def _some(self, ids: Sequence[str], use: Callable[[str, bytes], None]) -> None:
        process = self._process or self._begin()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(f"{id_}\n" for id_ in ids).encode())
        process.stdin.flush()
        for id_ in ids:
            head = process.stdout.readline().split()
            if len(head) != 3:
                raise GitstageError(f"Git object {id_} is missing", "git fsck")
            size = int(head[2])
            content = process.stdout.read(size + 1)
            if len(content) != size + 1:
                raise GitstageError(f"Git object {id_} cannot be read", "git fsck")
            use(id_, content[:-1])

    def _begin(self) -> subprocess.Popen[bytes]:
        import weakref

        self._process = self._program.start("cat-file", "--batch")
        self._finalizer = weakref.finalize(self, _hang_up, self._process)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._finalizer()
            self._process = None


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()
    process.wait()

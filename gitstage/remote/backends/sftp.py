"""ssh remotes through the system's OpenSSH: `sftp` in batch mode, several sessions over one connection.

So the user's ~/.ssh/config, agent, jump hosts and hardware keys count, as they do for Git, and so do GIT_SSH_COMMAND and
GIT_SSH. The server needs its sftp subsystem, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import select
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from gitstage.errors import ConfigError
from gitstage.remote.backend import Done, Hashed, Listed, Moved, OnlySizes, RemoteError
from gitstage.remote.backends.parallel import Patience, beside

Item = TypeVar("Item")
Words = list[str]
Files = list[tuple[str, str]]
Dones = list[Done]
Outcomes = list[str | None]
"""What went wrong with each item, by sftp's own words; None: nothing."""
Said = list[list[str]]
"""What each command said, line by line."""

JOBS = 4
_LOST = "the connection was lost"
_BATCH = 16  # commands that a session is given at once: well below what a pipe holds
_BIG = 4 << 20
_PERSIST = 10  # seconds that the connection outlives its last session, should nobody close it

_CHATTER = ("Uploading ", "Fetching ", "Warning:")
_LISTED = re.compile(r"(.)\S+ .* (\d+) (\w{3} [ \d]\d +[\d:]{4,5}) (.*)")
_PASSING = re.compile(
    "refused|timed out|reset by|closed|broken pipe|lost connection|no route|unreachable|unexpectedly|aborted|"
    "kex_exchange|temporar|not responding|disconnect|mux_client",
    re.IGNORECASE,
)
_ABSENT = re.compile(r"not found|No such file or directory", re.IGNORECASE)


class SftpBackend(OnlySizes):
    """Objects below a folder of a host: ssh://[USER@]HOST[:PORT]/FOLDER."""

    can_list = can_write = True

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        self.label = re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", url)
        try:
            parts = urllib.parse.urlsplit(url)
            port = options.get("port") or parts.port
        except ValueError as error:
            raise ConfigError(f"{self.label}: {error}") from None
        if not parts.hostname or parts.hostname.startswith("-") or "\n" in url:
            raise ConfigError(f"{self.label}: names no host")
        if not shutil.which("sftp") or not shutil.which("ssh"):
            raise ConfigError(
                f"{self.label}: needs the programs ssh and sftp of OpenSSH", "apt-get install openssh-client"
            )
        self.jobs = max(1, int(options.get("jobs") or options.get("max_sessions") or JOBS))
        self._host = parts.netloc.rpartition("@")[2].partition(":")[0] if "[" not in parts.netloc else parts.hostname
        self._root = re.sub(r"^\w+://[^/]*", "", url).rstrip("/")
        self._options = _options(options, options.get("user") or parts.username, port)
        self._secret = options.get("password") or options.get("passphrase") or parts.password
        self._may_ask = _is_on(options, "ask_password") or _is_on(options, "ask_passphrase")
        self._patience = Patience()
        self._folder: str | None = None
        self._idle: list[_Session] = []
        self._all: list[_Session] = []
        self._starting = threading.Lock()
        self._made: set[str] = set()

    # -- what is there -------------------------------------------------------------------------------------

    def list(self, prefix: str) -> Iterator[Listed]:
        level = [prefix.rstrip("/")]
        while level:
            below: Words = []
            for folder, lines in beside(self.jobs, self._look, level):
                for line in lines:
                    found = _LISTED.fullmatch(line)
                    if found is None:
                        if not _ABSENT.search(line):
                            raise RemoteError(f"{self.label}: {folder}: {line}")
                        continue
                    name = found[4].rpartition("/")[2]
                    key = f"{folder}/{name}" if folder else name
                    if found[1] == "d" and name not in (".", ".."):
                        below.append(key)
                    elif found[1] == "-":
                        yield Listed(key, int(found[2]), None, _modified(name, found[3]))
            level = below

    def _look(self, folder: str, stop: threading.Event) -> tuple[str, Sequence[str]]:
        return folder, self._run([f"ls -lna {_quoted(self._at(folder) + '/')}"], stop)[0]

    def head(self, keys: Collection[str]) -> dict[str, int]:
        def look(batch: Sequence[str], stop: threading.Event) -> Iterable[tuple[str, Sequence[str]]]:
            return zip(batch, self._run([f"ls -ln {_quoted(self._at(key))}" for key in batch], stop), strict=True)

        sizes = {}
        for answers in beside(self.jobs, look, _batches(list(keys))):
            for key, lines in answers:
                found = _LISTED.fullmatch(lines[0]) if len(lines) == 1 else None
                if found is None and lines and not _ABSENT.search(lines[0]) and not _LISTED.fullmatch(lines[0]):
                    raise RemoteError(f"{self.label}: {key}: {lines[0]}")
                # of a folder, it is the contents that are shown
                if found is not None and found[1] == "-" and found[4].count("/") == self._at(key).count("/"):
                    sizes[key] = int(found[2])
        return sizes

    # -- moving --------------------------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, str]], moved: Moved) -> Iterator[Done]:
        if items:
            self._make_folders()
        by_folder: dict[str, Files] = {}
        for path, key in items:
            by_folder.setdefault(posixpath.dirname(key), []).append((path, key))
        work = [batch for group in by_folder.values() for batch in _batches(group, lambda item: _size(item[0]))]

        def send(batch: Sequence[tuple[str, str]], stop: threading.Event) -> Sequence[Done]:
            return self._each(batch, lambda left: self._send(left, moved, stop), lambda item: item[1], stop)

        for done in beside(self.jobs, send, work):
            yield from done

    def _send(self, items: Sequence[tuple[str, str]], moved: Moved, stop: threading.Event) -> Outcomes:
        folder = posixpath.dirname(items[0][1])
        commands, parts = [], []
        if folder not in self._made:
            commands = [f"mkdir {_quoted(self._at(part))}" for part in _parents(folder) if part not in self._made]
        made = len(commands)
        for path, key in items:
            parts.append(f"{self._at(folder)}/.{os.urandom(11).hex()}.tmp")
            commands += [f"put {_quoted(path)} {_quoted(parts[-1])}", self._rename(parts[-1], key)]
        watched = {made + 2 * number: (path, key) for number, (path, key) in enumerate(items)}
        said = self._run(commands, stop, moved=moved, watched=watched)
        if not any(_LOST in lines for lines in said[:made]):
            self._made.update(_parents(folder))
        said = said[made:]
        results: Outcomes = []
        tidy = []
        for (_, key), part, sent, named in zip(items, parts, said[::2], said[1::2], strict=True):
            if sent:
                results.append(sent[0])
                tidy.append(f"rm {_quoted(part)}")
            elif named:  # a server that replaces nothing by renaming
                again = self._run([f"rm {_quoted(self._at(key))}", self._rename(part, key)], stop)
                results.append(again[1][0] if again[1] else None)
                tidy += [f"rm {_quoted(part)}"] if again[1] else []
            else:
                results.append(None)
        if tidy:
            self._run(tidy, stop)
        return results

    def _rename(self, part: str, key: str) -> str:
        return f"rename {_quoted(part)} {_quoted(self._at(key))}"

    def get(self, items: Sequence[tuple[str, str]], moved: Moved, hashed: Hashed | None = None) -> Iterator[Done]:
        def fetch(batch: Sequence[tuple[str, str]], stop: threading.Event) -> Sequence[Done]:
            return self._each(batch, lambda left: self._fetch(left, moved, stop), lambda item: item[0], stop)

        for done in beside(self.jobs, fetch, _batches(list(items), most=max(1, min(_BATCH, len(items) // self.jobs)))):
            yield from done

    def _fetch(self, items: Sequence[tuple[str, str]], moved: Moved, stop: threading.Event) -> Outcomes:
        commands = [f"get {_quoted(self._at(key))} {_quoted(path)}" for key, path in items]
        watched = {number: (path, key) for number, (key, path) in enumerate(items)}
        said = self._run(commands, stop, moved=moved, watched=watched)
        return [lines[0] if lines else None for lines in said]

    def delete(self, keys: Collection[str]) -> Iterator[Done]:
        def remove(batch: Sequence[str], stop: threading.Event) -> Sequence[Done]:
            def rm(left: Sequence[str]) -> Outcomes:
                said = self._run([f"rm {_quoted(self._at(key))}" for key in left], stop)
                return [lines[0] if lines and not _ABSENT.search(lines[0]) else None for lines in said]

            return self._each(batch, rm, lambda key: key, stop)

        for done in beside(self.jobs, remove, _batches(list(keys))):
            yield from done

    def close(self) -> None:
        for session in self._all:
            session.end()
        if self._folder is not None:
            if self._all:
                argv = [*self._program("ssh"), *self._options, *self._shared(), "-O", "exit", self._host]
                subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            shutil.rmtree(self._folder, ignore_errors=True)
        self._idle, self._all, self._folder = [], [], None

    # -- commands ------------------------------------------------------------------------------------------

    def _at(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root or "/"

    def _each(
        self,
        items: Sequence[Item],
        move: Callable[[Sequence[Item]], Sequence[str | None]],
        key: Callable[[Item], str],
        stop: threading.Event,
    ) -> Sequence[Done]:
        """What became of each item. Those that failed for a reason that may pass are tried again."""
        done: Dones = []
        since, tries, left = time.monotonic(), 0, list(items)
        while left:
            again = []
            for item, text in zip(left, move(left), strict=True):
                if text is None:
                    done.append((key(item), None))
                elif text == _LOST:
                    again.append(item)
                else:
                    error = RemoteError(f"{self.label}: {key(item)}: {text}", absent=_is_absent(text))
                    done.append((key(item), error))
            left = again
            tries += 1
            if left and not self._patience.pause(since, tries, stop):
                if self._patience.is_gone(since) and not stop.is_set():
                    raise RemoteError(f"{self.label}: the connection is lost", f"ssh {self._host}")
                text = "interrupted" if stop.is_set() else "the connection was lost again and again"
                done += [(key(item), RemoteError(f"{self.label}: {key(item)}: {text}")) for item in left]
                break
        return done

    def _run(
        self,
        commands: Sequence[str],
        stop: threading.Event,
        *,
        moved: Moved | None = None,
        watched: Mapping[int, tuple[str, str]] | None = None,
    ) -> Said:
        """What each command said: nothing, if it went well and is none that shows something.

        A connection that is lost is made anew for commands that only look; of others, with `watched`, those that were
        not carried out say _LOST. `watched`: (path of a local file that is moved, its key) by the command's number.
        """
        since, tries = time.monotonic(), 0
        while True:
            session = self._session(stop)
            said = session.run(commands, moved, watched or {}, stop)
            if len(said) == len(commands):
                self._patience.answered()
                with self._starting:
                    self._idle.append(session)
                return said
            session.end()
            if said:
                self._patience.answered()
            if watched is not None:
                return said + [[_LOST]] * (len(commands) - len(said))
            tries += 1
            if not self._patience.pause(since, tries, stop):
                raise RemoteError(f"{self.label}: the connection is lost", f"ssh {self._host}")

    def _session(self, stop: threading.Event) -> _Session:
        since, tries = time.monotonic(), 0
        while True:
            with self._starting:  # one after the other, so that the second finds the first one's connection
                if self._idle:
                    return self._idle.pop()
                session = _Session(self._argv(), self._environment())
                self._all.append(session)
                problem = session.started(stop)
                if problem is None:
                    self._patience.answered()
                    return session
            tries += 1
            if _PASSING.search(problem) and self._patience.pause(since, tries, stop):
                continue
            if _PASSING.search(problem):
                problem = f"cannot be reached: {problem}"
            hint = (
                f"ssh {self._host}" if not problem.startswith("Host key") else f"ssh {self._host} (asks about the key)"
            )
            raise RemoteError(f"{self.label}: {problem}", hint)

    def _make_folders(self) -> None:
        """The remote's own folder, and what it lies in."""
        if "" in self._made:
            return
        never = threading.Event()
        wanted = _quoted(self._at(""))
        if self._run([f"ls -ln {wanted}"], never)[0]:
            said = self._run([f"mkdir {wanted}"], never)[0]
            if said and _ABSENT.search(said[0]):
                chain = [f"/{part}" for part in _parents(self._root.strip("/"))]
                said = self._run([f"mkdir {_quoted(part)}" for part in chain], never)[-1]
            if said and "Permission denied" in said[0]:
                raise RemoteError(f"{self.label}: {said[0]}")
        self._made.add("")

    # -- the programs --------------------------------------------------------------------------------------

    def _home(self) -> str:
        """A folder of our own, with a short path: that of a socket may have 104 characters on some systems."""
        if self._folder is None:
            base = tempfile.gettempdir()
            base = base if len(base) < 50 or os.name == "nt" else "/tmp"  # noqa: S108
            _sweep(base)
            self._folder = tempfile.mkdtemp(prefix=f"gs-{os.getpid()}-", dir=base)
        return self._folder

    def _shared(self) -> Words:
        """All sessions share one connection; there is no such thing on Windows."""
        if os.name == "nt":
            return []
        options = ("ControlMaster=auto", f"ControlPath={self._home()}/c", f"ControlPersist={_PERSIST}")
        return [word for option in options for word in ("-o", option)]

    def _argv(self) -> Words:
        program = self._program("ssh")
        with_program = ["-S", self._script("ssh", f'exec {program[-1]} "$@"')] if program != ["ssh"] else []
        keep_alive = ["-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"]
        host = f"[{self._host}]" if ":" in self._host else self._host
        # ssh may ask, as under Git: sftp would forbid it, the first word wins. With sftp's -q it would not say what failed
        asks = ["-o", "BatchMode=no", "-o", "LogLevel=ERROR"]
        return ["sftp", *asks, *with_program, *self._options, *self._shared(), *keep_alive, "-b", "-", "--", host]

    @staticmethod
    def _program(name: str) -> Words:
        """Git's way to name another ssh: a command for the shell, or a program."""
        command = os.environ.get("GIT_SSH_COMMAND")
        if not command and os.environ.get("GIT_SSH"):
            command = shlex.quote(os.environ["GIT_SSH"])
        return ["sh", "-c", f'{command} "$@"', command] if command else [name]

    def _script(self, name: str, text: str) -> str:
        path = f"{self._home()}/{name}"
        if not os.path.exists(path):
            with open(path, "x", encoding="utf-8", opener=lambda file, flags: os.open(file, flags, 0o700)) as script:
                script.write(f"#!/bin/sh\n{text}\n")
        return path

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        if self._secret:  # ssh asks a program for it, and only then is it right to ask no human
            environment["GITSTAGE_SSH_SECRET"] = self._secret
            environment["SSH_ASKPASS"] = self._script("askpass", "printf '%s\\n' \"$GITSTAGE_SSH_SECRET\"")
            environment["SSH_ASKPASS_REQUIRE"] = "force"
        return environment


class _Session:
    """A running `sftp -b -`. It repeats each command that it reads, so what it says can be told apart."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
        self._rest = b""

    def started(self, stop: threading.Event) -> str | None:
        """Wait for the connection; what ssh said if there is none."""
        lines: list[str] = []
        if self.run(["lpwd"], None, {}, stop, lines):
            return None
        self.end()
        said = [line for line in lines if not line.startswith(("sftp>", "Connected", "Connection closed"))]
        return said[-1].strip() if said else "Connection closed"

    def run(
        self,
        commands: Sequence[str],
        moved: Moved | None,
        watched: Mapping[int, tuple[str, str]],
        stop: threading.Event,
        before: list[str] | None = None,
    ) -> list[list[str]]:
        """What each command said; fewer of them if the connection was lost. `before`: gets what comes before all."""
        assert self._process.stdin is not None
        text = "".join(f"-{command}\n" for command in commands) + "lpwd\n"
        try:
            self._process.stdin.write(text.encode("utf-8", "surrogateescape"))
            self._process.stdin.flush()
        except OSError:
            pass  # what it said at its end is still to be read
        said: list[list[str]] = []
        reported = 0
        is_open = True
        while is_open:
            line = self._line(0.5 if moved and len(said) - 1 in watched else None)
            if line is None:  # nothing said for a while
                if stop.is_set():
                    self.end()
                    return said[:-1]
                reported = self._report(watched[len(said) - 1], reported, moved)
            elif line == "":
                is_open = False
            elif line.startswith("sftp> "):
                if moved and len(said) - 1 in watched and not said[-1]:
                    path, key = watched[len(said) - 1]
                    moved(key, _size(path) - reported)
                reported = 0
                if len(said) == len(commands):
                    self._line(None)  # what lpwd shows
                    return said
                said.append([])
            elif said:
                if not line.startswith(_CHATTER):
                    said[-1].append(line.rstrip())
            elif before is not None:
                before.append(line)
        return said[:-1]

    def _report(self, file: tuple[str, str], reported: int, moved: Moved | None) -> int:
        path, key = file
        now = min(_position(self._process.pid, path), _size(path))
        if moved and now > reported:
            moved(key, now - reported)
        return max(now, reported)

    def _line(self, timeout: float | None) -> str | None:
        """The next line, with its end; "" at the end of all; None if there is none in time."""
        stdout = self._process.stdout
        assert stdout is not None
        while b"\n" not in self._rest:
            if timeout is not None and not select.select([stdout], [], [], timeout)[0]:
                return None
            data = os.read(stdout.fileno(), 1 << 16)
            if not data:
                rest, self._rest = self._rest, b""
                return rest.decode("utf-8", "replace")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "replace") + "\n"

    def end(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()


def _sweep(base: str) -> None:
    """Remove what killed processes of this user left: a socket and a script or two."""
    if os.name == "nt":
        return
    for name in os.listdir(base):
        found = re.match(r"gs-(\d+)-", name)
        if found is None:
            continue
        path = os.path.join(base, name)
        try:
            os.kill(int(found[1]), 0)
        except ProcessLookupError:
            with contextlib.suppress(OSError):
                if os.lstat(path).st_uid == os.getuid():
                    shutil.rmtree(path, ignore_errors=True)
        except (OSError, OverflowError):
            pass


def _options(options: Mapping[str, str], user: str | None, port: object) -> list[str]:
    found = []
    if user:
        found.append(f"User={user}")
    if port:
        found.append(f"Port={port}")
    if options.get("keyfile"):
        found.append(f'IdentityFile="{options["keyfile"]}"')
    if options.get("timeout"):
        found.append(f"ConnectTimeout={options['timeout']}")
    if _is_on(options, "gss_auth"):
        found.append("GSSAPIAuthentication=yes")
    if options.get("allow_agent", "").lower() == "false":
        found.append("IdentityAgent=none")
    return [word for option in found for word in ("-o", option)]


def _is_on(options: Mapping[str, str], key: str) -> bool:
    return options.get(key, "").lower() == "true"


def _quoted(path: str) -> str:
    """One word for sftp, in which nothing stands for anything else."""
    if "\n" in path or "\0" in path:
        raise RemoteError(f"{path!r}: sftp takes no path with a line end in it")
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _batches(
    items: Sequence[Item], size: Callable[[Item], int] | None = None, most: int = _BATCH
) -> list[Sequence[Item]]:
    """Portions for one session each; a big file is one of its own."""
    big = [[item] for item in items if size is not None and size(item) > _BIG]
    small = [item for item in items if size is None or size(item) <= _BIG]
    return [*big, *(small[at : at + most] for at in range(0, len(small), most))]


def _is_absent(text: str) -> bool:
    """Does this say that the remote has no such file? That a local one or a folder is missing is said otherwise."""
    return bool(_ABSENT.search(text)) and not text.startswith(("stat ", "open local ", "dest open ", "local "))


def _parents(folder: str) -> list[str]:
    """The folder and what it lies in, the outermost first; none for ""."""
    parts = folder.split("/") if folder else []
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _position(pid: int, path: str) -> int:
    """How far a process has read or written a file; 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{fd}") == path:
                with open(f"/proc/{pid}/fdinfo/{fd}") as info:
                    return int(info.readline().split()[1])
    return 0


def _modified(name: str, text: str) -> float | None:
    """Seconds since the epoch, to the minute or day, of what may be left over; sftp shows no more."""
    if not name.endswith((".tmp", ".part")):
        return None
    now = time.localtime()
    with contextlib.suppress(ValueError):
        if ":" not in text:
            return time.mktime(time.strptime(text, "%b %d %Y"))
        found = time.mktime(time.strptime(f"{now.tm_year} {text}", "%Y %b %d %H:%M"))
        return found if found < time.time() + 86400 else found - 365 * 86400
    return None

"""ssh remotes through the system's OpenSSH: files are moved by its connection to the server's sftp subsystem.

So the user's ~/.ssh/config, agent, jump hosts and hardware keys count, as they do for Git, and so do GIT_SSH_COMMAND and
GIT_SSH. Several sessions share one connection.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from gitstage.errors import ConfigError
from gitstage.remote.backend import Done, Hashed, Listed, Moved, OnlySizes, RemoteError
from gitstage.remote.backends.parallel import Patience, Target, streams
from gitstage.remote.backends.sftp_session import (
    FAILURE,
    MKDIR,
    NO_SUCH_FILE,
    PERMISSION_DENIED,
    REMOVE,
    STAT,
    Attributes,
    Lost,
    Refused,
    Session,
    Steps,
)
from gitstage.static import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Words = list[str]

JOBS = 4
_MOVED = 64  # files under way in one session, each of which the server has open
_ASKED = 256  # the same of questions that open none
_PER_LANE = 1000  # small files that are worth another session
_FEW = 16  # files that may all be big, so it is asked how many are
_BIG = 4 << 20
_TRIES = 8  # of one file, however long each takes: a server that is gone is noticed when connecting
_PATIENT = 5  # seconds that a question about ssh's settings may take
_NO_ATTRIBUTES = bytes(4)

_PASSING = re.compile(
    "refused|timed out|reset by|closed|broken pipe|lost connection|no route|unreachable|unexpectedly|aborted|"
    "kex_exchange|temporar|not responding|disconnect|mux_client",
    re.IGNORECASE,
)
_SHELL = re.compile(r"[\x00-\x1f\x7f'\"`$\\;&<>|(){}!#*?]")
"""What ssh's own settings (`ProxyCommand ... %h %r`) would give to a shell."""

_FAST = "aes128-gcm@openssh.com"
"""Of the ciphers that OpenSSH offers by default, the one that costs a processor with AES instructions least: half of
chacha20-poly1305, which it prefers because that suits all others."""


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
        who = f"{parts.hostname or '-'} {options.get('user') or parts.username or ''}"
        if not parts.hostname or parts.netloc.rpartition("@")[2].startswith("-") or who[0] == "-" or _SHELL.search(who):
            raise ConfigError(f"{self.label}: names no host, or no user, that ssh may be given")
        if self._program("ssh") == ["ssh"] and not shutil.which("ssh"):
            raise ConfigError(f"{self.label}: needs the program ssh of OpenSSH", "apt-get install openssh-client")
        self.jobs = max(1, int(options.get("jobs") or options.get("max_sessions") or JOBS))
        self._host = parts.netloc.rpartition("@")[2].partition(":")[0] if "[" not in parts.netloc else parts.hostname
        self._root = re.sub(r"^\w+://[^/]*", "", url).rstrip("/")
        self._options = _options(options, options.get("user") or parts.username, port)
        self._secret = options.get("password") or options.get("passphrase") or parts.password
        self._may_ask = _is_on(options, "ask_password") or _is_on(options, "ask_passphrase")
        self._patience = Patience()
        self._folder: str | None = None
        self._idle: list[Session] = []
        self._all: list[Session] = []
        self._starting = threading.Lock()
        self._made: set[str] = set()
        self._cipher: Words | None = None

    # -- what is there -------------------------------------------------------------------------------------

    def list(self, prefix: str) -> Iterator[Listed]:
        level = [prefix.rstrip("/")]
        while level:
            below: list[str] = []
            for folder, found in self._each(level, lambda session, folder: session.names(self._at(folder)), str):
                if isinstance(found, RemoteError):
                    if found.absent:
                        continue
                    raise found
                for name, about in found:
                    key = f"{folder}/{os.fsdecode(name)}" if folder else os.fsdecode(name)
                    if about.is_dir:
                        below.append(key)
                    elif about.is_file:
                        yield Listed(key, about.size or 0, None, about.modified)
            level = below

    def head(self, keys: Collection[str]) -> dict[str, int]:
        sizes = {}
        for key, found in self._each(list(keys), self._look, str, most=_ASKED):
            if not isinstance(found, RemoteError):
                if found.is_file and found.size is not None:
                    sizes[key] = found.size
            elif not found.absent:
                raise found
        return sizes

    def _look(self, session: Session, key: str) -> Steps[Attributes]:
        return (yield from session.do(STAT, self._at(key))).attributes()

    # -- moving --------------------------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, str]], moved: Moved) -> Iterator[Done]:
        def send(session: Session, item: tuple[str, str]) -> Steps[None]:
            return self._send(session, *item, moved)

        lanes = self._lanes(items, (_size(path) for path, _ in items))
        for (_, key), error in self._each(items, send, lambda item: item[1], lanes=lanes):
            yield key, error

    def _send(self, session: Session, path: str, key: str, moved: Moved) -> Steps[None]:
        found = os.stat(path)
        folder = posixpath.dirname(key)
        part = self._at(f"{folder}/.{os.urandom(11).hex()}.tmp")
        handle = yield from self._create(session, folder, part, found.st_mode & 0o777)
        try:
            try:
                blocks = _blocks(path, session.can_write)
                yield from session.write(handle, blocks, lambda count: moved(key, count))
            except Refused as error:
                raise (yield from self._no_room(session, error, part, found.st_size)) from None
            yield from session.close(handle)
            handle = b""
            yield from session.rename(part, self._at(key))
        except (Refused, OSError):
            session.drop(handle, part)
            raise

    def _create(self, session: Session, folder: str, path: bytes, mode: int) -> Steps[bytes]:
        """A new file at the server, and the folders that it needs."""
        if folder in self._made:
            return (yield from session.open(path, mode))
        try:
            handle = yield from session.open(path, mode)
        except Refused as error:
            if error.code != NO_SUCH_FILE:
                raise
            yield from self._make_folder(session, self._at(folder))
            handle = yield from session.open(path, mode)
        self._made.add(folder)
        return handle

    def _make_folder(self, session: Session, folder: bytes) -> Steps[None]:
        """Make a folder and what it lies in. It may be there already; servers say in many ways that it is."""
        try:
            yield from session.do(MKDIR, folder, _NO_ATTRIBUTES)
        except Refused as error:
            above = posixpath.dirname(folder)
            if error.code == NO_SUCH_FILE and above not in (folder, b""):
                yield from self._make_folder(session, above)
                with contextlib.suppress(Refused):
                    yield from session.do(MKDIR, folder, _NO_ATTRIBUTES)
            elif error.code == PERMISSION_DENIED:
                raise

    def _no_room(self, session: Session, error: Refused, path: bytes, size: int) -> Steps[Refused]:
        """The error to report for a file of `size` bytes that could not be written: the protocol has none for full
        disks."""
        if error.code != FAILURE:
            return error
        room = yield from session.room(posixpath.dirname(path))
        if room is not None and room < size:
            return Refused(FAILURE, "No space left on the server")
        return Refused(FAILURE, f"{error}; is the server's disk full, or a quota used up?")

    def get(self, items: Sequence[tuple[str, str]], moved: Moved, hashed: Hashed | None = None) -> Iterator[Done]:
        def fetch(session: Session, item: tuple[str, str]) -> Steps[None]:
            return self._fetch(session, *item, moved, hashed)

        sizes = self.head([key for key, _ in items]) if 1 < len(items) <= _FEW else {}
        lanes = self._lanes(items, sizes.values())
        for (key, _), error in self._each(items, fetch, lambda item: item[0], lanes=lanes):
            yield key, error

    def _fetch(self, session: Session, key: str, path: str, moved: Moved, hashed: Hashed | None) -> Steps[None]:
        handle = yield from session.open(self._at(key))
        try:
            size, first = yield from session.beginning(handle)
            with Target(path) as target:

                def take(data: bytes | memoryview) -> None:
                    target.write(data)
                    moved(key, len(data))

                take(first)
                if len(first) < size:
                    yield from session.rest(handle, len(first), size, take)
        finally:
            session.drop(handle)
        if hashed is not None:
            hashed[key] = target.md5.hexdigest(), size

    def delete(self, keys: Collection[str]) -> Iterator[Done]:
        def remove(session: Session, key: str) -> Steps[None]:
            yield from session.do(REMOVE, self._at(key))

        for key, error in self._each(list(keys), remove, str, most=_ASKED):
            yield key, None if error is None or error.absent else error

    def close(self) -> None:
        for session in self._all:
            session.hang_up()
        for session in reversed(self._all):  # the first one's ssh holds the connection
            session.end()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._idle, self._all, self._folder = [], [], None

    # -- sessions ------------------------------------------------------------------------------------------

    def _at(self, key: str) -> bytes:
        return os.fsencode(f"{self._root}/{key}" if key else self._root or "/")

    @staticmethod
    def _lanes(items: Sequence[object], sizes: Iterable[int]) -> int:
        """How many sessions are worth their making, for files of `sizes` as far as they are known."""
        return max(1, len(items) // _PER_LANE, sum(1 for size in sizes if size > _BIG))

    def _each(
        self,
        items: Sequence[Item],
        begin: Callable[[Session, Item], Steps[Result]],
        key: Callable[[Item], str],
        *,
        most: int = _MOVED,
        lanes: int = 1,
    ) -> Iterator[tuple[Item, Result | RemoteError]]:
        """What became of each item. `most` are under way at once in each of `lanes` sessions."""
        waiting = deque(items)
        lanes = min(lanes, self.jobs)

        def lane(number: int, stop: threading.Event) -> Iterator[tuple[Item, Result | RemoteError]]:
            return self._lane(waiting, begin, key, stop, most)

        yield from streams(lanes, lane, range(lanes if items else 0))

    def _lane(
        self,
        waiting: deque[Item],
        begin: Callable[[Session, Item], Steps[Result]],
        key: Callable[[Item], str],
        stop: threading.Event,
        most: int,
    ) -> Iterator[tuple[Item, Result | RemoteError]]:
        """One session after the other, until nothing is waiting. What was under way when one broke is tried again, the more
        often it was lost in the less company: one may break them all."""
        losses: dict[str, int] = {}
        tries = worst = 0
        while waiting:
            session = self._session(stop)

            def steps(item: Item, session: Session = session) -> Steps[Result | RemoteError]:
                try:
                    return (yield from begin(session, item))
                except Refused as error:
                    absent = error.code == NO_SUCH_FILE
                    return RemoteError(f"{self.label}: {key(item)}: {error}", absent=absent)
                except RemoteError as error:
                    return error
                except OSError as error:
                    return RemoteError(f"{error.filename}: {error.strerror}")

            try:
                for done in session.run(waiting, steps, stop, max(1, most >> worst)):
                    self._patience.answered()
                    tries = 0
                    yield done
            except Lost as error:
                session.end()
                tries += 1
                text = str(error) or "the connection was lost"
                worst = 0
                for item in session.unfinished:
                    losses[key(item)] = losses.get(key(item), 0) + 1
                    worst = max(worst, losses[key(item)])
                    if losses[key(item)] < _TRIES and not stop.is_set():
                        waiting.append(item)
                    else:
                        yield item, RemoteError(f"{self.label}: {key(item)}: {text}, again and again")
                self._patience.pause(time.monotonic(), tries, stop)
            else:
                with self._starting:
                    self._idle.append(session)

    def _session(self, stop: threading.Event) -> Session:
        since, tries = time.monotonic(), 0
        while True:
            with self._starting:  # one after the other, so that the second finds the first one's connection
                if self._idle:
                    return self._idle.pop()
                session = Session(self._argv(), self._environment())
                self._all.append(session)
                if len(self._all) == 1:  # while ssh connects
                    _sweep(os.path.dirname(self._home()))
                problem = session.start(stop)
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

    # -- the programs --------------------------------------------------------------------------------------

    def _home(self) -> str:
        """A folder of our own, with a short path: that of a socket may have 104 characters on some systems."""
        if self._folder is None:
            base = tempfile.gettempdir()
            base = base if len(base) < 50 or os.name == "nt" else "/tmp"  # noqa: S108 - mkdtemp
            self._folder = tempfile.mkdtemp(prefix=f"gs-{os.getpid()}-", dir=base)
        return self._folder

    def _shared(self) -> Words:
        """All sessions share the connection of the first; there is no such thing on Windows."""
        if os.name == "nt":
            return []
        options = ("ControlMaster=auto", f"ControlPath={self._home()}/c", "ControlPersist=no")
        return [word for option in options for word in ("-o", option)]

    def _ciphers(self) -> Words:
        """The order of ciphers to ask for: none, if somebody chose one for this host, in whatever file."""
        if self._cipher is None:
            configured, default = self._configured_ciphers()
            is_chosen = configured != default or _FAST not in default or default[0] == _FAST
            order = [_FAST, *(name for name in default if name != _FAST)]
            self._cipher = [] if is_chosen else ["-o", f"Ciphers={','.join(order)}"]
        return self._cipher

    def _configured_ciphers(self) -> tuple[Words, Words]:
        """In the order in which ssh would offer them to this host: as it is configured, and without any file. Empty if
        that is of no use or cannot be found out."""
        if not _has_aes():
            return [], []
        asked = [
            subprocess.Popen(
                [*self._program("ssh"), *self._options, *more, "-G", "--", self._host],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
            )
            for more in ((), ("-F", "none"))
        ]  # fmt: skip
        found = []
        for process in asked:
            try:
                said = process.communicate(timeout=_PATIENT)[0]
            except subprocess.TimeoutExpired:  # something else in place of ssh, and what it started
                said = b""
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL) if os.name != "nt" else process.kill()
                process.communicate()
            names = re.search(rb"^ciphers (\S+)$", said, re.MULTILINE)
            found.append(names[1].decode("ascii", "replace").split(",") if names else [])
        return found[0], found[1]

    def _argv(self) -> Words:
        """An ssh that starts the server's sftp; as in OpenSSH's own sftp, nothing else that the user has configured."""
        fixed = (
            "ForwardX11=no",
            "ForwardAgent=no",
            "PermitLocalCommand=no",
            "ClearAllForwardings=yes",
            "RequestTTY=no",
        )
        keep_alive = ("ServerAliveInterval=10", "ServerAliveCountMax=3", "LogLevel=ERROR")
        options = [word for option in (*fixed, *keep_alive) for word in ("-o", option)]
        options += [*self._options, *self._ciphers(), *self._shared()]
        return [*self._program("ssh"), *options, "-s", "--", self._host, "sftp"]

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


def _has_aes() -> bool:
    """Has this processor instructions for AES?"""
    if sys.platform == "darwin":
        return True
    with contextlib.suppress(OSError), open("/proc/cpuinfo", "rb", buffering=0) as stream:
        return re.search(rb"^(flags|Features)\b.* aes\b", stream.read(4096), re.MULTILINE) is not None
    return False


def _sweep(base: str) -> None:
    """Remove what killed processes of this user left: a socket and a script or two."""
    if os.name == "nt":
        return
    for name in os.listdir(base):
        found = re.match(r"gs-(\d+)-", name) if name.startswith("gs-") else None
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


def _blocks(path: str, size: int) -> Iterator[bytes | memoryview]:
    """The bytes of a file; each block is valid until the next."""
    with open(path, "rb", buffering=0) as stream:
        while data := stream.read(size):
            yield data
            if len(data) == size:
                break
        block = memoryview(bytearray(len(data)))
        while block and (count := stream.readinto(block)):
            yield block[:count]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0

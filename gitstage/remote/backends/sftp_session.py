"""The SFTP protocol, version 3 (draft-ietf-secsh-filexfer-02, and OpenSSH's extensions of it), over the pipes of an ssh.

Many questions are under way at once, so that neither the time to the server nor its turn-around counts for each file.
What is done with one file is a generator: it asks, as often as it likes, and each `yield` gives it an answer to one of
its questions, in the order in which the server gives them. One thread drives a session.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import struct
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

from gitstage.static import Any, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

INIT, VERSION, OPEN, CLOSE, READ, WRITE, FSTAT = 1, 2, 3, 4, 5, 6, 8
OPENDIR, READDIR, REMOVE, MKDIR, STAT, RENAME = 11, 12, 13, 14, 17, 18
STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED, EXTENDED_REPLY = 101, 102, 103, 104, 105, 200, 201
OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE = range(5)
_FOR_READING = 1
_FOR_A_NEW_FILE = 2 | 8 | 32  # write, create, it must not be there
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 1, 2, 4, 8, 1 << 31

_POSIX_RENAME, _STATVFS, _LIMITS = b"posix-rename@openssh.com", b"statvfs@openssh.com", b"limits@openssh.com"

_BLOCK = 32 << 10  # bytes that every server reads or writes at once
_BIGGEST = 255 << 10  # OpenSSH's own limit; nothing is gained beyond
_AHEAD = 4 << 20  # bytes of one file that are under way
_QUESTIONS = 32 << 10  # bytes of small questions under way: less than a pipe holds, so that none waits for an answer
_LONGEST = 512 << 10
_PIPE = 1 << 20


class Lost(Exception):
    """The connection broke; what was under way may or may not have been done."""


class Refused(Exception):
    """The server's answer to one question. `code`: as in the draft."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Attributes(NamedTuple):
    """Of a file at the server: bytes, permissions with the kind of file, seconds since the epoch; None: not told."""

    size: int | None
    mode: int | None
    modified: int | None

    @property
    def is_file(self) -> bool:
        return self.mode is None or stat.S_ISREG(self.mode)

    @property
    def is_dir(self) -> bool:
        return self.mode is not None and stat.S_ISDIR(self.mode)


class Answer:
    """What the server said to the question `number`; to be read before the generator goes on."""

    def __init__(self, packet: memoryview) -> None:
        self.kind = packet[0]
        self.number = int.from_bytes(packet[1:5], "big")
        self._packet, self._at = packet, 5

    def expect(self, kind: int) -> Answer:
        """This answer, if it is of that kind. Raises Refused if it is not."""
        if self.kind == kind and (kind != STATUS or self.code == OK):
            return self
        if self.kind == STATUS:
            code = self.code
            self._at += 4
            text = self.text().decode("utf-8", "replace").strip() if len(self._packet) > self._at + 4 else ""
            if not text or text == "Failure":
                text = _CODES.get(code, f"refused with code {code}")
            raise Refused(code, text)
        raise Lost(f"the server gave an answer of kind {self.kind} to a question of another")

    @property
    def code(self) -> int:
        """Of an answer of the kind STATUS."""
        return int.from_bytes(self._packet[5:9], "big")

    def number32(self) -> int:
        self._at += 4
        return int.from_bytes(self._packet[self._at - 4 : self._at], "big")

    def number64(self) -> int:
        self._at += 8
        return int.from_bytes(self._packet[self._at - 8 : self._at], "big")

    def data(self) -> memoryview:
        length = self.number32()
        self._at += length
        if self._at > len(self._packet):
            raise Lost("the server sent a packet that ends too early")
        return self._packet[self._at - length : self._at]

    def text(self) -> bytes:
        return bytes(self.data())

    def extensions(self) -> Iterator[bytes]:
        """Of an answer of the kind VERSION: the names of what the server can do beyond it."""
        while self._at < len(self._packet):
            yield self.text()
            self.data()

    def attributes(self) -> Attributes:
        flags = self.number32()
        size = self.number64() if flags & _HAS_SIZE else None
        if flags & _HAS_OWNER:
            self._at += 8
        mode = self.number32() if flags & _HAS_MODE else None
        modified = None
        if flags & _HAS_TIMES:
            self._at += 4
            modified = self.number32()
        for _ in range(2 * self.number32() if flags & _HAS_MORE else 0):
            self.data()
        return Attributes(size, mode, modified)


_CODES = {
    NO_SUCH_FILE: "No such file or directory",
    PERMISSION_DENIED: "Permission denied",
    FAILURE: "the server could not do it (Failure)",
}

Steps = Generator[None, Answer, Result]
"""What is done with one file; see above."""


class _Running:
    """The steps of one item."""

    __slots__ = ("is_over", "item", "steps")

    def __init__(self, item: Any, steps: Steps[Any]) -> None:
        self.item, self.steps, self.is_over = item, steps, False


def text(value: bytes) -> bytes:
    """A string as the protocol has it."""
    return struct.pack(">I", len(value)) + value


class Session:
    """A running ssh whose other end is a server's sftp subsystem."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        # not a pipe: a connection that is kept for others keeps it open
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, env=environment, bufsize=0,
            pipesize=_PIPE if hasattr(select, "epoll") else -1,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._from, select.POLLIN)
        self._in = bytearray(2 * _LONGEST)
        self._view = memoryview(self._in)
        self._start = self._end = 0
        self._out = bytearray()
        self._number = 0
        self._asked: dict[int, tuple[_Running, int, bool]] = {}
        self._load = self._questions = 0  # bytes of what is under way, and of that what is no content
        self._current: _Running | None = None
        self._extensions: set[bytes] = set()
        self.can_read = self.can_write = _BLOCK
        self.unfinished: list[Any] = []
        """Items that were under way when the connection was lost."""

    def start(self, stop: threading.Event) -> str | None:
        """Wait for the connection; what ssh said if there is none."""
        self._out += struct.pack(">IBI", 5, INIT, 3)
        try:
            self._flush()
            packet = self._receive(stop)
            if packet[0] != VERSION:
                raise Lost(f"the server's first answer is of kind {packet[0]}")
            answer = Answer(packet)
            self._extensions.update(answer.extensions())
            if _LIMITS in self._extensions:
                for _ in self.run(deque([None]), lambda _: self._learn_limits(), stop, 1):
                    pass
            return None
        except Lost as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)  # it says why at its end
            self._said.seek(0)
            lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
            self.end()
            return str(error) or (lines[-1].strip() if lines else "Connection closed")

    def _learn_limits(self) -> Steps[None]:
        self.ask(EXTENDED, text(_LIMITS))
        answer = yield
        if answer.kind == EXTENDED_REPLY:
            _, can_read, can_write, _ = (answer.number64() for _ in range(4))
            self.can_read = min(can_read or _BLOCK, _BIGGEST)
            self.can_write = min(can_write or _BLOCK, _BIGGEST)

    def hang_up(self) -> None:
        """Say that nothing more is asked; its ssh will end."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def end(self) -> None:
        self.hang_up()
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()
        self._said.close()

    # -- driving -------------------------------------------------------------------------------------------

    def run(
        self, waiting: deque[Item], begin: Callable[[Item], Steps[Result]], stop: threading.Event, most: int
    ) -> Iterator[tuple[Item, Result]]:
        """Take items from `waiting`, which others may empty too, until there are none; what became of each, when it is
        known. At most `most` are under way at once.

        Raises Lost if the connection breaks, or `stop` is set; `unfinished` then holds what was under way.
        """
        running: set[_Running] = set()
        try:
            while True:
                while len(running) < most and self._load < _AHEAD and self._questions < _QUESTIONS:
                    try:
                        item = waiting.popleft()
                    except IndexError:
                        break
                    one = _Running(item, begin(item))
                    running.add(one)
                    yield from self._go_on(one, None, running)
                if not self._asked:
                    return
                answer = Answer(self._receive(stop))
                try:
                    one, size, is_small = self._asked.pop(answer.number)
                except KeyError:
                    raise Lost("the server answered a question that was not asked") from None
                self._load -= size
                self._questions -= size if is_small else 0
                if not one.is_over:
                    yield from self._go_on(one, answer, running)
        except Lost:
            self.unfinished = [one.item for one in running]
            raise

    def _go_on(self, one: _Running, answer: Answer | None, running: set[_Running]) -> Iterator[tuple[Any, Any]]:
        self._current = one
        try:
            one.steps.send(answer)  # type: ignore[arg-type]
        except StopIteration as end:
            one.is_over = True
            running.discard(one)
            yield one.item, end.value

    def ask(self, kind: int, body: bytes, data: bytes | memoryview = b"") -> int:
        """Send a question in the name of the running steps; its number. What is asked last, before they end, need not be
        waited for. `data` is the caller's again."""
        assert self._current is not None
        self._number = self._number + 1 & 0xFFFFFFFF
        self._out += struct.pack(">IBI", 5 + len(body) + len(data), kind, self._number)
        self._out += body
        if len(data) < _BLOCK:
            self._out += data
        else:
            self._flush(data)
        size = len(body) + len(data)
        self._asked[self._number] = self._current, size, not data
        self._load += size
        self._questions += 0 if data else size
        if len(self._out) > _LONGEST:
            self._flush()
        return self._number

    def _flush(self, more: bytes | memoryview = b"") -> None:
        """Send all that was asked, and then `more`, which is not copied for it."""
        with memoryview(self._out) as first, memoryview(more) as rest:
            try:
                sent = os.writev(self._to, [first, rest]) if rest else 0
                for view in (first[sent:], rest[max(0, sent - len(first)) :]):
                    at = 0
                    while at < len(view):
                        at += os.write(self._to, view[at:])
            except OSError:
                raise Lost from None
        self._out.clear()

    def _receive(self, stop: threading.Event) -> memoryview:
        """The next packet, valid until the next call. What was asked is sent when there is none yet: many small questions
        together cost ssh, and the server, much less than each alone."""
        needed = 4
        while True:
            have = self._end - self._start
            if have >= 4:
                (length,) = struct.unpack_from(">I", self._in, self._start)
                if not 5 <= length <= _LONGEST:
                    beginning = bytes(self._view[self._start : self._end])[:60].decode("ascii", "replace")
                    raise Lost(f"the server answers with what is not SFTP: {beginning!r}")
                needed = 4 + length
                if have >= needed:
                    self._start += needed
                    return self._view[self._start - length : self._start]
            if self._out:
                self._flush()
            if not have:
                self._start = self._end = 0
            elif self._start + needed > len(self._in):
                self._view[:have] = bytes(self._view[self._start : self._end])
                self._start, self._end = 0, have
            if not self._poll.poll(500):
                if stop.is_set():
                    raise Lost("interrupted")
                continue
            try:
                count = os.readv(self._from, [self._view[self._end :]])
            except OSError:
                raise Lost from None
            if not count:
                raise Lost
            self._end += count

    # -- steps that several need ---------------------------------------------------------------------------

    def open(self, path: bytes, mode: int | None = None) -> Steps[bytes]:
        """The handle of a file that is there or, with permissions `mode`, of a new one."""
        attributes = struct.pack(">I", 0) if mode is None else struct.pack(">II", _HAS_MODE, mode)
        flags = _FOR_READING if mode is None else _FOR_A_NEW_FILE
        self.ask(OPEN, text(path) + struct.pack(">I", flags) + attributes)
        answer = yield
        return answer.expect(HANDLE).text()

    def close(self, handle: bytes) -> Steps[None]:
        self.ask(CLOSE, text(handle))
        answer = yield
        answer.expect(STATUS)

    def drop(self, handle: bytes, path: bytes | None = None) -> None:
        """Close a file, and remove the one at `path`, whatever the server says."""
        self.ask(CLOSE, text(handle))
        if path is not None:
            self.ask(REMOVE, text(path))

    def do(self, kind: int, path: bytes, more: bytes = b"") -> Steps[Answer]:
        """Ask something about a path. Raises Refused."""
        self.ask(kind, text(path) + more)
        answer = yield
        return answer.expect(ATTRS if kind == STAT else HANDLE if kind == OPENDIR else STATUS)

    def beginning(self, handle: bytes) -> Steps[tuple[int, bytes]]:
        """The size of an open file, and its first bytes, which of a small file are all."""
        about = self.ask(FSTAT, text(handle))
        self.ask(READ, text(handle) + struct.pack(">QI", 0, _BLOCK))
        size, first = None, b""
        for _ in range(2):
            answer = yield
            if answer.number == about:
                size = answer.expect(ATTRS).attributes().size
            elif answer.kind != STATUS or answer.code != EOF:
                first = answer.expect(DATA).text()
        if size is None:
            raise Refused(FAILURE, "the server does not tell the size of the file")
        return size, first[:size]

    def rest(self, handle: bytes, at: int, size: int, take: Callable[[memoryview], None]) -> Steps[None]:
        """Read an open file from byte `at` to `size`; `take` gets it piece by piece."""
        asked: dict[int, tuple[int, int]] = {}
        early: dict[int, bytes] = {}
        done = ahead = at
        while done < size:
            while ahead < size and ahead - done < _AHEAD:
                length = min(self.can_read, size - ahead)
                asked[self.ask(READ, text(handle) + struct.pack(">QI", ahead, length))] = ahead, length
                ahead += length
            answer = yield
            start, length = asked.pop(answer.number)
            if answer.kind == STATUS and answer.code == EOF:
                raise Refused(EOF, "the file ended early")
            data = answer.expect(DATA).data()
            count = len(data)
            if not 0 < count <= length:
                raise Refused(FAILURE, "the server gave another number of bytes than was asked for")
            if count < length:
                more = self.ask(READ, text(handle) + struct.pack(">QI", start + count, length - count))
                asked[more] = start + count, length - count
            if start != done:
                early[start] = bytes(data)
                continue
            take(data)
            done += count
            while done in early:
                piece = early.pop(done)
                take(memoryview(piece))
                done += len(piece)

    def write(self, handle: bytes, blocks: Iterable[bytes | memoryview], told: Callable[[int], None]) -> Steps[None]:
        """Write an open file from its beginning; `told` how many bytes of it the server has."""
        sizes: dict[int, int] = {}
        at = under_way = 0
        for block in blocks:
            number = self.ask(WRITE, text(handle) + struct.pack(">QI", at, len(block)), block)
            sizes[number] = len(block)
            at += len(block)
            under_way += len(block)
            while under_way >= _AHEAD:
                under_way -= yield from self._written(sizes, told)
        while sizes:
            yield from self._written(sizes, told)

    @staticmethod
    def _written(sizes: dict[int, int], told: Callable[[int], None]) -> Steps[int]:
        answer = yield
        size = sizes.pop(answer.number)
        answer.expect(STATUS)
        told(size)
        return size

    def rename(self, source: bytes, target: bytes) -> Steps[None]:
        """Give a file the name of another, which it replaces."""
        if _POSIX_RENAME in self._extensions:
            self.ask(EXTENDED, text(_POSIX_RENAME) + text(source) + text(target))
            answer = yield
            answer.expect(STATUS)
            return
        try:
            yield from self.do(RENAME, source, text(target))
        except Refused:  # a server that replaces nothing by renaming
            with contextlib.suppress(Refused):
                yield from self.do(REMOVE, target)
            yield from self.do(RENAME, source, text(target))

    def room(self, path: bytes) -> Steps[int | None]:
        """The bytes that we may still write where `path` is, 0 if no file may be made; None: not told."""
        if _STATVFS not in self._extensions:
            return None
        number = self.ask(EXTENDED, text(_STATVFS) + text(path))
        while (answer := (yield)).number != number:  # what was asked before the failure is answered first
            pass
        if answer.kind != EXTENDED_REPLY:
            return None
        found = [answer.number64() for _ in range(8)]  # bsize, frsize, blocks, bfree, bavail, files, ffree, favail
        return found[1] * found[4] if found[7] or not found[5] else 0

    def names(self, folder: bytes) -> Steps[list[tuple[bytes, Attributes]]]:
        """What lies in a folder."""
        handle = (yield from self.do(OPENDIR, folder)).text()
        found: list[tuple[bytes, Attributes]] = []
        while True:
            self.ask(READDIR, text(handle))
            answer = yield
            if answer.kind == STATUS and answer.code == EOF:
                break
            for _ in range(answer.expect(NAME).number32()):
                name, _ = answer.text(), answer.data()
                found.append((name, answer.attributes()))
        self.drop(handle)
        return [entry for entry in found if entry[0] not in (b".", b"..")]

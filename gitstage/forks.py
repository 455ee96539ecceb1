"""Work on many small files, done beside each other by forks of this process.

A small file costs a dozen short system calls, between which threads would only wait for the interpreter. A fork is there
in 2 ms, knows all that its parent knows, and ends with an answer that marshal can write.
"""

from __future__ import annotations

import marshal
import os
import struct
from collections.abc import Callable, Iterator, Sequence

from gitstage import progress
from gitstage.static import Any, NoReturn, TypeVar

_Item = TypeVar("_Item")

LEAST = 500
"""Items that are worth a fork."""
_MOST = 8
_OFTEN = 50  # files after which a fork says how far it is, and looks whether its parent lives
_FRAME = struct.Struct("<IQ")  # files, bytes
_ANSWER = 0xFFFFFFFF  # instead of a number of files: what follows is the answer


def in_forks(work: Callable[[Sequence[_Item]], Any], items: Sequence[_Item]) -> Iterator[Any]:
    """What `work` returns for consecutive parts of `items`, in their order; a part is done in a fork, or here.

    Done in a fork, what it changes in memory is lost, and it must say by `progress.done` that a file is done. If a fork
    fails in any way, its part is done here once more: `work` must be able to go on with what is half done, and what it
    raises here is raised.
    """
    count = min(_processors(), len(items) // LEAST, _MOST)
    if count < 2 or not hasattr(os, "fork"):
        yield work(items)
        return
    size = -(-len(items) // count)
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    forks: list[_Fork] = []
    try:
        for part in parts:
            forks.append(_Fork(work, part))
        _listen(forks)
        for fork, part in zip(forks, parts, strict=True):
            answer = fork.answer()
            if answer is None:
                answer = (work(part),)
            yield answer[0]
    finally:
        for fork in forks:
            fork.end()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Fork:
    """A fork that does one part, and the pipe by which it answers. None is made where the system has no more processes."""

    def __init__(self, work: Callable[[Sequence[Any]], Any], part: Sequence[Any]) -> None:
        self.pid: int | None = None
        self.said = bytearray()
        self.is_over = True
        parent = os.getpid()
        self.pipe, end = os.pipe()
        try:
            self.pid = os.fork()
        except OSError:
            os.close(end)
            os.close(self.pipe)
            return
        if self.pid == 0:
            _work(work, part, end, parent)
        os.close(end)
        self.is_over = False

    def hear(self) -> None:
        """Take in what it says. The frames before its answer are told to whoever follows the progress."""
        block = os.read(self.pipe, 1 << 18)
        self.is_over = not block
        self.said += block
        while len(self.said) >= _FRAME.size:
            files, size = _FRAME.unpack_from(self.said)
            if files == _ANSWER:
                return
            del self.said[: _FRAME.size]
            progress.moved(size)
            for _ in range(files):
                progress.done()

    def answer(self) -> tuple[Any] | None:
        """What it answered; None if it failed."""
        ended_well = self.end()
        if not ended_well or len(self.said) <= _FRAME.size:
            return None
        said, self.said = self.said, bytearray()
        return (marshal.loads(memoryview(said)[_FRAME.size :]),)  # noqa: S302 - our own fork's

    def end(self) -> bool:
        """Wait for its end, or bring it about; whether it ended well."""
        if self.pid is None:
            return False
        pid, self.pid = self.pid, None
        os.close(self.pipe)
        if not self.is_over:
            os.kill(pid, 9)
        return os.waitpid(pid, 0)[1] == 0


def _listen(forks: Sequence[_Fork]) -> None:
    """Until all have ended."""
    import select

    poll = select.poll()
    running = {fork.pipe: fork for fork in forks if not fork.is_over}
    for pipe in running:
        poll.register(pipe, select.POLLIN)
    while running:
        for pipe, _ in poll.poll():
            running[pipe].hear()
            if running[pipe].is_over:
                poll.unregister(pipe)
                del running[pipe]


class _Gone(Exception):
    """The parent has died: nobody waits for what is done here."""


class _Teller:
    """Follows the progress of a fork, and tells its parent."""

    def __init__(self, pipe: int, parent: int) -> None:
        self.pipe, self.parent = pipe, parent
        self.files = self.size = 0

    def expect(self, count: int, size: int | None) -> None:
        pass

    def moved(self, key: str, size: int) -> None:
        self.size += size

    def done(self, key: str) -> None:
        self.files += 1
        if self.files >= _OFTEN:
            if os.getppid() != self.parent:
                raise _Gone
            os.write(self.pipe, _FRAME.pack(self.files, self.size))
            self.files = self.size = 0


def _work(work: Callable[[Sequence[Any]], Any], part: Sequence[Any], pipe: int, parent: int) -> NoReturn:
    """Be the fork: do a part, answer, and end without any of what Python, or a caller of ours, does at its end."""
    code = 1
    try:
        teller = _Teller(pipe, parent)
        with progress.heard_by(teller):
            answer = marshal.dumps(work(part))
        rest = memoryview(_FRAME.pack(_ANSWER, 0) + answer)
        while rest:
            rest = rest[os.write(pipe, rest) :]
        code = 0
    finally:
        os._exit(code)

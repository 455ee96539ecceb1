"""What a transfer does and could not do."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from gitstage import terminal
from gitstage.errors import CacheMiss, GitstageError
from gitstage.pipeline import relative
from gitstage.static import TYPE_CHECKING, Any
from gitstage.ui import Ui

if TYPE_CHECKING:
    from gitstage.remote import Outcome, Problem

_DELAY = 0.5  # seconds before a bar is shown
_REFRESH = 0.05  # seconds from one change of it to the next
_SHOWN = 20  # problems


class Bar:
    """A bar with bytes, rate and time left on a terminal, once a transfer has taken half a second; else nothing."""

    def __init__(self, ui: Ui, verb: str) -> None:
        self._verb = verb
        self._shows = not ui.quiet and sys.stderr.isatty()
        self._lock = threading.Lock()
        self._next = time.monotonic() + _DELAY
        self._count = self._done = self._moved = 0
        self._size: int | None = 0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._next = 0.0
            self._show()
            self._bar.stop()

    def expect(self, count: int, size: int | None) -> None:
        with self._lock:
            self._count += count
            self._size = None if self._size is None or size is None else self._size + size
        self._show()

    def moved(self, key: str, size: int) -> None:
        with self._lock:
            self._moved += size
        self._show()

    def done(self, key: str) -> None:
        with self._lock:
            self._done += 1
        self._show()

    def _show(self) -> None:
        if not self._shows or time.monotonic() < self._next:
            return
        with self._lock:
            self._next = time.monotonic() + _REFRESH
            if self._bar is None:
                self._bar, self._task = _rich_bar(self._verb)
                self._bar.start()
            objects = f"{self._done}/{self._count}" if self._count else f"{self._done}"
            self._bar.update(self._task, total=self._size or None, completed=self._moved, objects=objects)


def _rich_bar(verb: str) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    bar = Progress(
        TextColumn("{task.description} {task.fields[objects]}"), BarColumn(), DownloadColumn(binary_units=True),
        TransferSpeedColumn(), TimeRemainingColumn(), console=Console(file=terminal.raw(sys.stderr)), transient=True,
    )  # fmt: skip
    return bar, bar.add_task(verb, total=None, objects="")


def counted(count: int, done: str) -> str:
    """Such as "1 file pushed"."""
    return f"{count} file{'' if count == 1 else 's'} {done}"


def tell(ui: Ui, outcome: Outcome, done: str) -> None:
    """How much was moved. `done`: "pushed" or "fetched"."""
    if outcome.count:
        ui.say(counted(outcome.count, done))
    elif not outcome.problems:
        ui.say("Everything is up to date.")


def lines(problems: Sequence[Problem], cwd: str) -> list[str]:
    """Each problem once, and how many more there are."""
    found = list(dict.fromkeys(_line(one, cwd) for one in problems))
    return found[:_SHOWN] + ([f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else [])


def failure(ui: Ui, problems: Sequence[Problem], cwd: str, what: str, *, strict: bool = False) -> GitstageError | None:
    """Name what could not be moved, each once; the error to end with, if any is a failure.

    `what`: "pushed" or "fetched"; `strict`: what is never pushed has to be there, too.
    """
    failed = [one for one in problems if one.required or strict]
    for line in lines(failed if ui.quiet else problems, cwd):
        ui.complain(line)
    if not failed:
        return None
    count = len({(one.path, one.rev) for one in failed})
    kind = CacheMiss if all(one.is_absent for one in failed) else GitstageError
    hint = next((one.error.hint for one in failed if one.error.hint and not one.is_absent), None)
    return kind(f"{counted(count, f'could not be {what}')}", hint or _advice(failed, what))


def _advice(failed: Sequence[Problem], what: str) -> str:
    if not all(one.is_absent for one in failed):
        return f"git stage {'push' if what == 'pushed' else 'fetch'}"
    if what == "fetched" and any(one.required for one in failed):
        return "git stage push, in a clone that has it"
    return "git stage repro"


def _line(problem: Problem, cwd: str) -> str:
    text = str(problem.error) + ("" if problem.required else "; it is never pushed")
    shown = relative(problem.path, cwd)
    if text.startswith(problem.path):
        return shown + text[len(problem.path) :]
    where = f" ({problem.rev[:10]})" if problem.rev else ""
    return f"{shown}{where}: {text}"

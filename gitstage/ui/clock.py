"""What runs at the moment, since when, and how long it took last time; and a bar for the work on data in between."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time

from gitstage import events, terminal
from gitstage.ui import Ui, at_work

_TICK = 1.0  # seconds
_WORTH_TELLING = 1.0  # seconds that a stage takes


def spelled(seconds: float) -> str:
    """Such as "12 s", "3:20 min" or "2:05 h"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60}:{whole % 60:02} min" if whole < 3600 else f"{whole // 3600}:{whole % 3600 // 60:02} h"


class Clock:
    """Follows the events of a run on a terminal; elsewhere it does nothing.

    While one command has the terminal, the time stands in the title of the window. Of several at once, whose lines we
    tell, it stands in the last line, which `pause` clears so that something can be printed.
    """

    def __init__(self, ui: Ui, doing: str) -> None:
        self.shows = not ui.quiet and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._ui, self._doing = ui, doing
        self._running: dict[str, tuple[float, float | None]] = {}
        self._is_side_by_side = False
        self._is_shown = False
        self._has_title = False
        self._bar = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Clock:
        if self.shows:
            self.resume()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.pause()
        if self._thread is not None:
            self._thread.join()
        if self._has_title:
            self._write("\033]0;\007")

    def pause(self) -> None:
        """Clear what is shown: something is about to be printed."""
        self._bar.close()
        with self._lock:
            if self._is_shown:
                self._write("\r\033[K")
                self._is_shown = False

    def resume(self) -> None:
        """Go on showing, if there is anything to show."""
        if not self.shows:
            return
        if not self._running:
            self._bar.enter_context(at_work(self._ui, self._doing))
        elif self._is_side_by_side:
            self._show()

    def follow(self, event: events.Event) -> str:
        """Take note of an event. Returns what is to be told beside it."""
        if not self.shows:
            return ""
        if isinstance(event, events.Running):
            self._running[event.label] = time.monotonic(), event.expected
            self._is_side_by_side |= len(self._running) > 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._tick, daemon=True)
                self._thread.start()
            if event.expected is not None and event.expected >= _WORTH_TELLING:
                return f"took {spelled(event.expected)} last time"
        elif isinstance(event, events.Said):
            self._is_side_by_side = True
        elif isinstance(event, (events.Ran, events.Failed)):
            self._running.pop(event.label, None)
            if isinstance(event, events.Ran) and event.seconds >= _WORTH_TELLING:
                return f"took {spelled(event.seconds)}"
        return ""

    def _tick(self) -> None:
        while not self._ended.wait(_TICK):
            self._show()

    def _show(self) -> None:
        now = time.monotonic()
        told = [
            f"{terminal.neutral(label)} {spelled(now - began)}" + (f" of about {spelled(expected)}" if expected else "")
            for label, (began, expected) in sorted(self._running.items())
        ]
        with self._lock:
            if not told or self._ended.is_set():
                return
            if self._is_side_by_side:
                width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
                self._write(f"\r\033[K{', '.join(told)[:width]}")
                self._is_shown = True
            else:
                self._write(f"\033]0;{told[0]}\007")
                self._has_title = True

    @staticmethod
    def _write(text: str) -> None:
        stream = terminal.raw(sys.stderr)
        with contextlib.suppress(OSError):
            stream.write(text)
            stream.flush()

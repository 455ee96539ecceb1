"""The commands of stages: started by the user's shell, and ended before us when a signal comes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping

from gitstage.errors import Interrupted, StageFailed
from gitstage.events import Event, Said
from gitstage.git import clean_env
from gitstage.pipeline import Stage
from gitstage.project import Project
from gitstage.static import IO

_STOPPED = frozenset(n for s in (1, 2, 15) for n in (-s, 128 + s))  # exit codes after SIGHUP, SIGINT, SIGTERM
_LAST_WORDS = 1.0  # seconds; what a command left running may hold its output open for ever


class Commands:
    """The commands that run now, and the signals that came meanwhile. `say` is told what they write, if several run at once."""

    def __init__(self, say: Callable[[Stage, Event], None] | None = None) -> None:
        self.say = say
        self.stopped: list[int] = []
        self.came = threading.Event()
        self._processes: set[subprocess.Popen[bytes]] = set()

    @contextlib.contextmanager
    def running(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        self._processes.add(process)
        try:
            yield
        finally:
            self._processes.discard(process)

    def stop(self, signum: int, _: object) -> None:
        """A signal that would end us: the commands end first, and the old state returns."""
        self.stopped.append(signum)
        self.came.set()
        if signum == signal.SIGINT:  # Ctrl-C reaches the commands by itself
            if len(self.stopped) > 1:
                for process in [*self._processes]:
                    process.kill()
        elif hasattr(os, "killpg") and os.getpgrp() == os.getpid():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.killpg(0, signal.SIGTERM)  # all that the commands started, too
        else:
            for process in [*self._processes]:
                process.terminate()


def run(project: Project, stage: Stage, command: str, commands: Commands) -> None:
    """Run one shell with our own stdin, stdout and stderr; where several run at once, their lines are told as events.

    Raises StageFailed, or Interrupted after Ctrl-C.
    """
    label = stage.label(project.cwd)
    environment = clean_env(os.environ)
    environment.setdefault("DVC_ROOT", project.root)
    environment["DVC_STAGE"] = label
    sys.stdout.flush()
    streams: dict[str, int] = {}
    if commands.say is not None:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with handling(commands.stop):
        if not commands.stopped:
            process = subprocess.Popen(
                [*_shell(environment), command], cwd=project.worktree.absolute(stage.wdir), env=environment,
                pass_fds=(project.scratch.handle,), **streams,
            )  # type: ignore[call-overload]  # fmt: skip
            with commands.running(process):
                listeners = [_listen(commands, stage, label, process.stdout, False)] if streams else []
                listeners += [_listen(commands, stage, label, process.stderr, True)] if streams else []
                code = process.wait()
                for listener in listeners:
                    listener.join(_LAST_WORDS)
    if commands.say is not None and code in _STOPPED:
        commands.came.wait(_LAST_WORDS)  # the signal that ended the command is for us, too, but another thread takes it
    if commands.stopped:
        raise Interrupted("interrupted; the earlier outputs are back, nothing was recorded")
    if code:
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        raise StageFailed(f"the command failed with {how}: {command}")


def _shell(environment: Mapping[str, str]) -> list[str]:
    shell = environment.get("SHELL") or "/bin/sh"
    flags = {"bash": ["--noprofile", "--norc"], "zsh": ["--no-rcs"], "fish": ["--no-config"]}
    return [shell, *flags.get(os.path.basename(shell), []), "-c"]


def _listen(commands: Commands, stage: Stage, label: str, stream: IO[bytes], is_error: bool) -> threading.Thread:
    def listen() -> None:
        assert commands.say is not None
        for line in stream:
            commands.say(stage, Said(label, line.decode("utf-8", "backslashreplace").rstrip("\r\n"), is_error))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    return thread


@contextlib.contextmanager
def handling(stop: Callable[[int, object], None]) -> Iterator[None]:
    """Signals that would end us go to `stop`, so that the command ends first and the old state returns."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    earlier = {}
    try:
        for name in names:
            number = getattr(signal, name, None)
            if number is not None:
                earlier[number] = signal.signal(number, stop)
    except ValueError:  # not in the main thread: whoever started us handles signals
        pass
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)

"""A short process, run to its end without subprocess."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from gitstage.processes import Ended, run

ENV = dict(os.environ)


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_both_streams_beyond_what_pipes_hold() -> None:
    code = "import os\nfor fd, sign in (2, b'e'), (1, b'o'), (2, b'E'), (1, b'O'): os.write(fd, sign * 300_000)"
    done = run(python(code), ENV)
    assert done == Ended(0, b"o" * 300_000 + b"O" * 300_000, b"e" * 300_000 + b"E" * 300_000)


def test_it_reads_nothing_and_gets_the_environment() -> None:
    done = run(python("import os, sys; print(repr(sys.stdin.read()), os.environ['A'])"), {**ENV, "A": "given"})
    assert done.stdout == b"'' given\n"
    assert run(["cat"], ENV, b"given").stdout == b"given"


def test_how_it_ends() -> None:
    assert run(python("raise SystemExit(3)"), ENV).returncode == 3
    assert run(python("import os; os.kill(os.getpid(), 9)"), ENV).returncode == -9


def test_a_broken_pipe_ends_it() -> None:
    """Python ignores the signal, and whom it starts would, too."""
    assert run(["sh", "-c", "kill -PIPE $$; echo alive"], ENV) == Ended(-signal.SIGPIPE, b"", b"")


def test_found_on_the_path_that_is_given(tmp_path: Path) -> None:
    for folder, text in (("a", None), ("b", "echo b"), ("c", "echo c")):
        (tmp_path / folder).mkdir()
        if text:
            (tmp_path / folder / "prog").write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / folder / "prog").chmod(0o755)
    (tmp_path / "a/prog").mkdir()
    path = os.pathsep.join(str(tmp_path / folder) for folder in "abc") + os.pathsep + ENV["PATH"]
    assert run(["prog"], {**ENV, "PATH": path}).stdout == b"b\n"
    (tmp_path / "b/prog").chmod(0o644)
    assert run(["prog"], {**ENV, "PATH": path}).stdout == b"c\n"
    (tmp_path / "c/prog").chmod(0o644)
    with pytest.raises(PermissionError) as refused:
        run(["prog"], {**ENV, "PATH": path})
    assert refused.value.filename == "prog"
    with pytest.raises(FileNotFoundError) as missing:
        run(["no-such-program"], ENV)
    assert missing.value.filename == "no-such-program"


def test_interrupted_it_does_not_live_on(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(["sh", "-c", f"trap '' INT; echo $$ > {pid_file}; exec sleep 30"], ENV)
    finally:
        signal.signal(signal.SIGINT, earlier)
    time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_no_descriptor_is_left() -> None:
    before = os.listdir("/dev/fd")
    run(["true"], ENV)
    with pytest.raises(FileNotFoundError):
        run(["no-such-program"], ENV)
    assert os.listdir("/dev/fd") == before

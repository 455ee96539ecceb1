"""On a terminal, work shows how far it has come; anywhere else there are plain lines only."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

from support import Repo

QUIET = r"\x1b\]0;[^\x07]*\x07|\x1b\[[0-9;?]*[A-Za-z]|\r"


def on_terminal(repo: Repo, *argv: str) -> tuple[int, str]:
    """Run a command on a terminal of its own; its exit code and all that it wrote."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    env = repo.env | {"TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.Popen(argv, cwd=repo.path, env=env, stdin=side, stdout=side, stderr=side, start_new_session=True)
    os.close(side)
    shown, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([main], [], [], 0.1)[0]:
            try:
                block = os.read(main, 65536)
            except OSError:  # the last one that had it open is gone
                break
            if not block:
                break
            shown += block
        elif done.poll() is not None:
            break
    os.close(main)
    return done.wait(10), shown.decode(errors="replace")


def plain(shown: str) -> str:
    return re.sub(QUIET, "", shown)


SLEEP = "stages:\n  slow:\n    cmd: sleep 2.2; echo made > out\n    deps: [in]\n    outs: [out]\n"


def test_a_running_stage_shows_how_long_it_takes(project: Repo) -> None:
    project.write({"dvc.yaml": SLEEP})
    project.write({"in": "1\n"})
    code, shown = on_terminal(project, "git-stage", "repro")
    assert code == 0
    assert "\x1b]0;slow 1 s\x07" in shown  # the title of the window
    assert "\x1b]0;\x07" in shown.partition("Updating lock file")[2] + shown.partition("Generating lock file")[2]
    assert "Stage 'slow' took 2 s" in plain(shown)
    assert "last time" not in plain(shown)

    project.write({"in": "2\n"})
    _, shown = on_terminal(project, "git-stage", "repro")
    assert "Stage 'slow' took 2 s last time" in plain(shown)
    assert "\x1b]0;slow 1 s of about 2 s\x07" in shown

    project.write({"in": "3\n"})
    piped = project.stage("repro", check=True)
    assert "took" not in piped.stdout + piped.stderr
    assert "\x1b" not in piped.stdout + piped.stderr


def test_stages_side_by_side_share_the_last_line(project: Repo) -> None:
    text = "stages:\n"
    for name in ("a", "b"):
        text += f"  {name}:\n    cmd: echo {name} starts; sleep 2.2; echo {name} > {name}.out\n    outs: [{name}.out]\n"
    project.write({"dvc.yaml": text})
    code, shown = on_terminal(project, "git-stage", "repro", "-j2")
    assert code == 0
    assert re.search(r"\r\x1b\[Ka 1 s, b 1 s", shown)
    lines = [line.strip() for line in plain(shown).splitlines()]
    assert {"a | a starts", "b | b starts"} <= {re.sub(r"^(a|b) \d s, (a|b) \d s", "", line) for line in lines}
    assert shown.count("\r\x1b[K") >= 3  # what was shown is cleared before the next line, and at the end


def test_reading_much_shows_a_bar(project: Repo) -> None:
    """A file that is read slowly: through a pipe that passes a megabyte at a time."""
    program = (
        "import sys, time\n"
        "from gitstage import digest\n"
        "real = digest.progress.moved\n"
        "def slow(size):\n    time.sleep(0.1)\n    real(size)\n"
        "digest.progress.moved = slow\n"
        "from gitstage.cli import main\n"
        "sys.exit(main())\n"
    )
    project.path.joinpath("slow.py").write_text(program)
    with open(project.path / "big", "wb") as stream:
        stream.truncate(12 << 20)
    code, shown = on_terminal(project, sys.executable, "slow.py", "add", "big")
    assert code == 0
    text = plain(shown)
    assert re.search(r"Adding \d.*MiB", text), text
    assert "git add" in text

"""Two commands at once: the second waits for the first, and says for whom if that lasts."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import subprocess
import time

from support import Repo


def test_a_command_waits_and_says_for_whom(ran: Repo) -> None:
    fd = os.open(ran.path / ".dvc/tmp/lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.pwrite(fd, f" {os.getpid()}\n".encode(), 0)
    waiting = ran.start("git-stage", "status", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(2.8)
    assert waiting.poll() is None
    os.close(fd)
    out, err = waiting.communicate(timeout=20)
    assert (waiting.returncode, out) == (0, "Data and pipelines are up to date.\n")
    assert re.search(rf"waiting for process {os.getpid()} \(.+\) on {re.escape(socket.gethostname())} to be done", err)


def test_a_holder_that_is_not_seen_here_is_on_another_machine(ran: Repo) -> None:
    """The lock is held, but no process has that number here: a shared file system, or another container."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    fd = os.open(ran.path / ".dvc/tmp/lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.pwrite(fd, f" {gone.pid}\n".encode(), 0)
    os.ftruncate(fd, len(f" {gone.pid}\n"))
    waiting = ran.start("git-stage", "status")
    time.sleep(2.8)
    os.close(fd)
    assert f"waiting for process {gone.pid} of another machine" in waiting.communicate(timeout=20)[1]


def test_while_a_command_of_a_stage_runs_others_can_work(ran: Repo) -> None:
    pipeline = ran.read("dvc.yaml") + "  slow:\n    cmd: touch started; sleep 30; touch slow\n    outs:\n    - slow\n"
    ran.write({"dvc.yaml": pipeline})
    running = ran.start("git-stage", "repro", "-s", "slow", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(500):
            if ran.exists("started"):
                break
            time.sleep(0.02)
        ran.write({"src": "two\n"})
        assert "Running stage 's'" in ran.stage("repro", "-s", "s", check=True).stdout
        got = ran.stage("repro", "-s", "slow")
        assert got.returncode == 8
        assert "slow" in got.stderr
        assert str(running.pid) in got.stderr
    finally:
        running.terminate()
        _, err = running.communicate(timeout=20)
    assert running.returncode == 130, err
    assert not ran.exists("slow")

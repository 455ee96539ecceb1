"""Our locks and DVC's: each of the two programs respects the other's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import Repo, kill_group, new_repo, sealed_environment, wait_until

from gitstage import locks
from gitstage.errors import Busy
from gitstage.locks import PathLocks, RepoLock

PIPELINE = "stages:\n  s:\n    cmd: touch started; while [ ! -e go ]; do sleep 0.05; done; cp src out\n"
PIPELINE += "    deps: [src]\n    outs: [out]\n"


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("initialised")
    made = new_repo(folder / "repo", sealed_environment(folder / "home"))
    made.dvc("init", "-q", check=True)
    return made.path


@pytest.fixture
def beside(tmp_path: Path, environment: dict[str, str], initialised: Path) -> Repo:
    """A project whose stage `s`, src -> out, waits for the file `go`."""
    shutil.copytree(initialised, tmp_path / "repo")
    made = Repo(tmp_path / "repo", environment)
    made.write({"src": "one\n", "dvc.yaml": PIPELINE})
    return made


def tmp_dir(repo: Repo) -> str:
    return str(repo.path / ".dvc/tmp")


def path_locks(repo: Repo) -> PathLocks:
    return PathLocks(tmp_dir(repo), str(repo.path))


def entries(repo: Repo) -> dict[str, dict[str, object]]:
    """The path locks that are held; DVC leaves empty keys."""
    table = json.loads(repo.read(".dvc/tmp/rwlock"))
    return {kind: paths for kind, paths in table.items() if paths}


def started(repo: Repo) -> subprocess.Popen[str]:
    """A `dvc repro` whose command is running."""
    process = repo.start("dvc", "repro", "s")
    wait_until(lambda: repo.exists("started"), what="the command")
    return process


@pytest.mark.parametrize("hardlink", [False, True])
def test_dvc_waits_for_our_project_lock(beside: Repo, hardlink: bool) -> None:
    if hardlink:
        beside.write({".dvc/config": "[core]\n    hardlink_lock = true\n"})
    with RepoLock(tmp_dir(beside), timeout=0, hardlink_lock=hardlink):
        got = beside.dvc("add", "src")
        assert got.returncode == 1
        assert "Unable to acquire lock" in got.stderr
        assert not beside.exists("src.dvc")
    beside.dvc("add", "src", check=True)
    with RepoLock(tmp_dir(beside), timeout=0, hardlink_lock=hardlink):
        pass


def test_beside_a_command_that_dvc_runs(beside: Repo) -> None:
    process = started(beside)
    paths = path_locks(beside)
    out, src = (str(beside.path / name) for name in ("out", "src"))
    with pytest.raises(Busy) as caught, paths.hold(write=[out], command="git-stage run"):
        pass
    assert str(caught.value).startswith(f"out is in use by process {process.pid} (")
    assert str(caught.value).endswith("dvc repro s)")
    with pytest.raises(Busy, match="src is in use"), paths.hold(write=[src], command="git-stage run"):
        pass

    with RepoLock(tmp_dir(beside), timeout=0), paths.hold(read=[src], command="git-stage run"):
        pass
    assert set(entries(beside)["write"]) == {out}
    with paths.hold(read=[src], command="git-stage run"):  # DVC ends while we have an entry
        beside.write({"go": ""})
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        assert set(entries(beside)) == {"read"}
        assert set(entries(beside)["read"]) == {src}
    assert entries(beside) == {}
    beside.dvc("status", check=True)


def test_dvc_respects_our_path_locks(beside: Repo) -> None:
    beside.write({"go": ""})
    with path_locks(beside).hold(write=[str(beside.path / "out")], command="git-stage run train"):
        got = beside.dvc("repro")
        assert got.returncode == 255
        assert "'out' is busy" in got.stderr.replace(str(beside.path) + "/", "")
        assert "git-stage run train" in got.stderr
        assert not beside.exists("started")
    beside.dvc("repro", check=True)
    assert beside.read("out") == "one\n"


def test_what_a_killed_dvc_held_is_free(beside: Repo) -> None:
    process = started(beside)
    kill_group(process)
    process.communicate()
    out = str(beside.path / "out")
    assert out in entries(beside)["write"]
    with RepoLock(tmp_dir(beside), timeout=0), path_locks(beside).hold(write=[out], command="git-stage run"):
        assert set(entries(beside)) == {"write"}


def test_what_a_killed_process_of_ours_held_is_free(beside: Repo) -> None:
    out = str(beside.path / "out")
    script = f"""
from gitstage.locks import *
RepoLock({tmp_dir(beside)!r}).acquire()
with PathLocks({tmp_dir(beside)!r}, "/").hold(write=[{out!r}], read=[{out!r}], command="git-stage run"):
    print("held", flush=True)
    input()
"""
    env = {"PYTHONPATH": str(Path(locks.__file__).parent.parent)}
    process = beside.start(sys.executable, "-c", script, env=env, stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.communicate()
    beside.write({"go": ""})
    beside.dvc("repro", check=True)
    assert entries(beside) == {}
    assert beside.read("out") == "one\n"

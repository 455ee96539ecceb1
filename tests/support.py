"""A sealed Git repository to test in, the commands run in it, and pictures of its state to compare."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SCRIPTS = sysconfig.get_path("scripts")
"""Where the installed `git-stage`, `git-gitstage` and `dvc` of the running Python are."""

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "A"), ("EMAIL", "a@example.com"), ("DATE", "1500000000 +0000"))
}


ODD_NAMES = ["a b", "#x", "a*b", "[x]", "line\nfeed", "trailing ", ":colon", ":(top)q", "!not", "-n", "q?"]
"""File names that a shell, a pathspec or an ignore file takes for something else."""


def sealed_environment(home: Path) -> dict[str, str]:
    """An environment in which neither the user's settings nor the clock's zone can be seen.

    Makes `home` and the folders for DVC's settings below it.
    """
    folders = {name: home / name for name in ("gcfg", "scfg", "site", "xdg")}
    for folder in (home, *folders.values()):
        folder.mkdir(parents=True, exist_ok=True)
    (folders["gcfg"] / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    (home / ".gitconfig").touch()
    hidden = ("GIT_", "DVC_", "GITSTAGE_", "PYTHONDONTWRITEBYTECODE")  # the last: an installed program is compiled
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return (
        kept
        | IDENTITY
        | {
            "PATH": os.pathsep.join([SCRIPTS, os.environ.get("PATH", os.defpath)]),
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(folders["xdg"]),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
            "GIT_EDITOR": "true",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "TERM": "dumb",
            "COLUMNS": "200",
            "SHELL": "/bin/sh",
            "PYTHONHASHSEED": "0",
            "DVC_NO_ANALYTICS": "1",
            "DVC_GLOBAL_CONFIG_DIR": str(folders["gcfg"]),
            "DVC_SYSTEM_CONFIG_DIR": str(folders["scfg"]),
            "DVC_SITE_CACHE_DIR": str(folders["site"]),
        }
    )


RAN = "stages:\n  s:\n    cmd: cp src out\n    deps: [src]\n    outs: [out]\n"
"""The pipeline of the fixture `ran`."""


def md5(data: bytes | str) -> str:
    return hashlib.md5(data.encode() if isinstance(data, str) else data).hexdigest()


def picture(top: Path, skip: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """Everything below `top`: path -> (type, mode, MD5 or link target); `skip` names paths that are left out."""
    found: dict[str, tuple[str, ...]] = {}
    for base, folders, files in os.walk(top):
        for name in folders + files:
            full = os.path.join(base, name)
            path = os.path.relpath(full, top).replace(os.sep, "/")
            if path in skip:
                continue
            info = os.lstat(full)
            mode = f"{stat.S_IMODE(info.st_mode):04o}"
            if stat.S_ISLNK(info.st_mode):
                found[path] = ("link", os.readlink(full))
            elif stat.S_ISDIR(info.st_mode):
                found[path + "/"] = ("dir", mode)
            elif stat.S_ISREG(info.st_mode):
                with open(full, "rb") as stream:
                    found[path] = ("file", mode, md5(stream.read()))
            else:
                found[path] = ("other", mode)
        folders[:] = [
            d for d in folders if os.path.relpath(os.path.join(base, d), top).replace(os.sep, "/") not in skip
        ]
    return dict(sorted(found.items()))


class Repo:
    """A Git repository at `path`; every command runs in it with `env` and nothing else."""

    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self.path, self.env = path, dict(env)

    # Files

    def write(self, files: Mapping[str, str | bytes], mode: int | None = None) -> None:
        """Replace files; a new inode each, as an editor that saves by renaming does."""
        for path, data in files.items():
            target = self.path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(target):
                target.unlink()
            target.write_bytes(data.encode() if isinstance(data, str) else data)
            if mode is not None:
                target.chmod(mode)

    def append(self, path: str, text: str) -> None:
        with open(self.path / path, "a", encoding="utf-8", newline="") as stream:
            stream.write(text)

    def read(self, path: str) -> str:
        return (self.path / path).read_bytes().decode()

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.path / path)

    def remove(self, *paths: str) -> None:
        """Delete files and whole folders; each must be there."""
        for path in paths:
            target = self.path / path
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink()

    # Commands

    def run(
        self,
        *argv: str,
        check: bool = False,
        cwd: str = ".",
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; with `check`, anything but exit code 0 fails the test with all the command said."""
        got = subprocess.run(
            argv,
            cwd=self.path / cwd,
            env=self.env | dict(env or {}),
            input=stdin if stdin is not None else "",
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=timeout,
        )
        if check:
            assert got.returncode == 0, f"{' '.join(argv)}: exit {got.returncode}\n{got.stdout}{got.stderr}"
        return got

    def start(self, *argv: str, env: Mapping[str, str] | None = None, **more: Any) -> subprocess.Popen[str]:
        """Start a command as the leader of a process group of its own, so that signals can be sent to all of it."""
        options: dict[str, Any] = {
            "cwd": self.path,
            "env": self.env | dict(env or {}),
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "encoding": "utf-8",
            "start_new_session": True,
            # whoever started the tests in the background may have made them deaf to Ctrl-C
            "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        }
        return subprocess.Popen(argv, **(options | more))

    def git(self, *args: str, check: bool = True, **more: Any) -> str:
        return self.run("git", *args, check=check, **more).stdout

    def stage(self, *args: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return self.run("git-stage", *args, **more)

    def dvc(self, *args: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return self.run("dvc", *args, **more)

    def commit(self, message: str = "all", *args: str) -> str:
        """Commit the whole work tree; the new commit's id."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message, *args)
        return self.git("rev-parse", "HEAD").strip()

    # State

    def tree(self) -> dict[str, tuple[str, ...]]:
        """Every file, folder and link of the work tree, the cache and the settings; not `.git` and `.dvc/tmp`."""
        return picture(self.path, skip=(".git", ".dvc/tmp"))

    def cache(self) -> dict[str, tuple[str, ...]]:
        """Everything below `.dvc/cache`; folders left out."""
        return {path: entry for path, entry in picture(self.path / ".dvc/cache").items() if entry[0] != "dir"}

    def state(self) -> dict[str, Any]:
        """All that a refused command must leave as it was: files, cache, index, commits, settings, hooks."""
        return {
            "tree": self.tree(),
            "index": self.git("ls-files", "-s"),
            "refs": self.git("for-each-ref") + self.git("rev-parse", "HEAD", check=False),
            "config": (self.path / ".git/config").read_text() if (self.path / ".git").is_dir() else "",
            "hooks": picture(self.path / ".git/hooks") if (self.path / ".git").is_dir() else {},
        }

    def object(self, digest: str) -> Path:
        """Where the cache keeps content: "<32 hex digits>" or "<32 hex digits>.dir"."""
        return self.path / ".dvc/cache/files/md5" / digest[:2] / digest[2:]


_BATCH = """
import json, os, sys, tempfile
sys.path.insert(0, {here!r})
from support import picture
from dvc.cli import main
top, done, steps = os.getcwd(), [], json.load(sys.stdin)
ours, silence = os.dup(1), os.open(os.devnull, os.O_WRONLY)
os.dup2(silence, 2)
for step in steps:
    os.chdir(os.path.join(top, step["cwd"]))
    with tempfile.TemporaryFile("w+") as said:
        os.dup2(said.fileno(), 1)
        try:
            code = main(step["argv"])
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        said.seek(0)
        tree = picture(top, skip=(".git", ".dvc/tmp")) if step["look"] else {{}}
        done.append((code or 0, said.read(), tree))
with open(ours, "w") as stream:
    json.dump(done, stream)
"""


def dvc_steps(
    repo: Repo, steps: Sequence[Sequence[str]], cwd: str = ".", look: bool = True
) -> list[tuple[int, str, dict[str, tuple[str, ...]]]]:
    """Run dvc's command line for each step in one process, as its start costs ten times what a step does.

    Returns exit code, stdout and, with `look`, the tree (see Repo.tree) after each.
    """
    asked = json.dumps([{"argv": list(step), "cwd": cwd, "look": look} for step in steps])
    here = os.path.dirname(os.path.abspath(__file__))
    got = repo.run(sys.executable, "-c", _BATCH.format(here=here), stdin=asked, timeout=280)
    assert got.returncode == 0, got.stderr
    done = json.loads(got.stdout)
    return [(code, text, {path: tuple(entry) for path, entry in tree.items()}) for code, text, tree in done]


def compare_with_dvc(ours: Repo, theirs: Repo, steps: Sequence[Sequence[str]], cwd: str = ".") -> list[str]:
    """Do the same steps with git-stage in `ours` and with dvc in `theirs`; a line for each difference in the success of
    a step, or in the tree after it."""
    wrong = []
    for step, (code, _, tree) in zip(steps, dvc_steps(theirs, steps, cwd), strict=True):
        got = ours.stage(*step, cwd=cwd)
        if (got.returncode == 0) != (code == 0):
            wrong.append(f"{step}: exit {got.returncode}, dvc {code}\n{got.stderr}")
        if got.returncode:
            assert got.stderr.startswith("git-stage: ") and "Traceback" not in got.stderr, (step, got.stderr)
        wrong += [f"{step}: {line}" for line in differences(tree, ours.tree())]
    return wrong


def new_repo(path: Path, env: Mapping[str, str]) -> Repo:
    path.mkdir(parents=True)
    made = Repo(path, env)
    made.git("init", "-q", "-b", "main")
    return made


def conflict(repo: Repo, pipeline: str, theirs: str, ours: str) -> None:
    """A merge into `main` that stops: to the dvc.yaml of the text `pipeline`, branch `theirs` and `main` each added lines."""
    repo.git("checkout", "-q", "-b", "theirs")
    repo.write({"dvc.yaml": pipeline + theirs})
    repo.commit("theirs")
    repo.git("checkout", "-q", "main")
    repo.write({"dvc.yaml": pipeline + ours})
    repo.commit("ours")
    assert repo.run("git", "merge", "-q", "theirs").returncode


@contextlib.contextmanager
def mounted(folder: Path, *args: str) -> Iterator[bool]:
    """Mount something on `folder` for as long as this lasts; tells whether that is allowed here. `args`: of mount."""
    done = subprocess.run(["mount", *args, folder], capture_output=True, check=False).returncode == 0
    try:
        yield done
    finally:
        if done:
            subprocess.run(["umount", "-l", folder], check=True)


def small_disk(folder: Path, size: str) -> contextlib.AbstractContextManager[bool]:
    """A file system on `folder` of `size`, as in "8m". As `mounted`."""
    return mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "none")


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """One line for each place where two nested values differ."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        lines = []
        for key in sorted({*expected, *found}, key=str):
            inner = f"{path}/{key}" if path else str(key)
            if key not in found:
                lines.append(f"{inner}: missing, expected {shown(expected[key])}")
            elif key not in expected:
                lines.append(f"{inner}: unexpected {shown(found[key])}")
            else:
                lines += differences(expected[key], found[key], inner)
        return lines
    if type(expected) is type(found) and expected == found:
        return []
    if isinstance(expected, str) and isinstance(found, str) and "\n" in expected + found:
        lines = difflib.unified_diff(*(re.findall(r"[^\n]*\n|[^\n]+", text) for text in (expected, found)), n=1)
        return [f"{path}:", *("    " + repr(line)[1:-1] for line in lines)]
    return [f"{path}: expected {shown(expected)}\n{' ' * len(path)}     found {shown(found)}"]


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 2000 else text[:2000] + "..."


def wait_until(condition: Callable[[], bool], seconds: float = 30, what: str = "it") -> None:
    """Wait for a condition; the test fails if it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.01)


def kill_group(process: subprocess.Popen[Any], how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a started command and to all it started."""
    try:
        os.killpg(process.pid, how)
    except ProcessLookupError:
        pass


def python(code: str, *args: str) -> str:
    """A shell command that runs `code` with the Python of the tests."""
    words: Sequence[str] = (sys.executable, "-c", code, *args)
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)

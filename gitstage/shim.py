"""The `git` dispatcher: a small sh program on PATH before the real git that makes `git stage VERB` ours.

Git has a built-in called `stage` (it is `git add`), and nothing that Git reads can replace a built-in; only a program
that runs before it can. The same program serves as a shell function. The template is hooks/git-shim.sh.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gitstage.errors import GitstageError, SystemFailure, UsageError
from gitstage.fs import atomic_write
from gitstage.resources import fill, has_marker, template
from gitstage.static import Literal

MARKER = b"# gitstage-shim "
SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True, slots=True)
class Installed:
    """A dispatcher that was put in place. `first`: it is the `git` that a shell with this PATH finds."""

    path: str
    real: str
    action: Literal["installed", "updated", "unchanged"]
    first: bool


def default_folder(programs: str) -> str:
    """Where the dispatcher goes: beside our own commands (`programs`), unless a real git lies there."""
    git = os.path.join(programs, "git")
    return programs if not os.path.lexists(git) or is_dispatcher(git) else _own_folder()


def is_dispatcher(path: str) -> bool:
    """Whether `path` is a dispatcher of ours, of any version."""
    return has_marker(path, MARKER)


def real_git(leave_out: Collection[str] = ()) -> str | None:
    """The first git on PATH that is no dispatcher and not in the folders `leave_out`; an absolute path."""
    gits = [git for git in _gits() if not is_dispatcher(git) and os.path.dirname(git) not in leave_out]
    # Inside hooks and aliases PATH begins with the folder of Git's own programs. It has a git too, but not the user's.
    return next((git for git in gits if not _is_git_core(os.path.dirname(git))), gits[0] if gits else None)


def first_git() -> str | None:
    """What `command -v git` says, seen from the user's shell; None if PATH has no git."""
    return next((git for git in _gits() if not _is_git_core(os.path.dirname(git))), None)


def text(real: str, programs: str, verbs: Sequence[str]) -> str:
    """The dispatcher: hands over to `real`; finds git-gitstage on PATH or in the folder `programs`."""
    assert all(re.fullmatch("[a-z][a-z-]*", verb) for verb in verbs), verbs
    values = {"REAL": shlex.quote(real), "BIN": shlex.quote(programs), "VERBS": " ".join(verbs)}
    return fill(template("git-shim.sh"), values)


def install(folder: str, programs: str, verbs: Sequence[str]) -> Installed:
    """Write `folder`/git, or upgrade it. GitstageError if a real git is there, or if there is none anywhere."""
    folder = os.path.abspath(folder)
    path = os.path.join(folder, "git")
    before: bytes | None = None
    if os.path.lexists(path):
        if not is_dispatcher(path):
            raise GitstageError(f"{path} is not ours and is left alone", "--dir FOLDER puts the dispatcher elsewhere")
        with open(path, "rb") as stream:
            before = stream.read()
    real = real_git(leave_out=[folder])
    if real is None:
        raise GitstageError("found no real git on PATH", "install Git first")
    if os.path.realpath(os.path.dirname(real)) == os.path.realpath(folder):
        raise GitstageError(f"{real} is the real git, in the same folder", "--dir FOLDER puts the dispatcher elsewhere")
    new = os.fsencode(text(real, os.path.abspath(programs), verbs))
    unchanged = before == new and not os.path.islink(path) and stat.S_IMODE(os.stat(path).st_mode) == 0o755
    if not unchanged:
        try:
            os.makedirs(folder, exist_ok=True)
            _replace(path, new)
        except OSError as error:
            raise SystemFailure(f"{error.filename or path}: {error.strerror}") from error
    try:
        _verify(path, real)
    except GitstageError:
        with contextlib.suppress(OSError):
            _replace(path, before) if before is not None else os.unlink(path)
        raise
    first = first_git()
    action: Literal["installed", "updated", "unchanged"] = "installed" if before is None else "updated"
    return Installed(
        path,
        real,
        "unchanged" if unchanged else action,
        first is not None and os.path.realpath(first) == os.path.realpath(path),
    )


def find(folders: Sequence[str] = ()) -> str | None:
    """The dispatcher in one of `folders`, on PATH, or in the folder of its own; None if there is none."""
    candidates = [os.path.join(folder, "git") for folder in (*folders, _own_folder())]
    return next((os.path.abspath(git) for git in (*_gits(), *candidates) if is_dispatcher(git)), None)


def is_current(path: str, verbs: Sequence[str]) -> bool:
    """Is the dispatcher at `path` the one that this version writes for `verbs`?"""
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        found = stream.read()
    values = dict(re.findall(r"^(real|bin)=(.*)$", found, re.M))
    real, programs = ("".join(shlex.split(values.get(name, ""))) for name in ("real", "bin"))
    return found == text(real, programs, verbs)


def uninstall(folder: str) -> str | None:
    """Remove `folder`/git if it is ours, and the folder if it was made for it; None if there was nothing to remove."""
    path = os.path.join(os.path.abspath(folder), "git")
    if not os.path.lexists(path):
        return None
    if not is_dispatcher(path):
        raise GitstageError(f"{path} is not ours and is left alone")
    try:
        os.unlink(path)
    except OSError as error:
        raise SystemFailure(f"{path}: {error.strerror}") from error
    if os.path.dirname(path) == _own_folder():
        for made in (_own_folder(), os.path.dirname(_own_folder())):
            with contextlib.suppress(OSError):  # not empty
                os.rmdir(made)
    return path


def shell_function(shell: str, programs: str, verbs: Sequence[str]) -> str:
    """A function `git` for `shell`; it starts the dispatcher only where `stage` is among the arguments."""
    real = real_git()
    if real is None:
        raise GitstageError("found no real git on PATH", "install Git first")
    program = text(real, os.path.abspath(programs), verbs)
    if shell == "fish":
        quoted = "'" + program.replace("\\", "\\\\").replace("'", "\\'") + "'"
        return (
            "function git --wraps git\n"
            "    if contains -- stage $argv\n"
            f"        sh -c {quoted} git $argv\n"
            "    else\n"
            "        command git $argv\n"
            "    end\n"
            "end\n"
        )
    if shell not in SHELLS:
        raise UsageError(f"{shell}: no shell that is known here", " | ".join(SHELLS))
    return (
        "function git {\n"
        "  local argument\n"
        '  for argument in "$@"; do\n'
        '    if [ "$argument" = stage ]; then\n'
        f'      sh -c {shlex.quote(program)} git "$@"\n'
        "      return\n"
        "    fi\n"
        "  done\n"
        '  command git "$@"\n'
        "}\n"
    )


def _own_folder() -> str:
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, "gitstage", "shim")


def _gits() -> list[str]:
    folders = [folder for folder in os.get_exec_path() if os.path.isabs(folder)]
    gits = [os.path.join(folder, "git") for folder in folders]
    return [git for git in gits if os.path.isfile(git) and os.access(git, os.X_OK)]


def _is_git_core(folder: str) -> bool:
    return os.path.basename(folder) == "git-core" or folder == os.environ.get("GIT_EXEC_PATH")


def _replace(path: str, content: bytes) -> None:
    atomic_write(path, content, 0o755)
    os.chmod(path, 0o755)  # noqa: S103 - a program for everyone; an earlier file's mode is kept so far


def _verify(path: str, real: str) -> None:
    """Both must say the same version, or the dispatcher cannot run here (a file system without programs, no sh)."""
    answers = []
    for git in (real, path):
        try:
            answers.append(subprocess.run([git, "--version"], capture_output=True, timeout=20))
        except (OSError, subprocess.TimeoutExpired) as error:
            raise GitstageError(f"{git} --version does not run: {error}") from error
    if answers[0].stdout != answers[1].stdout or answers[1].returncode != 0:
        raise GitstageError(
            f"{path} does not lead to {real}: {os.fsdecode(answers[1].stderr).strip() or 'another git answers'}"
        )

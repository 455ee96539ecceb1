"""Puts our hooks into a repository and takes them out again.

A hook of ours is known by its second line. A hook that somebody else put there is moved to `HOOK.gitstage-prev`, runs
before ours, and is moved back, the same bytes, mode and time, when ours goes.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import shlex
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from gitstage.errors import GitstageError, SystemFailure
from gitstage.fs import atomic_write
from gitstage.git import Repo
from gitstage.hooks import driver
from gitstage.resources import fill, has_marker, template

MARKER = b"# gitstage-hook "
PREVIOUS = ".gitstage-prev"
MOVED_BY_OTHERS = ".legacy"  # where the pre-commit framework puts, and runs, a hook that it finds
_MADE_FOLDER = "hooks-folder-made"


@dataclass(frozen=True, slots=True)
class Hook:
    """What is special about a hook. `refuses`: Git acts on its exit code; `stdin`: Git tells it something there;
    `gates`: templates of the sh lines that find out, without starting Python, that there is nothing to do."""

    name: str
    refuses: bool
    stdin: bool
    gates: tuple[str, ...] = ()


HOOKS = (
    Hook("pre-commit", refuses=True, stdin=False, gates=("judged.sh",)),
    Hook("pre-merge-commit", refuses=True, stdin=False, gates=("judged.sh",)),
    Hook("post-checkout", refuses=False, stdin=False, gates=("post-checkout.sh", "changed.sh")),
    Hook("post-merge", refuses=False, stdin=False, gates=("unjudged.sh", "changed.sh")),
    Hook("post-rewrite", refuses=False, stdin=True, gates=("changed.sh",)),
    Hook("post-commit", refuses=False, stdin=False, gates=("unjudged.sh", "changed.sh")),
    Hook("post-applypatch", refuses=False, stdin=False, gates=("unjudged.sh", "changed.sh")),
    Hook("post-index-change", refuses=False, stdin=False, gates=("index-change.sh", "changed.sh")),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one hook. `path` is absolute; `previous`: the hook that runs before ours, or None."""

    hook: str
    path: str
    action: Literal["installed", "updated", "chained", "unchanged", "removed", "restored"]
    previous: str | None = None


def hook_text(hook: Hook, python: str) -> str:
    """The sh file for `hook`, starting the interpreter `python` (an absolute path)."""
    if hook.refuses:
        missing = "gitstage is gone, so nothing was checked; --no-verify or GITSTAGE_HOOKS=0 goes on without it"
    else:
        missing = "gitstage is gone, so no output was brought in line; GITSTAGE_HOOKS=0 silences this"
    values = {
        "NAME": hook.name,
        "PYTHON": shlex.quote(python),
        "STDIN": "in=$(cat)" if hook.stdin else "",
        "FEED": 'printf "%s${in:+\\n}" "$in" | ' if hook.stdin else "",
        "GATE": "\n".join(
            ['[ "${GITSTAGE_HOOKS-1}" != 0 ] || exit "$rc"', *(template(gate).rstrip("\n") for gate in hook.gates)]
        ),
        "MISSING": missing,
        "FAILED": '{ status=$?; rm -f "$judged"; [ "$rc" -ne 0 ] || rc=$status; }' if hook.refuses else ":",
    }
    return fill(template("hook.sh"), values)


def install(repo: Repo, python: str) -> list[Result]:
    """Install or upgrade every hook, or none. GitstageError if somebody else is in charge of the hooks' folder."""
    folder = _writable_folder(repo)
    made = not os.path.isdir(folder)
    results = []
    with _undo_on_failure() as undo:
        if made:
            os.makedirs(folder)
            undo.append(lambda: os.rmdir(folder))
            state = _state(repo)
            os.makedirs(os.path.dirname(state), mode=0o700, exist_ok=True)
            with open(state, "w"):
                pass
            undo.append(lambda: os.unlink(state))
        for hook in HOOKS:
            results.append(_install_one(folder, hook, os.fsencode(hook_text(hook, python)), undo))
        driver.install(repo, python, undo)
    return results


def uninstall(repo: Repo) -> list[Result]:
    """Take out our hooks, put back those that were there before. What is not ours is left alone."""
    folder = repo.hooks_dir()
    results = []
    with _undo_on_failure() as undo:
        for hook in HOOKS:
            previous = os.path.join(folder, hook.name) + PREVIOUS
            path = _ours(folder, hook.name)
            if path is None:
                continue
            _keep(path, undo)
            if os.path.lexists(previous):
                _rename(previous, path, undo)
                results.append(Result(hook.name, path, "restored"))
            else:
                os.unlink(path)
                results.append(Result(hook.name, path, "removed"))
        driver.uninstall(repo, undo)
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(repo.worktree_state_dir, "judged"))  # written by judged.sh
    state = _state(repo)
    if os.path.exists(state):
        for remove, path in ((os.rmdir, folder), (os.unlink, state), (os.rmdir, os.path.dirname(state))):
            with contextlib.suppress(OSError):  # not empty: somebody uses it by now
                remove(path)
    return results


def installed(repo: Repo) -> dict[str, str]:
    """The hooks of ours that are in place: name to absolute path."""
    folder = repo.hooks_dir()
    return {hook.name: path for hook in HOOKS if (path := _ours(folder, hook.name)) is not None}


def _state(repo: Repo) -> str:
    return os.path.join(repo.common_dir, "gitstage", _MADE_FOLDER)


def _writable_folder(repo: Repo) -> str:
    folder = repo.hooks_dir()
    setting = repo.git("config", "--show-scope", "--get", "core.hooksPath", check=False).decode(errors="replace")
    scope, _, value = setting.rstrip("\n").partition("\t")
    if scope in ("global", "system"):
        raise GitstageError(
            f"core.hooksPath is {value} in the {scope} Git configuration: those hooks belong to every repository",
            "git config core.hooksPath .git/hooks   # gives this repository hooks of its own",
        )
    if repo.top is not None and os.path.realpath(folder) == os.path.realpath(repo.top):
        raise GitstageError(
            "core.hooksPath is empty, so hooks would be files of the work tree", "git config --unset core.hooksPath"
        )
    if os.path.normpath(folder).endswith(os.path.join(".husky", "_")):
        lines = ", ".join(f'`git gitstage hook {hook.name} "$@"` to .husky/{hook.name}' for hook in HOOKS)
        raise GitstageError(f"husky writes the hooks of this repository ({folder})", f"add {lines}")
    return folder


def _is_ours(path: str) -> bool:
    return has_marker(path, MARKER)


def _ours(folder: str, name: str) -> str | None:
    path = os.path.join(folder, name)
    return next((found for found in (path, path + MOVED_BY_OTHERS) if _is_ours(found)), None)


def _install_one(folder: str, hook: Hook, text: bytes, undo: list[Callable[[], object]]) -> Result:
    path = _ours(folder, hook.name) or os.path.join(folder, hook.name)
    previous = os.path.join(folder, hook.name) + PREVIOUS
    action: Literal["installed", "updated", "chained"] = "installed"
    if _is_ours(path):
        if not os.path.islink(path) and _same(path, text):
            return Result(hook.name, path, "unchanged", previous if os.path.lexists(previous) else None)
        action = "updated"
        _keep(path, undo)
    elif os.path.isdir(path):
        raise GitstageError(f"{path} is a folder")
    elif os.path.lexists(path):
        if os.path.lexists(previous) and not _equal(path, previous):
            raise GitstageError(
                f"{path} and {previous} are two hooks, and only one can run before ours", "merge them into one"
            )
        action = "chained"
        _rename(path, previous, undo)
    _write(path, text, undo)
    return Result(hook.name, path, action, previous if os.path.lexists(previous) else None)


def _same(path: str, text: bytes) -> bool:
    with open(path, "rb") as stream:
        return stream.read() == text and stat.S_IMODE(os.stat(path).st_mode) == 0o755


def _equal(path: str, other: str) -> bool:
    """Both are the same link, or files of the same bytes."""
    if os.path.islink(path) or os.path.islink(other):
        return os.path.islink(path) and os.path.islink(other) and os.readlink(path) == os.readlink(other)
    return filecmp.cmp(path, other, shallow=False)


# Every change of the folder is one rename or unlink, and what undoes it is noted before.


@contextlib.contextmanager
def _undo_on_failure() -> Iterator[list[Callable[[], object]]]:
    undo: list[Callable[[], object]] = []
    try:
        yield undo
    except BaseException as error:
        for step in reversed(undo):
            with contextlib.suppress(OSError):
                step()
        if isinstance(error, OSError):
            raise SystemFailure(f"{error.filename}: {error.strerror}") from error
        raise


def _keep(path: str, undo: list[Callable[[], object]]) -> None:
    with open(path, "rb") as stream:
        text, mode = stream.read(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
    undo.append(lambda: _put(path, text, mode))


def _rename(old: str, new: str, undo: list[Callable[[], object]]) -> None:
    os.replace(old, new)
    undo.append(lambda: os.replace(new, old))


def _write(path: str, text: bytes, undo: list[Callable[[], object]]) -> None:
    new = not os.path.lexists(path)
    _put(path, text, 0o755)
    if new:
        undo.append(lambda: os.unlink(path))


def _put(path: str, text: bytes, mode: int) -> None:
    atomic_write(path, text, mode)
    os.chmod(path, mode)  # an earlier file's mode is kept so far

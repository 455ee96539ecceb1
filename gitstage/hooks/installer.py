"""Puts our hooks into a repository and takes them out again.

A hook of ours is known by its second line. A hook that somebody else put there is moved to `HOOK.gitstage-prev`, runs
before ours, and is moved back, the same bytes, mode and time, when ours goes. Where a manager of hooks would undo that, ours
is put where it lasts: husky.py, confighooks.py.
"""

from __future__ import annotations

import contextlib
import filecmp
import functools
import os
import shlex
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitstage import trust
from gitstage.errors import GitstageError
from gitstage.fs import UnsafePath
from gitstage.git import Repo, git_version, user_git
from gitstage.hooks import confighooks, driver, framework, husky, managers
from gitstage.hooks.changes import Changes
from gitstage.resources import fill, has_marker, template

MARKER = b"# gitstage-hook "
PREVIOUS = ".gitstage-prev"
MOVED_AND_RUN = ".legacy"  # where the pre-commit framework puts, and runs, a hook that it finds
MOVED_AND_DEAD = ".old"  # where lefthook puts one, and runs it no more
_MADE_FOLDERS = "hooks-folder-made"


@dataclass(frozen=True, slots=True)
class Hook:
    """What is special about a hook. `refuses`: Git acts on its exit code; `stdin`: Git tells it something there;
    `gates`: templates of the sh lines that find out, without starting Python, that there is nothing to do."""

    name: str
    refuses: bool
    stdin: bool
    gates: tuple[str, ...] = ()


HOOKS = (
    Hook("pre-commit", refuses=True, stdin=False, gates=("judged.sh", "staged.sh")),
    Hook("pre-merge-commit", refuses=True, stdin=False, gates=("judged.sh", "staged.sh")),
    Hook("pre-push", refuses=True, stdin=True, gates=("pre-push.sh",)),
    Hook("post-checkout", refuses=False, stdin=False, gates=("post-checkout.sh", "changed.sh")),
    Hook("post-merge", refuses=False, stdin=False, gates=("unjudged.sh", "changed.sh")),
    Hook("post-rewrite", refuses=False, stdin=True, gates=("sequence.sh", "changed.sh")),
    Hook("post-commit", refuses=False, stdin=False, gates=("unjudged.sh", "sequence.sh", "changed.sh")),
    Hook("post-applypatch", refuses=False, stdin=False, gates=("unjudged.sh", "sequence.sh", "changed.sh")),
    Hook("post-index-change", refuses=False, stdin=False, gates=("index-change.sh", "sequence.sh", "changed.sh")),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one hook. `path` is absolute. `action`: installed, updated, chained (and installed), unchanged,
    removed, restored (and removed), or left, because a manager runs ours by its own configuration file `path`.
    `previous`: the hook that runs before ours, or None. `manager`: who made that hook, or runs ours."""

    hook: str
    path: str
    action: str
    previous: str | None = None
    manager: str | None = None


FILE, UNDER_HUSKY, IN_CONFIG, LEFT, DEAD = "file", "husky", "config", "left", "dead"
"""How a hook of ours is run: as a file in the hooks' folder; by the script that husky runs; as the Git configuration
says; by a manager's own configuration; not at all, for a manager moved it away."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hook of ours is. `path`: what Git or a manager runs; `file`: the sh file that starts Python, or would if
    it were there; None if git-gitstage is run instead."""

    hook: Hook
    path: str
    file: str | None
    how: str


def hook_text(hook: Hook, python: str) -> str:
    """The sh file for `hook`, starting the interpreter `python` (an absolute path)."""
    if hook.refuses:
        missing = "gitstage is gone, so nothing was checked; --no-verify or GITSTAGE_HOOKS=0 goes on without it"
    else:
        missing = "gitstage is gone, so no output was brought in line; GITSTAGE_HOOKS=0 silences this"
    forget = ' rm -f "$judged";' if "judged.sh" in hook.gates else ""
    values = {
        "NAME": hook.name,
        "PYTHON": shlex.quote(python),
        "STDIN": "in=$(cat)" if hook.stdin else "",
        "FEED": 'printf "%s${in:+\\n}" "$in" | ' if hook.stdin else "",
        "GATE": "\n".join(
            ['[ "${GITSTAGE_HOOKS-1}" != 0 ] || exit "$rc"', *(template(gate).rstrip("\n") for gate in hook.gates)]
        ),
        "MISSING": missing,
        "FAILED": f'{{ status=$?;{forget} [ "$rc" -ne 0 ] || rc=$status; }}' if hook.refuses else ":",
    }
    return fill(template("hook.sh"), values)


# one repository


def install(repo: Repo, python: str, *, in_config: bool = False) -> list[Result]:
    """Install or upgrade every hook, or none; they start the interpreter `python`.

    `in_config`: name them in the repository's Git configuration, not in its hooks' folder. GitstageError if somebody
    else is in charge of the folder, or if Git is too old.
    """
    config = functools.partial(repo.git, "config", "--local", locks=True)
    if in_config:
        confighooks.require_version()
    elif git_version() >= confighooks.NEEDED:
        in_config = bool(confighooks.present(config))  # as it was; `uninstall` changes that
    with Changes() as changes:
        driver.install(repo, python, changes)
        if in_everybodys_config():  # and would run twice
            _uninstall_files(repo, changes)
            _uninstall_from_config(config, changes)
            folder = os.path.join(_data_folder(), "hooks")
            return [Result(hook.name, os.path.join(folder, hook.name), "unchanged") for hook in HOOKS]
        if in_config:
            _uninstall_files(repo, changes)
            return _install_in_config(config, _own_folder(repo), python, changes)
        folder = _folder(repo)
        _uninstall_from_config(config, changes)  # which this Git does not look at
        made = changes.make_folder(folder)
        if made:
            _note_made(repo.state_dir, made, changes)
        scripts = managers.husky_folder(folder)
        if scripts is not None:
            return _install_under_husky(folder, scripts, _own_folder(repo), python, changes)
        return [_install_one(folder, hook, python, changes, top=repo.top) for hook in HOOKS]


def install_in_framework(repo: Repo, python: str) -> tuple[str, bool]:
    """Make the pre-commit framework's configuration at the top of the work tree run our hooks, as far as it can, and
    install the merge driver. Returns the configuration's path and whether it was changed."""
    if repo.top is None:
        raise GitstageError(f"{repo.git_dir}: has no work tree, and so no .pre-commit-config.yaml")
    with Changes() as changes:
        driver.install(repo, python, changes)
        return framework.configure(repo.top, framework_types(), changes)


def framework_types() -> list[str]:
    """Our hooks that the pre-commit framework can run."""
    return [hook.name for hook in HOOKS if hook.name in framework.TYPES]


def uninstall(repo: Repo) -> list[Result]:
    """Take out our hooks, put back those that were there before. What is not ours is left alone."""
    with Changes() as changes:
        results = _uninstall_files(repo, changes)
        results += _uninstall_from_config(functools.partial(repo.git, "config", "--local", locks=True), changes)
        _remove_hook_files(_own_folder(repo), changes)
        driver.uninstall(repo, changes)
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(repo.worktree_state_dir, "judged"))  # written by judged.sh
    _remove_made(repo.state_dir)
    return results


def installed(repo: Repo) -> dict[str, str]:
    """The hooks of ours that are in place and run: name -> absolute path of what Git, or a manager, runs."""
    return {name: place.path for name, place in locate(repo).items() if place.how != DEAD}


def locate(repo: Repo) -> dict[str, Place]:
    """Where each hook of ours is, by name; those that are nowhere are left out."""
    folder = current_folder(repo)
    scripts = managers.husky_folder(folder)
    of_repo, of_user = (
        confighooks.present(config) for config in (functools.partial(repo.git, "config", "--local"), _user_config)
    )
    places = {}
    for hook in HOOKS:
        place = None
        path = os.path.join(folder, hook.name)
        file = os.path.join(_own_folder(repo), hook.name)
        found = _ours(folder, hook.name)
        if found is not None:
            place = Place(hook, found, found, DEAD if found.endswith(MOVED_AND_DEAD) else FILE)
        elif scripts is not None and husky.is_in(os.path.join(scripts, hook.name)):
            place = Place(hook, os.path.join(scripts, hook.name), file, UNDER_HUSKY)
        elif hook.name in of_repo:
            place = Place(hook, file, file, IN_CONFIG)
        elif hook.name in of_user:
            file = os.path.join(_data_folder(), "hooks", hook.name)
            place = Place(hook, file, file, IN_CONFIG)
        elif repo.top is not None:
            setting = managers.configured(repo.top, managers.of_hook(path), hook.name)
            place = Place(hook, os.path.join(repo.top, setting), None, LEFT) if setting else None
        if place is not None:
            places[hook.name] = place
    return places


def _own_folder(repo: Repo) -> str:
    """Where the hook files are that are run by a line elsewhere."""
    return os.path.join(repo.state_dir, "hooks")


def _folder(repo: Repo) -> str:
    """The folder that Git takes hooks from. GitstageError if it is not this repository's alone."""
    scope, value = hooks_path(repo)
    if value == "":
        raise GitstageError(
            "core.hooksPath is empty, so hooks would be files of the work tree", "git config --unset core.hooksPath"
        )
    if scope in ("global", "system"):
        raise GitstageError(
            f"core.hooksPath is {value} in the {scope} Git configuration: those hooks belong to every repository",
            "git stage install --global, or for hooks of this repository alone: git config core.hooksPath .git/hooks",
        )
    if value is not None and repo.top is not None and not os.path.isabs(os.path.expanduser(value)):
        own = (repo.top, repo.common_dir)
        if not value.startswith("..") and not any(
            trust.is_below(os.path.join(repo.top, value), folder) for folder in own
        ):
            raise UnsafePath(f"core.hooksPath: {value} is, by a symlink, a folder outside the repository")
    return repo.hooks_dir()


def current_folder(repo: Repo) -> str:
    """The folder that Git takes hooks from, whoever it belongs to."""
    return repo.hooks_dir() if hooks_path(repo)[1] != "" else repo.top or repo.git_dir


def hooks_path(repo: Repo) -> tuple[str, str] | tuple[None, None]:
    """core.hooksPath: the scope that it is set in ("local", "worktree", "global", ...) and its value."""
    setting = os.fsdecode(repo.git("config", "--show-scope", "--get", "core.hooksPath", check=False))
    scope, tab, value = setting.removesuffix("\n").partition("\t")
    return (scope, value) if tab else (None, None)


def _uninstall_files(repo: Repo, changes: Changes) -> list[Result]:
    """From the folder that Git uses now, unless it is everybody's, from the one that it uses by default, and from the
    scripts of husky."""
    default = os.path.join(repo.common_dir, "hooks")
    scope, value = hooks_path(repo)
    folders = [default] if scope in ("global", "system") or value == "" else [repo.hooks_dir(), default]
    results = []
    for folder in dict.fromkeys(folders):
        results += _uninstall_from(folder, changes)
        scripts = managers.husky_folder(folder)
        for hook in HOOKS if scripts else ():
            path = os.path.join(scripts or "", hook.name)
            action = husky.take_out(path, changes)
            if action is not None:
                results.append(Result(hook.name, path, action, manager=managers.HUSKY))
    return results


# everybody's repositories, and those to come


def install_global(python: str) -> list[Result]:
    """For every repository of this user: in the folder that core.hooksPath names for all of them, if it does; else in
    the Git configuration, which needs Git 2.54."""
    shared = _shared_folder()
    with Changes() as changes:
        if shared is not None and not in_everybodys_config():
            return _install_in(shared, python, changes)
        confighooks.require_version()
        return _install_in_config(_user_config, os.path.join(_data_folder(), "hooks"), python, changes)


def uninstall_global() -> list[Result]:
    """Undo install_global."""
    shared = _shared_folder()
    with Changes() as changes:
        results = _uninstall_from(shared, changes) if shared is not None else []
        results += _uninstall_from_config(_user_config, changes)
        _remove_hook_files(os.path.join(_data_folder(), "hooks"), changes)
    if shared is not None:
        _remove_made(_data_folder(), within=shared)
    return results


def install_in_template(folder: str, python: str) -> list[Result]:
    """Into `folder`/hooks: `git clone` and `git init` copy what is in the folder that init.templateDir names."""
    with Changes() as changes:
        return _install_in(os.path.join(os.path.abspath(folder), "hooks"), python, changes)


def uninstall_from_template(folder: str) -> list[Result]:
    """Undo install_in_template."""
    hooks = os.path.join(os.path.abspath(folder), "hooks")
    with Changes() as changes:
        results = _uninstall_from(hooks, changes)
    _remove_made(_data_folder(), within=os.path.abspath(folder))
    return results


def is_template(folder: str) -> bool:
    """Is `folder` what this user's `git clone` and `git init` copy from?"""
    value = os.fsdecode(_user_config("--type=path", "--get", "init.templateDir", check=False)).removesuffix("\n")
    return bool(value) and os.path.realpath(value) == os.path.realpath(folder)


def in_everybodys_config() -> bool:
    """Does this user's Git configuration run our hooks in every repository?"""
    return git_version() >= confighooks.NEEDED and bool(confighooks.present(_user_config))


def _user_config(*args: str, check: bool = True) -> bytes:
    return user_git("config", "--global", *args, check=check)


def _shared_folder() -> str | None:
    value = os.fsdecode(_user_config("--type=path", "--get", "core.hooksPath", check=False)).removesuffix("\n")
    return value if os.path.isabs(value) else None  # a relative one is of each repository's work tree


def _data_folder() -> str:
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, "gitstage")


def _install_in(folder: str, python: str, changes: Changes) -> list[Result]:
    made = changes.make_folder(folder)
    if made:
        _note_made(_data_folder(), made, changes)
    return [_install_one(folder, hook, python, changes) for hook in HOOKS]


# one folder of hook files


def is_ours(path: str) -> bool:
    """Is the hook file at `path` one of ours, of any version?"""
    return has_marker(path, MARKER, sure=True)


def _ours(folder: str, name: str) -> str | None:
    """Where our hook is: under its name, or where a manager moved it."""
    path = os.path.join(folder, name)
    return next((found for found in (path, path + MOVED_AND_RUN, path + MOVED_AND_DEAD) if is_ours(found)), None)


def _install_one(folder: str, hook: Hook, python: str, changes: Changes, top: str | None = None) -> Result:
    text = os.fsencode(hook_text(hook, python))
    path = os.path.join(folder, hook.name)
    previous = path + PREVIOUS
    if top is not None and (left := _left_to_manager(path, top, hook, changes)) is not None:
        return left
    found = _ours(folder, hook.name)
    if found is not None and found.endswith(MOVED_AND_DEAD):
        changes.remove(found)
        found = None
    action = "installed"
    if found is not None:
        path = found
        if not os.path.islink(path) and _same(path, text):
            return Result(hook.name, path, "unchanged", *_before(previous))
        action = "updated"
    elif os.path.isdir(path):
        raise GitstageError(f"{path} is a folder")
    elif os.path.lexists(path):
        if os.path.lexists(previous) and not _equal(path, previous):
            raise GitstageError(
                f"{path} and {previous} are two hooks, and only one can run before ours", "merge them into one"
            )
        action = "chained"
        changes.give_way(path, previous)
    changes.write(path, text)
    return Result(hook.name, path, action, *_before(previous))


def _before(previous: str) -> tuple[str | None, str | None]:
    return (previous, managers.of_hook(previous)) if os.path.lexists(previous) else (None, None)


def _left_to_manager(path: str, top: str, hook: Hook, changes: Changes) -> Result | None:
    """If the manager whose file is, or was, at `path` is configured to run ours: take our file out, it would be the
    second."""
    was_there = path + PREVIOUS
    manager = managers.of_hook(was_there if is_ours(path) else path)
    file = managers.configured(top, manager, hook.name)
    if file is None:
        return None
    _uninstall_one(os.path.dirname(path), hook, changes)
    return Result(hook.name, os.path.join(top, file), "left", manager=manager)


def _uninstall_from(folder: str, changes: Changes) -> list[Result]:
    return [done for hook in HOOKS if (done := _uninstall_one(folder, hook, changes)) is not None]


def _uninstall_one(folder: str, hook: Hook, changes: Changes) -> Result | None:
    path = _ours(folder, hook.name)
    if path is None:
        return None
    previous = os.path.join(folder, hook.name) + PREVIOUS
    if os.path.lexists(previous):
        changes.keep(path)
        changes.move(previous, path)
        return Result(hook.name, path, "restored")
    changes.remove(path)
    return Result(hook.name, path, "removed")


def _same(path: str, text: bytes) -> bool:
    with open(path, "rb") as stream:
        return stream.read() == text and stat.S_IMODE(os.stat(path).st_mode) == 0o755


def _equal(path: str, other: str) -> bool:
    """Both are the same link, or files of the same bytes."""
    if os.path.islink(path) or os.path.islink(other):
        return os.path.islink(path) and os.path.islink(other) and os.readlink(path) == os.readlink(other)
    return filecmp.cmp(path, other, shallow=False)


# hook files that a line elsewhere runs


def _install_under_husky(folder: str, scripts: str, own: str, python: str, changes: Changes) -> list[Result]:
    results = []
    changes.make_folder(os.path.dirname(own), 0o700)
    changes.make_folder(own)
    for hook in HOOKS:
        if hook.name not in managers.HUSKY_HOOKS:  # a file that husky does not write stays
            results.append(_install_one(folder, hook, python, changes))
            continue
        _write_hook_file(own, hook, python, changes)
        script = os.path.join(scripts, hook.name)
        results.append(Result(hook.name, script, husky.put_in(script, hook, changes), manager=managers.HUSKY))
    return results


def _install_in_config(config: confighooks.Config, own: str, python: str, changes: Changes) -> list[Result]:
    results = []
    changes.make_folder(os.path.dirname(own), 0o700)
    changes.make_folder(own)
    for hook in HOOKS:
        file = _write_hook_file(own, hook, python, changes)
        action = confighooks.put_in(config, hook.name, file, changes.on_failure)
        results.append(Result(hook.name, file, action, manager="the Git configuration"))
    return results


def _uninstall_from_config(config: confighooks.Config, changes: Changes) -> list[Result]:
    results = []
    for name, command in confighooks.present(config).items():
        confighooks.take_out(config, name)
        changes.on_failure(functools.partial(confighooks.put_back, config, name, command))
        results.append(Result(name, f"hook.gitstage-{name}", "removed", manager="the Git configuration"))
    return results


def _write_hook_file(folder: str, hook: Hook, python: str, changes: Changes) -> str:
    path = os.path.join(folder, hook.name)
    text = os.fsencode(hook_text(hook, python))
    if not is_ours(path) or not _same(path, text):
        changes.write(path, text)
    return path


def _remove_hook_files(folder: str, changes: Changes) -> None:
    for hook in HOOKS:
        path = os.path.join(folder, hook.name)
        if is_ours(path):
            changes.remove(path)
    _remove_empty([folder, os.path.dirname(folder)])


# folders that were made for hooks, and go with them


def _note_made(state: str, folders: Sequence[str], changes: Changes) -> None:
    changes.make_folder(state, 0o700)
    path = os.path.join(state, _MADE_FOLDERS)
    known = _made(state)
    lines = [*known, *(folder for folder in folders if folder not in known)]
    changes.write(path, b"".join(os.fsencode(line) + b"\n" for line in lines), 0o600)


def _made(state: str) -> list[str]:
    data = husky.read(os.path.join(state, _MADE_FOLDERS)) or b""
    return [os.fsdecode(line) for line in data.split(b"\n") if line]


def _remove_made(state: str, within: str | None = None) -> None:
    """Remove the folders that were made, if nobody uses them by now, and the note of them. `within`: those there."""
    known = _made(state)
    if within is None:
        gone = known
    else:
        gone = [path for path in known if f"{within}/".startswith(f"{path}/") or path.startswith(f"{within}/")]
    _remove_empty(reversed(gone))
    used = [path for path in known if os.path.isdir(path) and any(is_ours(file.path) for file in os.scandir(path))]
    left = [
        path for path in known if path not in gone or any(f"{folder}/".startswith(f"{path}/") for folder in used)
    ]  # another worktree's hooks are there
    path = os.path.join(state, _MADE_FOLDERS)
    with contextlib.suppress(OSError):
        os.unlink(path)
    if left:
        with contextlib.suppress(OSError), Changes() as changes:
            changes.write(path, b"".join(os.fsencode(line) + b"\n" for line in left), 0o600)
    _remove_empty([state])


def _remove_empty(folders: Iterable[str]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # not empty: somebody uses it by now
            os.rmdir(folder)

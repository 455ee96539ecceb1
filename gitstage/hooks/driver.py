"""Makes Git merge and show the pipeline files by stage: a merge driver and a diff driver in the repository's configuration,
and the attributes that name them.

The attributes go to `info/attributes` of the repository: they hold where the drivers are configured, on every branch and in
every work tree, and no commit is needed. Lines of the same kind that somebody wrote there before win over ours.
"""

from __future__ import annotations

import contextlib
import os
import shlex

from gitstage.digest import hash_bytes
from gitstage.errors import SystemFailure
from gitstage.fs import atomic_write
from gitstage.git import Repo
from gitstage.hooks.changes import Changes

_BEGIN = b"# gitstage-attributes 1 -- made by `git stage install`, removed by `git stage uninstall`\n"
_END = b"# end of gitstage-attributes\n"
_LINES = b"""\
dvc.lock merge=gitstage diff=gitstage
dvc.yaml merge=gitstage diff=gitstage
*.dvc merge=gitstage
.gitignore merge=gitstage
"""
_MADE = b"# made by it, too: this file\n"
_BOM = b"\xef\xbb\xbf"
_SECTIONS = ("merge.gitstage", "diff.gitstage")
_NO_LINE_END = "config-without-line-end"
"""Holds the digest of a configuration that did not end with a line end, which Git adds and does not take back."""

# Not `python -m`, which would look for modules in the work tree first, where anyone may have committed one.
_LAUNCH = (
    'import sys; sys.path[:] = filter(None, sys.path); from importlib.util import find_spec; find_spec("gitstage") or '
    "sys.exit(127); from gitstage.cli import program; program()"
)
_STAGE_NAME = "^ {0,2}([^ #-].*):[[:space:]]*$"
"""Lines of dvc.lock and dvc.yaml that Git shows behind a hunk's `@@`."""


def settings(python: str) -> dict[str, str]:
    """The configuration, in the order in which it is written: a driver that has a name and no command stops every merge.

    `python`: the interpreter (absolute) that has this package. The command merges by lines, with markers, whenever ours
    is gone or cannot merge, which it says by an exit code other than 0 (merged) and 3 (markers are left).
    """
    launch = f"{shlex.quote(python)} -c {shlex.quote(_LAUNCH)}".replace("%", "%%")
    command = (
        'ours() { "$@" merge-file %O %A %B %L %P; status=$?; }; '
        f"ours {launch}; [ $status -lt 126 ] || ours git gitstage; "
        "case $status in 0) exit 0 ;; 3) exit 1 ;; esac; "
        "git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B"
    )
    return {
        "merge.gitstage.driver": command,
        "merge.gitstage.name": "pipeline files by stage",
        "merge.gitstage.recursive": "binary",
        "diff.gitstage.xfuncname": _STAGE_NAME,
    }


def install(repo: Repo, python: str, changes: Changes) -> bool:
    """Write what is missing; tells whether anything was. What takes it back is told to `changes`."""
    before = _read(_config_path(repo))
    wanted = settings(python)
    missing = {name: value for name, value in wanted.items() if _setting(repo, name) != value}
    if missing:
        changes.on_failure(lambda: _restore(_config_path(repo), before))
        if before and not before.endswith(b"\n"):
            os.makedirs(os.path.dirname(_state(repo)), mode=0o700, exist_ok=True)
            changes.on_failure(lambda: _drop_state(repo))
            atomic_write(_state(repo), hash_bytes(before).encode())
        for name, value in missing.items():
            repo.git("config", "--local", name, value, locks=True)
    return _install_attributes(repo, changes) or bool(missing)


def uninstall(repo: Repo, changes: Changes) -> bool:
    """Take out what `install` wrote, all else stays byte for byte; tells whether there was anything."""
    path = _config_path(repo)
    before = _read(path)
    changes.on_failure(lambda: _restore(path, before))
    sections = _sections(repo)
    for name in sections:
        repo.git("config", "--local", "--remove-section", name, locks=True)
    for name in _sections(repo) if sections else ():  # on a full disk Git ends well all the same
        raise SystemFailure(f"{path}: Git did not remove the section {name}")
    ended = _read(_state(repo))
    if ended is not None:
        data = _read(path) or b""
        if hash_bytes(data[:-1]).encode() == ended:
            atomic_write(path, data[:-1])
        _drop_state(repo)
    return _uninstall_attributes(repo, changes) or bool(sections)


def _sections(repo: Repo) -> list[str]:
    """Those of ours that the repository's configuration has."""
    return [name for name in _SECTIONS if repo.git("config", "--local", "--get-regexp", f"^{name}\\.", none=True)]


def is_installed(repo: Repo) -> bool:
    """Does Git merge and show the pipeline files with us here?"""
    data = _read(_attributes_path(repo)) or b""
    return _BEGIN + _LINES in data and all(_setting(repo, name) is not None for name in settings("python"))


def _install_attributes(repo: Repo, changes: Changes) -> bool:
    path = _attributes_path(repo)
    before = _read(path)
    rest, was_made = _without_ours(before or b"")
    start = _BOM if rest.startswith(_BOM) else b""
    made = _MADE if before is None or was_made else b""
    wanted = start + _BEGIN + _LINES + made + _END + rest[len(start) :]
    if before == wanted:
        return False
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.mkdir(folder)
        changes.on_failure(lambda: os.rmdir(folder))
    changes.on_failure(lambda: _restore(path, before))
    atomic_write(path, wanted)
    return True


def _uninstall_attributes(repo: Repo, changes: Changes) -> bool:
    path = _attributes_path(repo)
    before = _read(path)
    rest, was_made = _without_ours(before or b"")
    if rest == (before or b""):
        return False
    changes.on_failure(lambda: _restore(path, before))
    _restore(path, rest or (None if was_made else b""))
    if was_made:
        with contextlib.suppress(OSError):  # not empty, as it is in most repositories
            os.rmdir(os.path.dirname(path))
    return True


def _without_ours(data: bytes) -> tuple[bytes, bool]:
    """The lines that are not ours, and whether the file was made for ours."""
    head, begin, rest = data.partition(_BEGIN)
    ours, end, tail = rest.partition(_END)
    return (head + tail, _MADE in ours) if begin and end else (data, False)


def _setting(repo: Repo, name: str) -> str | None:
    found = repo.git("config", "--local", "-z", "--get", name, none=True)
    return os.fsdecode(found).removesuffix("\0") if found else None


def _config_path(repo: Repo) -> str:
    return os.path.join(repo.common_dir, "config")


def _attributes_path(repo: Repo) -> str:
    return os.path.join(repo.common_dir, "info", "attributes")


def _state(repo: Repo) -> str:
    return os.path.join(repo.common_dir, "gitstage", _NO_LINE_END)


def _drop_state(repo: Repo) -> None:
    os.unlink(_state(repo))
    with contextlib.suppress(OSError):  # not empty: there is other state of ours
        os.rmdir(os.path.dirname(_state(repo)))


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _restore(path: str, data: bytes | None) -> None:
    if data is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    else:
        atomic_write(path, data)

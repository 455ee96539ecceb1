"""What a repository that came from somebody else may not decide: where on this machine files are written.

A clone brings `.dvc/config`, and symlinks, along. What lies in Git's own folders, or in this user's or machine's settings, only
somebody on this machine can have put there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator

from gitstage import config
from gitstage.errors import ConfigError
from gitstage.fs import is_reserved

_OF_A_CACHE = r"files|runs|[0-9a-f]{2}"


def is_below(path: str, folder: str) -> bool:
    """Does `path`, symlinks followed, equal `folder` or lie below it?"""
    real, top = os.path.realpath(path), os.path.realpath(folder)
    return real == top or real.startswith(top.rstrip(os.sep) + os.sep)


def links(folder: str, names: Collection[str] | None = None) -> Iterator[str]:
    """The symlinks in `folder`, itself included; with `names`, only those of one of these."""
    if os.path.islink(folder):
        yield folder
    try:
        with os.scandir(folder) as entries:
            yield from (e.path for e in entries if e.is_symlink() and (names is None or e.name in names))
    except OSError:
        return


def leading_out(found: Iterable[str], top: str) -> list[str]:
    """Those of the symlinks `found` that lead out of `top`, or to where Git keeps its own."""
    return [path for path in found if not _is_ordinary(path, top)]


def _is_ordinary(path: str, top: str) -> bool:
    if not is_below(path, top):
        return False
    below = os.path.relpath(os.path.realpath(path), os.path.realpath(top))
    return not any(is_reserved(part) for part in below.split(os.sep) if part != ".dvc")


def is_brought(dvc_dir: str, section: str, name: str | None, key: str) -> bool:
    """Is this setting one of `.dvc/config`, and not of a file that only this clone has?"""

    def has(level: str) -> bool:
        found = config.read(dvc_dir, level).get(section, {})
        return key in (found if name is None else found.get(name, {}))

    return has("repo") and not has("local")


def refuse_elsewhere(path: str, key: str, top: str) -> None:
    """Raise ConfigError unless `path`, which setting `key` or its default names, lies in the project at `top`."""
    if not _is_ordinary(path, top) or ".dvc" in os.path.relpath(os.path.realpath(path), os.path.realpath(top)).split(
        os.sep
    ):
        raise ConfigError(f"{key}: {path} leads out of the project, or to where Git or DVC act on files", "-o FOLDER")


def is_gits(path: str, top: str) -> bool:
    """Does `path` lie where Git, in the work tree `top`, keeps its own files?"""
    return is_below(path, top) and not _is_ordinary(path, top)


def refusal(path: str, key: str, top: str) -> ConfigError | None:
    """Why the folder `path`, which setting `key` of somebody's `.dvc/config` names, may not be written to; None if it may.

    Below `top` (the Git work tree, or the project's root) it may, but for Git's own folders. Elsewhere it must be there, and
    be empty or hold objects: whoever made it so meant it.
    """
    change = f"git stage config --local {key} FOLDER"
    if is_gits(path, top):
        return ConfigError(f".dvc/config: {key} = {path}: is Git's own", change)
    if is_below(path, top):
        return None
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        import shlex

        hint = f"mkdir -p {shlex.quote(path)}, if that is meant"
        return ConfigError(f".dvc/config: {key} leads out of the project to {path}, which is not there", hint)
    except OSError as error:
        return ConfigError(f".dvc/config: {key} = {path}: {error.strerror}", change)
    if names and not any(re.fullmatch(_OF_A_CACHE, name) for name in names):
        return ConfigError(
            f".dvc/config: {key} leads out of the project to {path}, which holds other files than objects", change
        )
    return None

"""`git stage config`."""

from __future__ import annotations

from gitstage.commands.remote import dvc_dir_here, levels
from gitstage.errors import UsageError
from gitstage.options import argument, option, verb, volume
from gitstage.ui import Ui


@verb()
@levels
@option("-u", "--unset", is_flag=True, help="Remove the setting NAME.")
@option("-l", "--list", "everything", is_flag=True, help="Show all settings, the weakest file's first.")
@option("--show-origin", is_flag=True, help="Also show which file each is from.")
@volume
@argument("name", required=False)
@argument("value", required=False)
def command(
    level: str | None, unset: bool, everything: bool, show_origin: bool, name: str | None, value: str | None,
    quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Show or change DVC's settings: NAME is section.key or remote.name.key.

    Without VALUE it prints the setting. Settings of gitstage itself are in the Git config: git config gitstage.KEY.
    """
    from gitstage import config

    if everything and (unset or name is not None):
        raise UsageError("--list shows all settings and takes nothing else", "git stage config --list")
    if show_origin and (unset or value is not None):
        raise UsageError("--show-origin goes with showing settings only")
    if everything:
        for each in [level] if level else _levels():
            for key, found in config.flatten(config.read(dvc_dir_here(), each)):
                _say(quiet, each, key, found, show_origin, with_name=True)
    elif name is None:
        raise UsageError("which setting?", "git stage config NAME, or git stage config --list")
    elif unset:
        _change(level, name, None)
    elif value is not None:
        _change(level, name, value)
    else:
        for each in [level] if level else reversed(_levels()):
            known: str | list[str] | None = dict(config.flatten(config.read(dvc_dir_here(), each))).get(_spelled(name))
            if known is not None:
                _say(quiet, each, name, known, show_origin, with_name=False)
                return
        if level is not None:
            raise _unset_here(name, level)


def _levels() -> list[str]:
    from gitstage.config import LEVELS, USER_LEVELS

    return list(USER_LEVELS if dvc_dir_here() is None else LEVELS)


def _spelled(name: str) -> str:
    """In lower case, as settings are kept. Raises ConfigError if it can be none."""
    from gitstage.config import split_name

    return ".".join(part for part in split_name(name) if part is not None)


def _unset_here(name: str, level: str) -> Exception:
    from gitstage.config import config_path
    from gitstage.errors import ConfigError

    return ConfigError(
        f"{config_path(level, dvc_dir_here() or '')}: {name} is not set there", "git stage config --list"
    )


def _change(level: str | None, name: str, value: str | None) -> None:
    import os

    from gitstage.config import ConfigFile, save

    file = ConfigFile(level or "repo", dvc_dir_here())
    if value is None:
        file.unset(name)
    else:
        file.set(name, value, os.path.realpath(os.getcwd()))
    save(file)


def _say(quiet: bool, level: str, name: str, value: str | list[str], show_origin: bool, *, with_name: bool) -> None:
    import os

    from gitstage.config import config_path
    from gitstage.terminal import show_secrets

    if quiet:
        return
    show_secrets()
    text = value if isinstance(value, str) else ",".join(value)
    dvc_dir = dvc_dir_here()
    path = config_path(level, dvc_dir or "")
    if dvc_dir is not None and path.startswith(dvc_dir + os.sep):
        path = os.path.relpath(path, os.path.dirname(dvc_dir))
    Ui().say((f"{path}\t" if show_origin else "") + (f"{name}={text}" if with_name else text))

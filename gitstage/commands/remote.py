"""`git stage remote`: the remotes in DVC's configuration."""

from __future__ import annotations

from collections.abc import Callable

from gitstage.options import argument, family, option, volume
from gitstage.static import TYPE_CHECKING, Any, TypeVar
from gitstage.ui import Ui

if TYPE_CHECKING:
    from gitstage.config import ConfigFile

_F = TypeVar("_F", bound=Callable[..., Any])


def levels(function: _F) -> _F:
    """The options that say which configuration file is meant, as `level`; None if there is none of them."""
    for level, text in (
        ("local", "The file of this clone, .dvc/config.local."),
        ("repo", "The file of the project, .dvc/config (default of what writes)."),
        ("system", "The file of this machine."),
        ("global", "The file of this user."),
    ):
        name = "--project" if level == "repo" else f"--{level}"
        function = option(name, "level", flag_value=level, help=text)(function)
    return function


@family
def command() -> None:
    """Where the project's data is kept for others to get it.

    The settings are those of DVC, in its files. NAME is in lower case.
    """


@command.verb()
@levels
@option("-d", "--default", is_flag=True, help="Make it the default remote.")
@option("-f", "--force", is_flag=True, help="Replace a remote of this name and all its settings.")
@volume
@argument("name")
@argument("url")
def add(level: str | None, default: bool, force: bool, name: str, url: str, quiet: bool, verbose: int) -> None:
    """Add a remote: a folder, or an address such as s3://bucket/path."""
    from gitstage.config import save
    from gitstage.errors import ConfigError, UsageError
    from gitstage.ui import Ui

    ui, name, file = Ui(quiet=quiet), name.lower(), _file(level)
    if not name.isprintable() or set(name) & set("\"'[]#") or name != name.strip() or not name:
        raise UsageError(f"'{name}': a remote's name has no quotes, brackets or # in it")
    known = file.sections.get("remote", {}).get(name)
    if known is not None and not force:
        raise ConfigError(f"{file.path}: there is a remote '{name}' already", "git stage remote add -f replaces it")
    _set(file, f"remote.{name}.url", url)
    for key in known or ():
        if key != "url":
            file.unset(f"remote.{name}.{key}")
    if default:
        _set(file, "core.remote", name)
    save(file)
    if default:
        ui.say(f"Setting '{name}' as a default remote.")
    if url.lower().startswith("rclone://"):
        ui.note(f"dvc knows no rclone:// and refuses every project in which {file.path} counts")


@command.verb("list")
@levels
@volume
def list_(level: str | None, quiet: bool, verbose: int) -> None:
    """List the remotes and where they are."""
    values = _values(level)
    default = values.get("core", {}).get("remote")
    for name, settings in values.get("remote", {}).items():
        mark = "\t(default)" if name == default else ""
        Ui().say(f"{name}\t{settings.get('url', '')}{mark}".expandtabs(8))


@command.verb()
@levels
@option("-u", "--unset", is_flag=True, help="Have no default remote.")
@volume
@argument("name", required=False)
def default(level: str | None, unset: bool, name: str | None, quiet: bool, verbose: int) -> int:
    """Print the name of the default remote, or make NAME the default."""
    from gitstage.config import save
    from gitstage.errors import ConfigError

    if name is None and not unset:
        found = _values(level).get("core", {}).get("remote")
        Ui().say(found or "No default remote set")
        return 0 if found else 1
    file = _file(level)
    if unset:
        if file.get("core.remote") is not None:
            file.unset("core.remote")
    else:
        assert name is not None
        if name.lower() not in _known(file):
            raise ConfigError(f"there is no remote '{name.lower()}'", "git stage remote list")
        _set(file, "core.remote", name.lower())
    save(file)
    return 0


@command.verb()
@levels
@option("-u", "--unset", is_flag=True, help="Remove the setting.")
@volume
@argument("name")
@argument("option")
@argument("value", required=False)
def modify(
    level: str | None, unset: bool, name: str, option: str, value: str | None, quiet: bool, verbose: int
) -> None:
    """Change a setting of a remote: OPTION is url, jobs, endpointurl, user, ..."""
    from gitstage.config import save
    from gitstage.errors import ConfigError, UsageError

    file, setting = _file(level), f"remote.{name.lower()}.{option.lower()}"
    if name.lower() not in _known(file):
        raise ConfigError(f"there is no remote '{name.lower()}'", "git stage remote list")
    if unset:
        if file.get(setting) is not None:
            file.unset(setting)
    elif value is None:
        raise UsageError(f"no value for {setting}", f"git stage remote modify -u {name} {option} removes it")
    else:
        _set(file, setting, value)
    save(file)


@command.verb()
@levels
@volume
@argument("name")
def remove(level: str | None, name: str, quiet: bool, verbose: int) -> None:
    """Remove a remote from the configuration; what it holds stays."""
    from gitstage.config import save
    from gitstage.errors import ConfigError

    name = name.lower()
    files = _from(level)
    if name not in files[0].sections.get("remote", {}):
        raise ConfigError(f"{files[0].path}: there is no remote '{name}'", "git stage remote list")
    files[0].unset(f"remote.{name}")
    for file in files:
        if file.get("core.remote") == name:
            file.unset("core.remote")
    try:
        save(*files)
    except ConfigError as error:
        holding = [file for file in files[1:] if name in file.sections.get("remote", {})]
        if holding:
            flag = "--project" if holding[0].level == "repo" else f"--{holding[0].level}"
            raise ConfigError(
                f"{holding[0].path}: has settings of '{name}', too", f"git stage remote remove {flag} {name}"
            ) from error
        raise


@command.verb()
@levels
@volume
@argument("name")
@argument("new")
def rename(level: str | None, name: str, new: str, quiet: bool, verbose: int) -> None:
    """Give a remote another name."""
    from gitstage.config import save
    from gitstage.errors import ConfigError

    name, new = name.lower(), new.lower()
    files = _from(level)
    if new in _values(None).get("remote", {}):
        raise ConfigError(f"there is a remote '{new}' already", "git stage remote list")
    if name not in files[0].sections.get("remote", {}):
        raise ConfigError(f"{files[0].path}: there is no remote '{name}'", "git stage remote list")
    for file in files:  # settings in stronger files belong to this remote; they would be no remote without its url
        if name in file.sections.get("remote", {}):
            file.rename("remote", name, new)
        if file.get("core.remote") == name:
            _set(file, "core.remote", new)
    save(*files)


def dvc_dir_here() -> str | None:
    """The .dvc folder of the project around the current folder; None if there is none."""
    import os

    from gitstage.project import find_root

    root = find_root(os.getcwd())
    return None if root is None else os.path.join(root, ".dvc")


def _file(level: str | None) -> ConfigFile:
    from gitstage.config import ConfigFile

    return ConfigFile(level or "repo", dvc_dir_here())


def _from(level: str | None) -> list[ConfigFile]:
    """The file of a level, and of each stronger one."""
    from gitstage.config import LEVELS, ConfigFile

    dvc_dir = dvc_dir_here()
    wanted = LEVELS[LEVELS.index(level or "repo") :] if dvc_dir else [level or "repo"]
    return [ConfigFile(each, dvc_dir) for each in wanted]


def _set(file: ConfigFile, name: str, value: str) -> None:
    import os

    file.set(name, value, os.path.realpath(os.getcwd()))


def _values(level: str | None) -> Any:
    """What a level's file says, or all together; paths absolute, nothing checked."""
    from gitstage.config import read

    return read(dvc_dir_here(), level)


def _known(file: ConfigFile) -> set[str]:
    """Names of the remotes in a level's file and in weaker ones."""
    from gitstage.config import LEVELS, read

    below = LEVELS[: LEVELS.index(file.level) + 1]
    return {name for level in below for name in read(file.dvc_dir, level).get("remote", {})}

"""`git stage import`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from gitstage.errors import UsageError
from gitstage.options import argument, option, verb, volume
from gitstage.static import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from gitstage.imports import From, Transfer
    from gitstage.ui import Ui

_F = TypeVar("_F", bound=Callable[..., Any])


def keeper_options(function: _F) -> _F:
    """The options that say where the objects of a repository are kept."""
    for name, text in (
        ("--remote-config", "A setting KEY=VALUE of the remote, instead of what is configured there."),
        ("--remote", "The remote to take data from, instead of the default one there."),
        ("--config", "A configuration file to be used for the repository."),
    ):
        function = option(name, metavar=name[2:].upper(), multiple=name == "--remote-config", help=text)(function)
    return function


def origin_options(function: _F) -> _F:
    """The options that say where a repository's data is, for `import` and `get`."""
    function = keeper_options(function)
    function = option("-j", "--jobs", least=1, metavar="N", help="Transfers at once.")(function)
    return option("--rev", metavar="COMMIT", help="Its commit, branch or tag; default: what is checked out there.")(
        function
    )


def origin(
    url: str, path: str, rev: str | None, config: str | None, remote: str | None, remote_config: tuple[str, ...]
) -> From:
    """What these options say."""
    from gitstage.imports import From

    return From(url, path, rev, remote, settings_of(remote_config), config)


def settings_of(remote_config: tuple[str, ...]) -> dict[str, str]:
    """What --remote-config says. Raises UsageError for what is not KEY=VALUE."""
    settings = {}
    for text in remote_config:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--remote-config: '{text}' is not KEY=VALUE")
        settings[key] = value
    return settings


@verb()
@option("-o", "--out", metavar="PATH", help="Where it goes; by default its name, here.")
@option("-f", "--force", is_flag=True, help="Replace what is there.")
@option("--no-exec", is_flag=True, help="Only write the .dvc file; `git stage update` does the rest.")
@option("--no-download", is_flag=True, help="Write down which data it is, but do not copy it.")
@origin_options
@volume
@argument("url")
@argument("path")
def command(
    url: str, path: str, out: str | None, force: bool, no_exec: bool, no_download: bool, rev: str | None,
    jobs: int | None, config: str | None, remote: str | None, remote_config: tuple[str, ...], quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Track a copy of PATH, a file or folder of the Git repository at URL, and note which commit it is from.

    PATH may be data that DVC or gitstage keeps there, or a file that is committed. `git stage update` gets a later one.
    """
    from gitstage import imports
    from gitstage.project import opened
    from gitstage.ui import Ui, events

    mode = mode_of(no_exec, no_download)
    ui = Ui(quiet=quiet, verbose=bool(verbose))
    source = origin(url, path, rev, config, remote, remote_config)
    with opened(write=True, on_wait=ui.waiting) as (project, _), moving(ui, jobs) as transfer, project.whole():
        written: list[str] = []
        done = imports.import_from(project, source, out, force=force, mode=mode, written=written, transfer=transfer)
        events.tell(ui, done, project.cwd)
        ui.to_commit(project, written)


@contextlib.contextmanager
def moving(ui: Ui, jobs: int | None) -> Iterator[Transfer]:
    """How an import moves data: `jobs` files at once, behind a bar."""
    from gitstage.imports import Transfer
    from gitstage.ui import transfers

    with transfers.Bar(ui, "Fetching") as bar:
        yield Transfer(jobs, bar)


def mode_of(no_exec: bool, no_download: bool) -> str:
    """What an import does: "all", "note" or "define"."""
    if no_exec and no_download:
        raise UsageError("--no-exec and --no-download are two different things")
    return "define" if no_exec else "note" if no_download else "all"

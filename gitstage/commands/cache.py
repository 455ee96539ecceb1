"""`git stage cache`: where the cache is, and its way from DVC 2 to DVC 3."""

from __future__ import annotations

from gitstage.commands.remote import dvc_dir_here, levels
from gitstage.options import argument, family, option, volume
from gitstage.ui import Ui


@family
def command() -> None:
    """Where the cache is, and how it is laid out."""


@command.verb()
@option("--dvc-files", is_flag=True, help="Also rewrite the entries of dvc.lock and *.dvc files.")
@option("--dry", is_flag=True, help="Only show what would be done.")
@volume
def migrate(dvc_files: bool, dry: bool, quiet: bool, verbose: int) -> None:
    """Give the objects of a cache of DVC 1 or 2 the names that DVC 3 looks for, too.

    The old names stay, as older commits need them, and take no space where the file system has hard links. Entries in
    dvc.lock and *.dvc name the old objects until --dvc-files, or a change of the data, rewrites them.
    """
    from gitstage import migrate as migration
    from gitstage.project import opened
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened(write=True, on_wait=ui.waiting) as (project, _):
        planned = migration.plan(project.cache)
        for digest in planned.corrupt:
            ui.note(f"{project.cache.path(digest)}: is corrupt, and stays as it is")
        count = f"{len(planned.new)} file{'' if len(planned.new) == 1 else 's'}"
        if dry:
            ui.say(f"{count} will be re-hashed and migrated to the DVC 3.0 cache location.")
        else:
            migration.apply(project.cache, planned)
            ui.say(f"Migrated {count} to DVC 3.0 cache location.")
        if not dvc_files:
            return
        changes = migration.plan_files(project, planned, keep=not dry)
        for change in changes:
            shown = project.relative(change.path)
            ui.say(f"{'Would update' if dry else 'Updating'} {shown} ({', '.join(change.stages)})")
            for path in change.left:
                ui.note(f"{shown}: the entry of {path} stays, as its content is neither in the cache nor here")
        if not dry:
            written: list[str] = []
            migration.apply_files(project, changes, written)
            ui.to_commit(project, written)


@command.verb("dir")
@levels
@option("-u", "--unset", is_flag=True, help="Have the cache where it is by default.")
@volume
@argument("path", required=False)
def dir_(level: str | None, unset: bool, path: str | None, quiet: bool, verbose: int) -> None:
    """Print where the cache is, or say where it is to be. A relative PATH counts from here.

    Nothing is moved: what an earlier cache has stays there.
    """
    import os

    from gitstage.config import ConfigFile, read, save
    from gitstage.errors import ConfigError
    from gitstage.project import Project

    if path is None and not unset:
        if level is None:
            with Project.open() as project:
                Ui().say(project.cache_dir)
            return
        found = read(dvc_dir_here(), level).get("cache", {}).get("dir")
        if found is None:
            raise ConfigError(f"cache.dir is not set there ({level})", "git stage config --list --show-origin")
        Ui().say(found)
        return
    file = ConfigFile(level or "repo", dvc_dir_here())
    if unset:
        file.unset("cache.dir")
    else:
        assert path is not None
        file.set("cache.dir", path, os.path.realpath(os.getcwd()))
    save(file)

"""`git stage status`."""

from __future__ import annotations

from gitstage.errors import UsageError
from gitstage.options import argument, option, verb, volume
from gitstage.static import TYPE_CHECKING

if TYPE_CHECKING:
    from gitstage.project import Project
    from gitstage.status import StageStatus
    from gitstage.sync import Scope
    from gitstage.ui import Ui


@verb()
@option("-d", "--with-deps", is_flag=True, help="Also what the targets depend on.")
@option("-R", "--recursive", is_flag=True, help="All stages in the given directories.")
@option("--cache", "hash_cache", is_flag=True, help="Also hash what the cache has, and report what is corrupt.")
@option("-c", "--cloud", is_flag=True, help="Compare the cache with the remote instead.")
@option("-r", "--remote", metavar="NAME", help="Compare the cache with this remote.")
@option("-a", "--all-branches", is_flag=True, help="With -c: also for the tips of all branches.")
@option("-T", "--all-tags", is_flag=True, help="With -c: also for all tags.")
@option("-A", "--all-commits", is_flag=True, help="With -c: also for all commits.")
@option("-j", "--jobs", least=1, metavar="N", help="With -c: questions at once.")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
@option("--no-updates", is_flag=True, help="Do not ask whether there is something newer where imports are from.")
@volume
@argument("words", nargs=-1, metavar="[TARGETS]...")
def command(
    words: tuple[str, ...],
    with_deps: bool,
    recursive: bool,
    hash_cache: bool,
    cloud: bool,
    remote: str | None,
    all_branches: bool,
    all_tags: bool,
    all_commits: bool,
    jobs: int | None,
    as_json: bool,
    no_updates: bool,
    quiet: bool,
    verbose: int,
) -> int:
    """Show which stages and data differ from what dvc.lock and *.dvc recorded.

    Exits with 0 also if something differs; with -q, 1 tells that something does.
    """
    from gitstage import status, targets
    from gitstage.project import opened
    from gitstage.ui import NOTHING_TRACKED, UP_TO_DATE, Ui, at_work, differences
    from gitstage.verdict import edited, merged

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    if cloud or remote:
        from gitstage import sync

        scope = sync.Scope(words, with_deps, recursive, False, all_branches, all_tags, all_commits)
        return _compare(ui, scope, remote, jobs, as_json)
    if all_branches or all_tags or all_commits or jobs:
        raise UsageError("-a, -T, -A and -j need --cloud", "git stage status -c")
    with opened(write=True, optional=True, on_wait=ui.waiting) as (project, _):
        for path in project.recovered:
            ui.note(f"{path}: brought back; the command that was to replace it was killed")
        pipeline = project.pipeline
        chosen = targets.select(pipeline, words, with_deps=with_deps, recursive=recursive)
        stages = pipeline.stages if chosen is None else list(dict.fromkeys(target.stage for target in chosen))
        with at_work(ui, "Checking"):
            found = status.status(pipeline, project.worktree, project.cache, stages)
            if hash_cache:
                found = status.with_corrupt(found, project.cache)
        found = _with_updates(project, found, asks=not no_updates)
        found = merged.marked(found, edited.never_run(project, pipeline))
        changed = status.changed(found if chosen is None else targets.narrow(found, chosen))
        for stage in stages:
            if stage.frozen and not stage.is_data:
                ui.note(f"stage '{stage.label(project.cwd)}' is frozen: its dependencies are not shown")
        if as_json:
            ui.json(differences.as_json(changed, project.cwd, exact=bool(verbose)))
        elif changed:
            differences.as_text(ui, changed, project.cwd)
        else:
            ui.say(UP_TO_DATE if pipeline.stages else NOTHING_TRACKED)
        return 1 if quiet and changed else 0


def _with_updates(project: Project, found: list[StageStatus], *, asks: bool) -> list[StageStatus]:
    """The same with what there is of imports where they are from; without `asks`, with nothing about that."""
    if not asks:
        return [
            one._replace(changes=tuple(c for c in one.changes if c.role != "dep" or not one.stage.is_import))
            for one in found
        ]
    unfrozen = [one.stage for one in found if one.stage.origin is not None and not one.stage.frozen]
    if not unfrozen:
        return found
    from gitstage import imports

    more = {id(stage): change for stage, change in imports.outdated(project, unfrozen)}
    return [
        one._replace(changes=(more[id(one.stage)], *one.changes)) if id(one.stage) in more else one for one in found
    ]


def _compare(ui: Ui, scope: Scope, remote: str | None, jobs: int | None, as_json: bool) -> int:
    from gitstage import sync
    from gitstage.project import opened

    with opened() as (project, _):
        name = project.remote(remote).name
        needs = sync.needs(project, scope, sending=True)
        states = sync.compare(project, needs, remote=remote, jobs=jobs)
        shown = {project.relative(path): state for path, state in sorted(states.items())}
    if as_json:
        ui.json(shown)
    elif not shown:
        ui.say(f"Cache and remote '{name}' are in sync.")
    for path, state in shown.items() if not as_json else ():
        ui.say(f"\t{state + ':':<20}{path}")
    return 1 if ui.quiet and shown else 0

"""Runs the graph: decides stage by stage, runs commands, keeps what they made, and yields what happens as events.

Safety: everything that can be checked is checked before a command starts; old outputs are moved aside, not deleted, and
return if the command fails; inputs are compared before and after; the lock is written last.
"""

from __future__ import annotations

import contextlib
import functools
import os
import posixpath
import stat
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

from gitstage import checkout, formats
from gitstage.datafile import CONTENT_KEYS, write_data_file
from gitstage.digest import Content, Digest, checksum
from gitstage.errors import Busy, ConfigError, GitstageError, Interrupted, PipelineError, StageFailed
from gitstage.events import (
    Defined,
    Event,
    Executing,
    Failed,
    LockWritten,
    Pulling,
    Ran,
    Restored,
    Running,
    Skipped,
    Verifying,
    Warned,
)
from gitstage.fs import atomic_write, components
from gitstage.locks import RepoLock
from gitstage.pipeline import Output, Pipeline, Stage, Target
from gitstage.project import Project
from gitstage.runcache import key_of
from gitstage.static import TYPE_CHECKING, Any, Literal, NamedTuple
from gitstage.status import Change, StageStatus, status
from gitstage.store import lock_entry
from gitstage.tree import Measured
from gitstage.verdict import edited, merged

if TYPE_CHECKING:
    from gitstage import shell
    from gitstage.define import Edit
    from gitstage.journal import State
    from gitstage.remote import Progress
    from gitstage.workers import Workers


class Options(NamedTuple):
    """How to run; names are those of the command line. `run_cache`: look results up; `share`: file them there, "all":
    even if not all outputs are kept; `jobs`: how many stages may run at once (None: as the project's setting says)."""

    force: bool = False
    single: bool = False
    downstream: bool = False
    force_downstream: bool = False
    allow_missing: bool = False
    dry: bool = False
    keep_going: bool = False
    ignore_errors: bool = False
    commit: bool = True
    relink: bool = True
    run_cache: bool = True
    share: bool | Literal["all"] = True
    jobs: int | None = 1
    pull: bool = False
    """Fetch what is missing here from the remotes, results of runs too; `progress` is told."""
    progress: Progress | None = None
    update: Callable[[Project, Stage, list[str]], Iterator[Event]] | None = None
    """Brings an import up to date with where it is from (see imports.py, of a higher rank)."""


class _Run:
    """What one invocation carries from stage to stage.

    `definition`: pipeline files that belong to the stage being run for the first time, written when its command
    succeeded. `made_up`: stages whose record no run gave (see verdict.edited.never_run). `workers`: where several stages
    are brought up to date at once. `planned`: the stages in the order in which a lock is to have those that it did not
    have; `added`: those, by lock file, with their places in that order. `settle` is called just before the lock is
    written: from then on the new outputs count, also after a crash; it returns what the user should know.
    """

    def __init__(
        self,
        project: Project,
        options: Options,
        lock: RepoLock,
        pipeline: Pipeline,
        written: list[str],
        ignore: Sequence[str] = (),
        definition: Mapping[str, bytes] | None = None,
        made_up: Mapping[Stage, Literal["made up", "edited"]] | None = None,
    ) -> None:
        self.project, self.options, self.lock, self.pipeline = project, options, lock, pipeline
        self.written, self.ignore, self.definition = written, ignore, definition or {}
        self.made_up = made_up or {}
        self.workers: Workers[Stage, Event, bool] | None = None
        self.planned: Sequence[Stage] = ()
        self.added: dict[str, list[tuple[int, str]]] = {}
        self.settle: Callable[[], list[str]] | None = None
        self.total = 0

    @functools.cached_property
    def commands(self) -> shell.Commands:
        """The commands that run now."""
        from gitstage import shell

        return shell.Commands()


def plan_order(pipeline: Pipeline, targets: Sequence[Target] | None, options: Options) -> list[Stage]:
    """The stages to consider, in the order in which they run. `targets` None: the whole project."""
    if targets is None:
        return pipeline.order()
    chosen = [target.stage for target in targets]
    if options.downstream:
        return pipeline.order(pipeline.downstream(chosen), single=True)
    return pipeline.order(chosen, single=options.single)


def reproduce(
    project: Project, stages: Sequence[Stage], options: Options, lock: RepoLock, written: list[str]
) -> Iterator[Event]:
    """Bring `stages` up to date, in the order given (see plan_order). The project's `lock` is held by the caller.

    `written` collects the metadata files that changed (root-relative). Raises GitstageError at the first failure
    unless told to go on; then StageFailed at the end if any stage failed.
    """
    run = _Run(project, options, lock, project.pipeline, written, made_up=edited.never_run(project, project.pipeline))
    run.pipeline.check()
    fresh = 0
    while fresh < len(stages) and _is_fresh(run, stages[fresh]):
        yield Skipped(stages[fresh].label(project.cwd), stages[fresh].is_data)
        fresh += 1
    if fresh == len(stages):
        return
    run.total, stages = len(stages), stages[fresh:]
    check(project, run.pipeline, stages)
    if options.pull and options.run_cache and not options.dry:
        _pull_results(run)
    jobs = 1 if options.dry else options.jobs or project.setting_jobs()
    yield from _side_by_side(run, stages, jobs) if jobs > 1 else _reproduce(run, stages)


def _is_fresh(run: _Run, stage: Stage) -> bool:
    """Is there nothing to be done about a stage? Then nothing needs to be checked, or asked of Git, either."""
    if run.options.force:
        return False
    now = _now(run, stage)
    return not _changes(run, now) and not _is_to_update(run, now)


def write_definition(project: Project, edit: Edit, written: list[str]) -> Iterator[Event]:
    """Write down a stage without running it."""
    check(project, edit.pipeline, [edit.stage])
    written += project.ignore(list(edit.ignore))
    for path, data in edit.files.items():
        atomic_write(project.worktree.absolute(path), data)
        written.append(path)
        yield Defined(edit.stage.label(project.cwd), path)
    project.changed_files(written)


def run_defined(project: Project, edit: Edit, options: Options, lock: RepoLock, written: list[str]) -> Iterator[Event]:
    """Run a stage that was just described; nothing is written down if its command fails."""
    check(project, edit.pipeline, [edit.stage])
    run = _Run(project, options, lock, edit.pipeline, written, edit.ignore, edit.files)
    run.total = 1
    yield from _reproduce(run, [edit.stage])


def _reproduce(run: _Run, stages: Sequence[Stage]) -> Iterator[Event]:
    outcomes = _Outcomes(run, stages)
    try:
        for stage in stages:
            if outcomes.is_to_run(stage):
                ran, error = False, None
                try:
                    ran = yield from _bring_up_to_date(run, stage, force=outcomes.is_forced(stage))
                except GitstageError as failure:
                    error = failure
                yield from outcomes.of(stage, ran, error)
                if outcomes.end is not None:
                    break
    finally:
        run.project.changed_files(run.written)
    outcomes.finish()


class _Outcomes:
    """How the stages of one run ended, and what follows for the others. `end`: the failure that ends the run."""

    def __init__(self, run: _Run, stages: Sequence[Stage]) -> None:
        self._run, self._stages = run, stages
        self._failed: set[Stage] = set()
        self._forced: set[Stage] = set()
        self._errors = 0
        self.end: GitstageError | None = None

    def is_to_run(self, stage: Stage) -> bool:
        """False if an input of it could not be made."""
        if not self._run.options.ignore_errors and not self._failed.isdisjoint(self._run.pipeline.upstream(stage)):
            self._failed.add(stage)
            return False
        return True

    def is_forced(self, stage: Stage) -> bool:
        return self._run.options.force or stage in self._forced

    def of(self, stage: Stage, ran: bool, error: GitstageError | None) -> Iterator[Event]:
        """Take note of one stage's end; a failure that the run survives is an event."""
        run = self._run
        if error is not None:
            told = _about(stage, run.project.cwd, error)
            told.__cause__ = error
            if isinstance(error, Interrupted) or not (run.options.keep_going or run.options.ignore_errors):
                self.end = self.end or told
                return
            self._errors += 1
            self._failed.add(stage)
            yield Failed(stage.label(run.project.cwd), told)
        elif ran and run.options.force_downstream:
            self._forced.update(s for s in self._stages if stage in run.pipeline.upstream(s))

    def finish(self) -> None:
        """Raise what is to be the end of the run, if it is not a good one."""
        if self.end is not None:
            raise self.end
        if self._errors and not self._run.options.ignore_errors:
            raise StageFailed(f"{self._errors} of {self._run.total} stages failed")


def _side_by_side(run: _Run, stages: Sequence[Stage], jobs: int) -> Iterator[Event]:
    """As _reproduce, with up to `jobs` stages at once. After a failure that ends the run, those that run may end."""
    import copy
    import graphlib

    from gitstage import shell
    from gitstage.scheduling import Resources
    from gitstage.workers import Finished, Workers

    project, pipeline = run.project, run.pipeline
    planned = {stage: number for number, stage in enumerate(stages)}
    graph = {stage: () if stage.frozen else [s for s in pipeline.upstream(stage) if s in planned] for stage in stages}
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()
    outcomes, resources = _Outcomes(run, stages), Resources(project, stages)
    ready: list[Stage] = []
    run.lock.release()
    workers: Workers[Stage, Event, bool] = Workers(run.lock.acquire, run.lock.release)
    run.workers, run.planned = workers, stages
    run.commands = shell.Commands(workers.tell)
    try:
        with shell.handling(run.commands.stop), workers:
            while True:
                ready = sorted([*ready, *sorter.get_ready()], key=planned.__getitem__)
                for stage in ready if outcomes.end is None and not run.commands.stopped else ():
                    if not outcomes.is_to_run(stage):
                        sorter.done(stage)
                    elif len(workers) < jobs and resources.take(stage):
                        workers.start(stage, _bring_up_to_date(copy.copy(run), stage, force=outcomes.is_forced(stage)))
                    else:
                        continue
                    ready = [other for other in ready if other is not stage]
                if not workers:
                    if outcomes.end is None and not run.commands.stopped and sorter.is_active():
                        continue
                    break
                stage, what = workers.next()
                if not isinstance(what, Finished):
                    yield what
                    continue
                resources.give_back(stage)
                if what.error is not None and not isinstance(what.error, GitstageError):
                    raise what.error
                yield from outcomes.of(stage, bool(what.result), what.error)
                sorter.done(stage)
    finally:
        run.lock.acquire()
        project.changed_files(run.written)
    outcomes.finish()
    if run.commands.stopped:
        raise Interrupted("interrupted; what had ended is recorded")


def _about(stage: Stage, cwd: str, error: GitstageError) -> GitstageError:
    """The same error, saying which stage it concerns."""
    kind = "stage" if stage.name is not None else "data"
    told = type(error).__new__(type(error))
    GitstageError.__init__(told, f"{kind} '{stage.label(cwd)}': {error}", error.hint)
    return told


def check(project: Project, pipeline: Pipeline, stages: Sequence[Stage]) -> None:
    """Refuse what must not run, before anything is touched: bad paths, overlaps, cycles, outputs that Git tracks."""
    pipeline.check()
    kept: list[str] = []
    for stage in stages:
        label = stage.label(project.cwd)
        for out in stage.outs:
            if out.cache or not (out.path.startswith("../") or posixpath.isabs(out.path)):
                try:
                    components(out.path)
                    project.folder.lstat(out.path)
                except PipelineError as error:
                    raise PipelineError(f"{stage.file}: stage '{label}': output {error}") from None
            if out.cache and not stage.is_data:
                kept.append(out.path)
        project.refuse_read_only(stage.file if stage.is_data else stage.lock_file)
    project.refuse_ignored([stage.lock_file for stage in stages if not stage.is_data])
    project.refuse_tracked(kept)


def _now(run: _Run, stage: Stage) -> StageStatus:
    (found,) = merged.marked(status(run.pipeline, run.project.worktree, run.project.cache, [stage]), run.made_up)
    if stage.frozen:
        return found._replace(changes=tuple(change for change in found.changes if change.role != "always"))
    return found


def _bring_up_to_date(run: _Run, stage: Stage, *, force: bool) -> Generator[Event, None, bool]:
    """Yields events; returns (as the generator's value) whether anything was done."""
    project, options = run.project, run.options
    label = stage.label(project.cwd)
    now = _now(run, stage)
    changes = _changes(run, now)
    if options.pull and changes and not (force or options.dry):
        is_pulled = all(change.role == "out" and change.state in ("deleted", "not in cache") for change in changes)
        if is_pulled:
            yield Pulling(label)
        _pull(run, [Target(stage)] if is_pulled else _missing_inputs(run.pipeline, now.changes))
        now = _now(run, stage)
        changes = _changes(run, now)
        if is_pulled and not changes:
            return True
    if options.update is not None and _is_to_update(run, now):
        yield from options.update(project, stage, run.written)
        return True
    if not changes and not force:
        yield Skipped(label, stage.is_data)
        return False
    if stage.is_data:
        yield Verifying(label, "outputs in frozen" if stage.frozen else "data sources in")
        if not options.dry:
            yield from _record_data(run, stage)
        return True
    if stage.frozen:
        yield Warned(label, f"stage '{label}' is frozen: its dependencies are not considered")
        yield Verifying(label, "outputs in frozen")
        if not options.dry:
            yield from _record(run, stage, project.store.inputs(stage), measured=None)
        return True
    if not force and not options.dry:
        known = _known_result(run, stage, now)
        if known is not None:
            yield Restored(label)
            yield from _restore(run, stage, known)
            return True
    if options.dry:
        yield Running(label, tuple(changes))
        for command in commands(stage):
            yield Executing(label, command)
        return True
    yield from _run_stage(run, stage, tuple(changes))
    return True


def _changes(run: _Run, now: StageStatus) -> Sequence[Change]:
    """What there is to be done about."""
    return _without_missing(run.pipeline, now) if run.options.allow_missing else now.changes


def _is_to_update(run: _Run, now: StageStatus) -> bool:
    """Is it an import that has to be asked, or is known, to have changed where it is from?"""
    stage, options = now.stage, run.options
    can_be = options.update is not None and stage.is_import and not (stage.frozen or options.dry)
    return can_be and (stage.origin is not None or now.has("dep"))


def _without_missing(pipeline: Pipeline, now: StageStatus) -> tuple[Change, ...]:
    """Missing data is no change, unless the lock says that the input is made anew with another content."""

    def is_missing(change: Change) -> bool:
        if change.role == "out":
            return change.state in ("deleted", "not in cache")
        if change.role != "dep" or change.state != "deleted" or change.recorded is None:
            return False
        owned = pipeline.owner(change.path)
        made = owned[0].recorded(owned[1]) if owned and owned[1].path == change.path else None
        return made is None or made == change.recorded

    return tuple(change for change in now.changes if not is_missing(change))


# -- results that are known ------------------------------------------------------------------------------------


def _known_result(run: _Run, stage: Stage, now: StageStatus) -> dict[str, Any] | None:
    """A lock entry whose inputs are those of `stage` and whose outputs are all in the cache."""
    project = run.project
    if not _may_be_cached(project, stage):
        return None
    if (
        stage.record is not None
        and all(stage.recorded(out) for out in stage.outs)
        and not now.has("cmd", "dep", "param", "always", "record", "checksum")
    ):
        found = stage.record.as_entry()
        if _is_available(run, stage, found):
            return found
    if not run.options.run_cache:
        return None
    try:
        inputs = project.store.inputs(stage)
    except GitstageError:
        return None
    asked = {**inputs, "outs": [{"path": path} for path in sorted(out.spelled for out in stage.outs)]}
    for known in project.runs.find(asked):
        found = {**asked, "outs": known["outs"]}
        if key_of(found) == key_of(asked) and _is_available(run, stage, found):
            return found
    return None


def _may_be_cached(project: Project, stage: Stage) -> bool:
    """Only results that depend on nothing but what is recorded can be reused."""
    return (
        bool(stage.deps or stage.params)
        and bool(stage.outs)
        and not stage.always_changed
        and not any(out.persist or out.path.startswith(("../", "/")) for out in stage.outs)
    )


def _is_available(run: _Run, stage: Stage, found: Mapping[str, Any]) -> bool:
    """Are all objects of a result in the cache, after they were fetched if that is wanted?"""
    cache = run.project.cache
    digests = {str(entry["path"]): _digest(entry) for entry in found["outs"]}
    if run.options.pull:
        from gitstage import sync
        from gitstage.remote import Need

        needs: sync.Needs = {}
        for out in stage.outs:
            digest = digests.get(out.spelled)
            if digest is not None:
                needs.setdefault(out.remote, []).append(Need(digest, out.path))
        with _released(run, alone=True), contextlib.suppress(GitstageError):
            sync.fetch(run.project, needs, progress=run.options.progress)
    return all(digest is not None and not cache.lacks(digest) for digest in digests.values())


def _pull(run: _Run, targets: Sequence[Target]) -> None:
    """Bring what `targets` have recorded into the cache and the work tree, as far as it can be had."""
    from gitstage import sync

    project = run.project
    with _released(run, alone=True):
        sync.fetch(project, sync.needs_of(targets, None, False), progress=run.options.progress)
    planned = checkout.plan(project, checkout.wanted_by(targets))
    result = checkout.apply(project, planned)
    for error in result.errors.values():
        raise error
    project.remember_restored({**project.restored(), **planned.agreed})


def _pull_results(run: _Run) -> None:
    """Bring the results of others' runs, where the default remote can share them."""
    from gitstage import sync
    from gitstage.remote import RemoteError

    with _released(run, alone=True), contextlib.suppress(RemoteError, ConfigError):
        sync.fetch(run.project, {}, run_cache=True, progress=run.options.progress)


def _missing_inputs(pipeline: Pipeline, changes: Sequence[Change]) -> list[Target]:
    """What would have to be there before the stage can run."""
    paths = [change.path for change in changes if change.role == "dep" and change.state == "deleted"]
    owners = [pipeline.owner(path) for path in paths]
    return [Target(owned[0], None, owned[1].path) for owned in owners if owned is not None]


def _digest(entry: Mapping[str, Any]) -> Digest | None:
    try:
        return Digest.parse(str(entry["md5"]), legacy=entry.get("hash") != "md5")
    except (KeyError, ValueError):
        return None


def _restore(run: _Run, stage: Stage, known: Mapping[str, Any]) -> Iterator[Event]:
    project = run.project
    entries = {entry["path"]: entry for entry in known["outs"]}
    wanted = [
        checkout.Wanted(
            out.path, _digest(entries[out.spelled]), bool(entries[out.spelled].get("isexec")), own=not out.cache
        )
        for out in stage.outs
    ]
    with _moved_aside(run, stage, [out for out in stage.outs if not out.persist], only_unsaved=True):
        planned = checkout.plan(project, wanted)
        result = checkout.apply(project, planned, force=True)
        for error in result.errors.values():
            raise error
        run.written += project.ignore([out.path for out in stage.outs if out.cache])
        if _is_shared(run, stage):
            project.runs.save(known)
        yield from _write_lock(run, stage, dict(known))


# -- running ---------------------------------------------------------------------------------------------------


def commands(stage: Stage) -> list[str]:
    """One entry for each shell that is started: list items, or the lines of a text."""
    if isinstance(stage.cmd, list):
        return stage.cmd
    return (stage.cmd or "").splitlines() or [""]


def _run_stage(run: _Run, stage: Stage, why: tuple[Change, ...]) -> Iterator[Event]:
    from gitstage import shell

    project = run.project
    label = stage.label(project.cwd)
    if not os.path.isdir(project.worktree.absolute(stage.wdir)):
        raise StageFailed(f"wdir '{stage.wdir}' does not exist")
    _refuse_held(project, stage)
    before = project.store.inputs(stage)
    names = [out for out in stage.outs if not out.persist]
    for out in stage.outs:
        if out.persist:
            project.store.unprotect(out.path)
    root, reads = project.worktree.absolute, [d.path for d in stage.deps]
    writes = [out.path for out in stage.outs]
    with (
        project.path_locks.hold(
            read=[root(path) for path in reads], write=[root(path) for path in writes], command=_command_line()
        ),
        _moved_aside(run, stage, names),
    ):
        yield Running(label, why, _expected(project, stage))
        began = time.monotonic()
        for command in commands(stage):
            yield Executing(label, command)
            with _released(run):
                shell.run(project, stage, command, run.commands)
        seconds = time.monotonic() - began
        project.memo.remember_parsed(_timing(project, stage), b"", f"{seconds:.3f}")
        yield Ran(label, seconds)
        after = project.store.inputs(stage)
        measured = _save_outputs(run, stage)
        moved = _changed_inputs(before, after)
        if moved:
            run.written += project.ignore([*run.ignore, *(out.path for out in stage.outs if out.cache)])
            yield from _define(run, stage)
            raise _InputChanged(
                f"{', '.join(moved)} changed while the command ran; the outputs stay, but nothing was recorded",
                f"git stage repro {label}",
            )
        yield from _record(run, stage, after, measured)


def _timing(project: Project, stage: Stage) -> str:
    """The name under which it is remembered how long a stage takes."""
    return f"took {project.root}/{stage.file}:{stage.name}"


def _expected(project: Project, stage: Stage) -> float | None:
    """How long the stage took last time, in seconds."""
    with contextlib.suppress(ValueError):
        return float(project.memo.parsed(_timing(project, stage), b"") or "")
    return None


class _InputChanged(StageFailed):
    """The outputs were made, but nobody knows from what."""


def _refuse_held(project: Project, stage: Stage) -> None:
    for path, pid in project.scratch.held_elsewhere().items():
        for out in stage.outs:
            if path == out.path:
                raise Busy(f"output '{path}': another run of it (process {pid}) has not ended")


def _changed_inputs(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    old = {dep["path"]: dep["md5"] for dep in before.get("deps", ())}
    moved = [dep["path"] for dep in after.get("deps", ()) if old.get(dep["path"]) != dep["md5"]]
    values = before.get("params", {})
    return moved + [file for file, now in after.get("params", {}).items() if values.get(file) != now]


@contextlib.contextmanager
def _released(run: _Run, *, alone: bool = False) -> Iterator[None]:
    """While a command runs, other commands may use the project; the stage's own paths stay locked.

    `alone`: no other stage of this run goes on meanwhile.
    """
    if run.workers is not None and not alone:
        with run.workers.idle():
            yield
        return
    run.lock.release()
    try:
        yield
    finally:
        run.lock.acquire()


@contextlib.contextmanager
def _moved_aside(run: _Run, stage: Stage, outs: Sequence[Output], *, only_unsaved: bool = False) -> Iterator[None]:
    """Outputs out of the way; back again if the body fails. `only_unsaved`: those whose content is in the cache stay."""
    project = run.project
    scratch = project.scratch
    kept = stage.name or posixpath.basename(stage.file)
    precious: list[str] = []
    saved: list[Digest] = []
    paths = [out.path for out in outs]
    earlier: dict[str, Measured | None] = {}
    around = _around(project, stage)

    def settle() -> list[str]:
        project.cache.settle(saved)
        said = []
        for path, state in around.items():
            project.journal.was(path, state, whole=state is None or "folder" not in state)
        around.clear()
        for path, measured in earlier.items():
            place = project.let_go(path, measured, kept=kept if path in precious else None)
            if place is not None:
                said.append(f"the earlier '{path}' was in no cache; it is kept in {os.path.relpath(place)}")
        earlier.clear()
        scratch.settle(paths)
        return said

    try:
        for out in outs:
            measured = project.worktree.measure(out.path)
            if not _is_saved(project, stage, out, measured):
                precious.append(out.path)
            elif only_unsaved:
                continue
            elif measured is not None:
                saved.append(measured.content.digest)
            if out.path.startswith(("../", "/")):
                _remove_outside(project, out)
            else:
                earlier[out.path] = measured
                scratch.move_aside(out.path)
        run.settle = settle
        yield
    except _InputChanged:
        settle()
        scratch.forget(paths)
        raise
    except BaseException as error:
        for out in outs:
            _remove_special(project, out)
        for path, place in scratch.restore(os.path.join(project.kept_dir, kept), paths).items():
            if isinstance(error, GitstageError) and error.hint is None:
                error.hint = f"what it wrote to {path} is kept in {os.path.relpath(place)}"
        raise
    finally:
        run.settle = None
    settle()
    scratch.forget(paths)


def _around(project: Project, stage: Stage) -> dict[str, State]:
    """What else the command is about to change, for undo: folders that it will make, and outputs that it finds and changes
    in place, if the cache can give them back."""
    from gitstage.journal import describe

    found: dict[str, State] = {}
    for out in stage.outs if project.journal.is_on else ():
        if out.path.startswith(("../", "/")):
            continue
        for folder in project.journal.missing_parents(out.path):
            found[folder] = {"folder": False}
        if out.persist:
            state = describe(project.cache, project.worktree.absolute(out.path), project.worktree.measure(out.path))
            if state is not None or not project.worktree.exists(out.path):
                found[out.path] = state
    return found


def _remove_special(project: Project, out: Output) -> None:
    """A pipe or socket is nothing to keep, and in the way of everything."""
    found = None if out.path.startswith(("../", "/")) else project.folder.lstat(out.path)
    if found is not None and not (
        stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode)
    ):
        project.folder.unlink(out.path)


def _is_saved(project: Project, stage: Stage, out: Output, measured: Measured | None) -> bool:
    """Can what lies at an output be had again: from the cache, or by running what the lock recorded?"""
    if measured is None:
        return True
    digest = measured.content.digest
    return digest == stage.recorded(out) or not project.cache.lacks(digest)


def _remove_outside(project: Project, out: Output) -> None:
    """An uncached output outside the project cannot be moved aside; a file there is removed, as the stage declares."""
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        os.unlink(project.worktree.absolute(out.path))


def _command_line() -> str:
    return " ".join(["git-stage", *sys.argv[1:]])


# -- recording -------------------------------------------------------------------------------------------------


def _save_outputs(run: _Run, stage: Stage) -> list[tuple[Output, Measured]]:
    project, options = run.project, run.options
    for out in stage.outs:
        if not project.worktree.exists(out.path):
            raise StageFailed(f"output '{out.path}' does not exist after the command")
    found = []
    for out in stage.outs:
        found.append((out, project.store.output(stage, out, commit=options.commit, keep=_is_shared(run, stage))))
    return found


def _is_shared(run: _Run, stage: Stage) -> bool:
    """Will the result go to the run cache?"""
    return (
        run.options.commit
        and run.options.share
        and _may_be_cached(run.project, stage)
        and (run.options.share == "all" or all(out.cache or out.kind != "out" for out in stage.outs))
    )


def _record(
    run: _Run, stage: Stage, inputs: Mapping[str, Any], measured: list[tuple[Output, Measured]] | None
) -> Iterator[Event]:
    """Write down a stage whose outputs are in place: .gitignore, run cache, links, lock."""
    project = run.project
    outs = _save_outputs(run, stage) if measured is None else measured
    label = stage.label(project.cwd)
    for out, what in outs:
        if what.content.size == 0:
            yield Warned(label, f"'{out.path}' is empty.")
    run.written += project.ignore([*run.ignore, *(out.path for out, _ in outs if out.cache)])
    entry = lock_entry(inputs, [(out, what.content) for out, what in outs])
    _keep_old_entries(stage, entry)
    if run.options.commit:
        if _is_shared(run, stage):
            project.runs.save(entry)
        for out, what in outs:
            if out.cache and run.options.relink:
                project.store.relink(out.path, what)
    yield from _write_lock(run, stage, entry)


def _keep_old_entries(stage: Stage, entry: Mapping[str, Any]) -> None:
    """An entry of the old kind that still holds stays exactly as it is."""
    if stage.record is None or stage.name is None:
        return
    for name, recorded in (("deps", stage.record.deps), ("outs", stage.record.outs)):
        for position, now in enumerate(entry.get(name, ())):
            old = recorded.get(now["path"])
            if old and old.digest and old.digest.legacy and "hash" not in now and old.raw.get("md5") == now["md5"]:
                entry[name][position] = dict(old.raw)


def _define(run: _Run, stage: Stage) -> Iterator[Event]:
    for path, data in run.definition.items():
        atomic_write(run.project.worktree.absolute(path), data)
        run.written.append(path)
        yield Defined(stage.label(run.project.cwd), path)


def _write_lock(run: _Run, stage: Stage, entry: dict[str, Any]) -> Iterator[Event]:
    """Replace the stage's entry in its lock, on top of what the file holds now; nothing is written if it is the same."""
    project = run.project
    yield from _define(run, stage)
    path = stage.lock_file
    old = project.worktree.read(path)
    if stage.name is None:
        new: bytes | None = _own_record(old, path, entry)
    else:
        new = formats.update_lock(old, path, {stage.name: entry}, _followers(run, stage))
    assert new is not None
    agreed = {
        out.path: digest
        for out in stage.outs
        if out.cache and (digest := _digest(next((e for e in entry.get("outs", ()) if e["path"] == out.spelled), {})))
    }
    for message in run.settle() if run.settle is not None else ():
        yield Warned(stage.label(project.cwd), message)
    for out in stage.outs if project.is_journalled else ():
        project.journal.after(
            out.path, _digest(next((e for e in entry.get("outs", ()) if e["path"] == out.spelled), {}))
        )
    if new != old:
        atomic_write(project.worktree.absolute(path), new)
    if new != old or project.config.autostage:  # an earlier command may have died before it staged it
        run.written.append(path)
    if new != old:
        yield LockWritten(stage.label(project.cwd), path, is_new=old is None)
    if stage in run.made_up or not (run.options.share or project.runs.holds(entry)):
        merged.remember_run(project, entry)
    project.remember_restored({**project.restored(), **agreed})


def _followers(run: _Run, stage: Stage) -> set[str]:
    """The stages that `stage` goes before in its lock: those that this run recorded first but would run later, alone."""
    added = run.added.setdefault(stage.lock_file, [])
    if stage.record is None and run.planned:
        number = run.planned.index(stage)
        added.append((number, stage.name or ""))
        return {name for other, name in added if other > number}
    return set()


def _own_record(old: bytes | None, path: str, entry: Mapping[str, Any]) -> bytes:
    """The text of a `.dvc` file of DVC 0.x or 1, which holds a stage together with what it recorded."""
    given = formats.parse_dvc(old or b"", path)
    new = {key: value for key, value in given.items() if key != "md5"}
    for part in ("deps", "outs"):
        now = {str(one["path"]): one for one in entry.get(part, ())}
        new[part] = [
            {**{k: v for k, v in one.items() if k not in CONTENT_KEYS}, **now.get(str(one["path"]), {})}
            if "params" not in one
            else {**one, "params": entry["params"][str(one["path"])]}
            for one in given.get(part) or ()
        ]
        if not new[part]:
            del new[part]
    return formats.dump_dvc({"md5": checksum(new), **new}, old, path)


def _record_data(run: _Run, stage: Stage) -> Iterator[Event]:
    """Write down what the outputs of a `.dvc` file hold now."""
    project = run.project
    outs: list[tuple[Output, Content]] = []
    for out in stage.outs:
        measured = project.store.output(stage, out, commit=run.options.commit)
        outs.append((out, measured.content))
        if run.options.commit and run.options.relink and out.cache:
            project.store.relink(out.path, measured)
    run.written += project.ignore([out.path for out, _ in outs if out.cache])
    yield from write_data_file(run.project, stage.file, outs, run.written)


def inputs_now(project: Project, stages: Sequence[Stage]) -> dict[Stage, dict[str, Any]]:
    """What went into each stage, for `record_stage`; an input or output of any that is missing raises GitstageError."""
    for stage in stages:
        for out in stage.outs:
            if not project.worktree.exists(out.path):
                raise StageFailed(f"output '{out.path}' of '{stage.label(project.cwd)}' does not exist")
    return {stage: {} if stage.is_data else project.store.inputs(stage) for stage in stages}


def record_stage(
    project: Project,
    stage: Stage,
    inputs: Mapping[str, Any],
    options: Options,
    lock: RepoLock,
    written: list[str],
    *,
    made_up: Mapping[Stage, Literal["made up", "edited"]] | None = None,
) -> Iterator[Event]:
    """`commit`: accept what the work tree holds as the result of `stage`, without running it.

    `inputs`: from `inputs_now`. `made_up`: see _Run.
    """
    run = _Run(project, options, lock, project.pipeline, written, made_up=made_up or {})
    try:
        if stage.is_data:
            yield from _record_data(run, stage)
        else:
            yield from _record(run, stage, inputs, None)
    finally:
        project.changed_files(run.written)

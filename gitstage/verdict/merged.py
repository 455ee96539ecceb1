"""Records that no run made: a merge put them together from the records of both sides.

Where one branch changed one input of a stage and another branch another, the lines of dvc.lock merge without a
conflict. Every input in the merged entry is then the right one, but the outputs are those of one side.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence

from gitstage.errors import GitstageError
from gitstage.git import Commit
from gitstage.pipeline import Loader, Pipeline, Record, Stage
from gitstage.project import Project
from gitstage.runcache import value_of
from gitstage.static import Any, Literal
from gitstage.status import Change, StageStatus

_NOTE = "merged-runs"


def made_up(project: Project, stages: Iterable[Stage], sides: Sequence[Pipeline]) -> set[Stage]:
    """Those whose record is that of none of the `sides` that were merged, is made of nothing but parts of theirs, and of
    which no run is known here: neither in the run cache nor to `remember_run`."""
    known = [{(stage.file, stage.name): stage.record for stage in side.stages} for side in sides]
    found = set()
    for stage in stages:
        record = stage.record
        if record is None or stage.is_data:
            continue
        theirs = [one for side in known if (one := side.get((stage.file, stage.name))) is not None]
        if len(theirs) > 1 and _is_mixed(record, theirs) and not has_run(project, record):
            found.add(stage)
    return found


def _is_mixed(record: Record, sides: Sequence[Record]) -> bool:
    own, theirs = _parts(record), [_parts(one) for one in sides]
    return own not in theirs and all(any(_same(one.get(key), part) for one in theirs) for key, part in own.items())


def _parts(record: Record) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {("cmd",): record.cmd}
    for kind, entries in (("dep", record.deps), ("out", record.outs)):
        found.update({(kind, path): entry.raw.get("md5", entry.raw) for path, entry in entries.items()})
    for file, values in record.params.items():
        found.update({("param", file, key): (value,) for key, value in values.items()})
    return found


def _same(one: Any, other: Any) -> bool:
    return one is not None and bool(one == other)


def has_run(project: Project, record: Record) -> bool:
    """Is a run known here that gave this record: to the run cache, or to `remember_run`?"""
    entry = record.as_entry()
    outs = [(out["path"], out.get("md5")) for out in entry.get("outs", ())]
    for known in project.runs.find(entry):
        if [(out["path"], out["md5"]) for out in known["outs"]] == outs:
            return True
    path = _note(project)
    if path is None or not os.path.exists(path):
        return False
    with open(path, encoding="ascii") as stream:
        return value_of(entry) in stream.read().split()


def _note(project: Project) -> str | None:
    return os.path.join(project.repo.state_dir, _NOTE) if project.repo is not None else None


def remember_run(project: Project, entry: dict[str, Any]) -> None:
    """Note that a run (or the user, with `commit`) stands behind this lock entry, which looks made up. Not all results
    go to the run cache."""
    path = _note(project)
    if path is not None:
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(path, "a", encoding="ascii") as stream:
                stream.write(value_of(entry) + "\n")


def in_work_tree(project: Project, pipeline: Pipeline, tip: Commit) -> set[Stage]:
    """The stages of the work tree with a made-up record, where that can be known: while a merge is under way, and when
    `tip`, the commit that is checked out, is one."""
    repo = project.repo
    if repo is None:
        return set()
    sides = repo.others()
    if sides:
        sides = [tip.id, *sides]
    elif len(tip.parents) > 1 and any(path.endswith("dvc.lock") for path in repo.merged(tip.id)):
        sides = list(tip.parents)
    return made_up(project, pipeline.stages, load_sides(project, sides)) if sides else set()


def load_sides(project: Project, commits: Sequence[str], loader: Loader | None = None) -> list[Pipeline]:
    """The pipelines of the commits that are merged; one that cannot be read is left out, and nothing is made of it."""
    assert project.repo is not None
    loader = loader or project.loader()
    found = []
    for commit in commits:
        with contextlib.suppress(GitstageError):
            found.append(loader.load(project.repo.commit(commit, project.prefix, project.memo)))
    return found


def marked(statuses: Iterable[StageStatus], stages: Mapping[Stage, Literal["made up", "edited"]]) -> list[StageStatus]:
    """`statuses`, saying of `stages` that no run gave their record, and what did."""
    return [
        one._replace(changes=(Change("record", stages[one.stage]), *one.changes)) if one.stage in stages else one
        for one in statuses
    ]

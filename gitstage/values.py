"""Metrics and parameters as several states of the project have them, and what differs between two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitstage import params
from gitstage.errors import GitstageError
from gitstage.pipeline import DEFAULT_PARAMS, join
from gitstage.project import Project
from gitstage.snapshot import WORKSPACE, Snapshot, at_commit
from gitstage.static import Any, Literal

Kind = Literal["metrics", "params"]
Change = dict[str, Any]
""""old" and "new" values, None where there is none, and "diff", their difference, where both are numbers."""


@dataclass(frozen=True, slots=True)
class Values:
    """What one state holds: root-relative file -> its values, or why they cannot be read.

    `error`: why nothing at all can be read.
    """

    files: Mapping[str, Any]
    errors: Mapping[str, Exception]
    error: GitstageError | None = None

    @property
    def complete(self) -> bool:
        return self.error is None and not self.errors


@dataclass(frozen=True, slots=True)
class Compared:
    """Root-relative file -> dotted key -> change; `incomplete`: the states of which something cannot be read."""

    changes: Mapping[str, Mapping[str, Change]]
    incomplete: Mapping[str, Values]


def read(
    snapshot: Snapshot, kind: Kind, targets: Sequence[str] = (), *, inputs_only: bool = False, recursive: bool = False
) -> Values:
    """The metrics, or the parameters, of one state; of root-relative files `targets` only, if there are any.

    `inputs_only`: no parameters but those that stages depend on or their templates use. What cannot be read is in the
    result, not raised.
    """
    files: dict[str, Any] = {}
    errors: dict[str, Exception] = {}
    try:
        wanted = dict.fromkeys(targets) or _declared(snapshot, kind, inputs_only=inputs_only)
        for named, keys in wanted.items():
            for path in snapshot.files(named):
                try:
                    files[path] = _read(snapshot, path, kind, keys)
                except (GitstageError, OSError) as error:
                    errors[path] = error
        if kind == "params" and not targets:
            for path, used in _variables(snapshot).items():
                if path not in files and path not in errors:
                    files[path] = used
    except GitstageError as error:
        return Values({}, {}, error)
    return Values(files, errors)


def _declared(snapshot: Snapshot, kind: Kind, *, inputs_only: bool) -> dict[str, list[str] | None]:
    """Root-relative files that the pipeline names -> the keys that count, None: all."""
    found: dict[str, list[str] | None] = {}
    pipeline = snapshot.pipeline
    for stage in pipeline.stages:
        if kind == "metrics":
            found.update((out.path, None) for out in stage.outs if out.kind == "metric")
            continue
        for file in stage.params:
            before = found.setdefault(file.path, [])
            found[file.path] = [*before, *file.keys] if before is not None and file.keys else None
    if not inputs_only:
        found.update(
            (join(_folder(file), name), None) for file, top in pipeline.top.items() for name in top.get(kind, ())
        )
        if kind == "params" and snapshot.read(DEFAULT_PARAMS) is not None:
            found[DEFAULT_PARAMS] = None
    return found


def _folder(file: str) -> str:
    return file.rpartition("/")[0]


def _variables(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for stage in snapshot.pipeline.stages:
        for path, values in stage.variables.items():
            found.setdefault(path, {}).update(values)
    return found


def _read(snapshot: Snapshot, path: str, kind: Kind, keys: Sequence[str] | None) -> Any:
    data = snapshot.read(path)
    if data is None:
        raise FileNotFoundError(2, "no such file", path)
    if kind == "metrics":
        found = _countable(params.parse(data, path))
        return {} if found is None else found
    values = params.read_values(data, path)
    return values if keys is None else params.select(values, keys)


def _countable(value: Any) -> Any:
    """Numbers and texts, and mappings of such; what else a metrics file holds is no metric."""
    if isinstance(value, Mapping):
        items = {key: _countable(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not None and item != {}}
    return value if isinstance(value, (int, float, str)) else None


def without_workspace(states: dict[str, Values], project: Project) -> dict[str, Values]:
    """Leaves out the work tree if it holds what the branch that is checked out does."""
    branch = project.repo.branch() if project.repo is not None else None
    if branch is not None and WORKSPACE in states and states[WORKSPACE] == states.get(branch):
        return {name: state for name, state in states.items() if name != WORKSPACE}
    return states


def compare(
    project: Project, kind: Kind, old: str, new: str, targets: Sequence[str] = (),
    *, unchanged: bool = False, inputs_only: bool = False,
) -> Compared:  # fmt: skip
    """What differs from revision `old` to revision `new`, each of which may be "workspace".

    `unchanged`: also what does not. Nothing before the first commit. Raises GitstageError for a revision that is none.
    """
    if project.repo is None or project.repo.head() is None:
        return Compared({}, {})
    states = {
        name: read(
            Snapshot(name, project, project.worktree) if name == WORKSPACE else at_commit(project, name),
            kind, targets, inputs_only=inputs_only,
        )
        for name in (old, new)
    }  # fmt: skip
    before, after = states[old].files, states[new].files
    changes = {
        path: found
        for path in dict.fromkeys([*before, *after])
        if (found := dict(_differences(before.get(path), after.get(path), unchanged=unchanged)))
    }
    return Compared(changes, {name: state for name, state in states.items() if not state.complete})


def _differences(old: Any, new: Any, *, unchanged: bool) -> Iterator[tuple[str, Change]]:
    before, after = ({"": value} if _is_single(value) else dict(flat(value or {})) for value in (old, new))
    for key in dict.fromkeys([*before, *after]):
        a, b = before.get(key), after.get(key)
        if a != b or unchanged:
            change = {"old": a, "new": b}
            if isinstance(a, (int, float)) and isinstance(b, (int, float)):
                change["diff"] = b - a
            yield key, change


def _is_single(value: Any) -> bool:
    return value is not None and not isinstance(value, Mapping)


def flat(values: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested mappings as dotted keys; lists as their text; empty mappings left out."""
    if not isinstance(values, Mapping):
        yield prefix, str(values) if isinstance(values, (list, tuple)) else values
        return
    for key, value in values.items():
        yield from flat(value, f"{prefix}.{key}" if prefix else str(key))

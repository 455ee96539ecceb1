"""Which plots there are in one state, how each is to look, and the files that it needs."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitstage.pipeline import is_inside, join, relative
from gitstage.snapshot import Snapshot
from gitstage.static import Any

PROPERTIES = ("template", "x", "y", "x_label", "y_label", "title", "header")


@dataclass(frozen=True, slots=True)
class Definition:
    """One plot. `id`: as dvc.yaml names it, a path as seen by the user; `source`: the dvc.yaml, as seen by the user, or
    "" for an output of a stage or a file that was named. `properties`: as in dvc.yaml, files as seen by the user."""

    id: str
    source: str
    properties: Mapping[str, Any]

    @property
    def full_id(self) -> str:
        return f"{self.source}::{self.id}" if self.source else self.id

    @property
    def files(self) -> list[str]:
        """The files that its data comes from, as seen by the user."""
        x, y = self.properties.get("x"), self.properties.get("y")
        found = list(y) if isinstance(y, Mapping) else [self.id]
        if isinstance(x, Mapping) and x:
            found.append(next(iter(x)))
        return list(dict.fromkeys(found))


def definitions(snapshot: Snapshot, targets: Sequence[str], override: Mapping[str, Any]) -> list[Definition]:
    """The plots of one state that `targets` name: ids, files or folders as typed; all if there are none.

    `override`: properties that replace those of dvc.yaml.
    """
    found: dict[tuple[str, str], Definition] = {}
    for one in (*_top_level(snapshot), *_outputs(snapshot)):
        if not targets or any(target in (one.full_id,) or is_inside(one.id, target.rstrip("/")) for target in targets):
            before = found.get((one.source, one.id))
            known = {**(before.properties if before else {}), **one.properties, **override}
            found[one.source, one.id] = Definition(one.id, one.source, known)
    cwd = snapshot.project.cwd
    for target in targets:
        path = join(cwd, target)
        files = snapshot.files(path)
        if files != [path] or snapshot.read(path) is not None:
            for file in files:
                shown = relative(file, cwd)
                before = found.get(("", shown))
                found["", shown] = Definition(shown, "", {**(before.properties if before else {}), **override})
    return list(found.values())


def _top_level(snapshot: Snapshot) -> Iterator[Definition]:
    """What the lists `plots` of all dvc.yaml say."""
    cwd = snapshot.project.cwd
    for file, top in snapshot.pipeline.top.items():
        given: dict[str, Mapping[str, Any]] = {}
        for item in top.get("plots", ()):
            given.update({item: {}} if isinstance(item, str) else {name: more or {} for name, more in item.items()})
        folder = posixpath.dirname(file)
        named = [join(folder, name) for name, properties in given.items() if _is_of_file(properties)]
        for name, properties in given.items():
            if not _is_of_file(properties):
                yield Definition(name, relative(file, cwd), _placed(properties, folder, cwd))
                continue
            path = join(folder, name)
            for one in snapshot.files(path):
                if _nearest(one, named) == path:  # a file of a folder belongs to the most specific definition
                    yield Definition(relative(one, cwd), relative(file, cwd), properties)


def _is_of_file(properties: Mapping[str, Any]) -> bool:
    """Is the plot's name that of the file with its data?"""
    return not isinstance(properties.get("y"), Mapping)


def _placed(properties: Mapping[str, Any], folder: str, cwd: str) -> dict[str, Any]:
    """`properties` with the files of x and y as the user sees them."""
    placed = dict(properties)
    for axis in ("x", "y"):
        if isinstance(properties.get(axis), Mapping):
            placed[axis] = {relative(join(folder, file), cwd): field for file, field in properties[axis].items()}
    return placed


def _nearest(path: str, named: Sequence[str]) -> str:
    return max((one for one in named if is_inside(path, one)), key=len, default="")


def _outputs(snapshot: Snapshot) -> Iterator[Definition]:
    """The outputs that stages list under `plots`."""
    cwd = snapshot.project.cwd
    for file, properties in output_properties(snapshot).items():
        for one in snapshot.files(file):
            yield Definition(relative(one, cwd), "", properties)


def output_properties(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Root-relative path of every output under `plots` -> its properties."""
    found: dict[str, dict[str, Any]] = {}
    for stage in snapshot.pipeline.stages:
        flags: dict[str, Mapping[str, Any]] = {}
        for item in stage.definition.get("plots") or () if stage.name is not None else ():
            if isinstance(item, Mapping):
                flags.update({str(name): more for name, more in item.items() if isinstance(more, Mapping)})
        for out in stage.outs:
            if out.kind == "plot":
                given = flags.get(out.spelled, {})
                found[out.path] = {name: given[name] for name in PROPERTIES if name in given}
    return found

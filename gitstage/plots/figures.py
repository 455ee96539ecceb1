"""Plots over all states: one figure for each plot, with the data points of every state, or its images."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gitstage import fs
from gitstage.errors import GitstageError
from gitstage.pipeline import join
from gitstage.plots import templates
from gitstage.plots.definitions import Definition, definitions, output_properties
from gitstage.plots.points import PlotError, Point, is_image, parse, points
from gitstage.snapshot import Snapshot
from gitstage.static import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something of one state cannot be drawn. `plot` and `source` (a file) are None where all is concerned."""

    revision: str
    error: Exception
    plot: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of one state. `path`: the file as seen by the user."""

    revision: str
    path: str
    data: bytes

    @property
    def file_name(self) -> str:
        """A name for a copy of it beside those of other states."""
        return f"{self.revision}_{self.path}".replace(os.sep, "_").replace("/", "_")

    @property
    def url(self) -> str:
        """The picture itself, as a data: URL."""
        kind = {"jpg": "jpeg", "svg": "svg+xml"}.get(suffix := self.path.rpartition(".")[2], suffix)
        return f"data:image/{kind};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One plot with what all states have for it: data points, or images."""

    name: str
    renderer: Any = None
    images: tuple[Image, ...] = ()
    is_image: bool = False

    def specification(self) -> dict[str, Any] | None:
        """The Vega-Lite specification with the data in it; None if there is no data.

        Raises PlotError if the template does not fit the data.
        """
        found: dict[str, Any] | None = self._filled(lambda renderer: renderer.get_filled_template())
        return found

    def as_json(self, *, split: bool, images: str | None = None) -> list[dict[str, Any]]:
        """The form that `dvc plots --json` has. `split`: template and data apart; `images`: write pictures to this
        folder and name the files."""
        if self.is_image:
            return [
                {"type": "image", "revisions": [one.revision], "url": _written(one, images) if images else one.url}
                for one in self.images
            ]
        if not self.renderer.datapoints:
            return []
        found: dict[str, Any] = {"type": "vega", "revisions": self.renderer.get_revs()}
        if split:
            content, apart = self._filled(lambda renderer: renderer.get_partial_filled_template())
            return [{**found, "content": content, **apart}]
        return [{**found, "content": self.specification()}]

    def _filled(self, fill: Any) -> Any:
        if self.renderer is None or not self.renderer.datapoints:
            return None
        try:
            return fill(self.renderer)
        except templates.errors() as error:
            raise PlotError(f"{self.name}: {error}") from None


def _written(image: Image, folder: str) -> str:
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, image.file_name)
    fs.atomic_write(path, image.data)
    return path


def figures(
    snapshots: Iterable[Snapshot], targets: Sequence[str], override: Mapping[str, Any], template_dir: str | None
) -> tuple[list[Figure], list[Problem]]:
    """All plots that `targets` name (see `definitions`), in the order in which the states have them.

    Raises GitstageError for a template that does not exist, or if the packages for drawing are not installed.
    """
    problems: list[Problem] = []
    found: dict[str, list[tuple[Snapshot, Definition]]] = {}
    contents: dict[tuple[str, str], Any] = {}
    for snapshot in snapshots:
        try:
            named = _by_id(definitions(snapshot, targets, override))
            headers = output_properties(snapshot)
        except GitstageError as error:
            problems.append(Problem(snapshot.name, error))
            continue
        for plot_id, definition in named.items():
            found.setdefault(plot_id, []).append((snapshot, definition))
            for file in definition.files:
                header = {**headers.get(join(snapshot.project.cwd, file), {}), **override}.get("header", True)
                try:
                    contents[snapshot.name, file] = _content(snapshot, file, bool(header))
                except (GitstageError, OSError) as error:
                    problems.append(Problem(snapshot.name, error, plot_id, file))
    made = []
    for plot_id, group in found.items():
        made.append(_figure(plot_id, group, contents, template_dir, problems))
    return made, problems


def _by_id(named: Sequence[Definition]) -> dict[str, Definition]:
    """Definitions by their id, or by their full id where several have the same."""
    ids = [one.id for one in named]
    return {one.id if ids.count(one.id) == 1 else one.full_id: one for one in named}


def _content(snapshot: Snapshot, file: str, header: bool) -> Any:
    data = snapshot.read(join(snapshot.project.cwd, file))
    if data is None:
        raise FileNotFoundError(2, "is neither there nor in the cache", file)
    return parse(data, file, header=header)


def _figure(
    plot_id: str, group: Sequence[tuple[Snapshot, Definition]], contents: Mapping[tuple[str, str], Any],
    template_dir: str | None, problems: list[Problem],
) -> Figure:  # fmt: skip
    properties: dict[str, Any] = {}
    for _, definition in reversed(group):  # what the first state says counts
        properties.update(definition.properties)
    inner = group[0][1].id
    if is_image(inner):
        images = [
            Image(snapshot.name, file, contents[snapshot.name, file])
            for snapshot, definition in group
            for file in definition.files
            if (snapshot.name, file) in contents
        ]
        return Figure(inner, None, tuple(images), is_image=True)
    if template_dir is not None:
        properties["template_dir"] = template_dir
    every: list[Point] = []
    filled: dict[str, Any] = {}
    revisions = []
    for snapshot, definition in group:
        there = {
            file: contents[snapshot.name, file] for file in definition.files if contents.get((snapshot.name, file))
        }
        try:
            made, more = points(definition.id, there, properties, snapshot.name)
        except PlotError as error:
            problems.append(Problem(snapshot.name, error, plot_id))
            continue
        filled = filled or more
        every += made
        if made:
            revisions.append(snapshot.name)
    filled.setdefault("title", plot_id)
    if revisions:
        filled["revs_with_datapoints"] = revisions
    return Figure(plot_id, templates.renderer(every, plot_id, filled))

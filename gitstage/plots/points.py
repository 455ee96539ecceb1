"""From the content of files to the data points of one plot, in the form that DVC's Vega-Lite templates expect."""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Iterator, Mapping, Sequence

from gitstage import params
from gitstage.errors import FormatError, GitstageError
from gitstage.static import Any

IMAGES = (".jpg", ".jpeg", ".gif", ".png", ".svg")
_STRUCTURED = (".json", ".yaml", ".yml", ".toml", ".py")
STEP = "step"
"""The x of points that have none: their number."""

Point = dict[str, Any]
Axis = list[tuple[str, str]]
"""(file, field) pairs."""


class PlotError(GitstageError):
    """A file that cannot be drawn as it is asked for."""


def is_image(path: str) -> bool:
    return posixpath.splitext(path)[1] in IMAGES


def parse(data: bytes, path: str, *, header: bool = True) -> Any:
    """What a data file holds: of an image its bytes, of a table the rows as mappings, else its value.

    `header`: the first row of a table names its columns; otherwise they are "0", "1", ... Raises PlotError for a file of
    another kind, FormatError for one that is invalid.
    """
    suffix = posixpath.splitext(path)[1]
    if suffix in IMAGES:
        return data
    if suffix in _STRUCTURED:
        return params.parse(data, path)
    if suffix not in (".csv", ".tsv"):
        raise PlotError(f"{path}: is no JSON, YAML, TOML, CSV, TSV or image file, so it cannot be drawn")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise FormatError(path, "not UTF-8 text", data.count(b"\n", 0, error.start) + 1) from None
    delimiter = "," if suffix == ".csv" else "\t"
    names: Sequence[str] | None = None
    try:
        if not header:
            first = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
            names = [str(number) for number in range(len(first))]
        return list(csv.DictReader(io.StringIO(text), names, delimiter=delimiter))
    except csv.Error as error:
        raise FormatError(path, f"not a table: {error}") from None


def points(
    plot_id: str, contents: Mapping[str, Any], properties: Mapping[str, Any], revision: str
) -> tuple[list[Point], dict[str, Any]]:
    """The points of one state, and the properties that a template is filled with; ([], {}) if there are none.

    Raises PlotError if a field is missing, or what belongs together has different lengths.
    """
    x_given, y_given = properties.get("x"), properties.get("y")
    y = (
        y_given
        if isinstance(y_given, Mapping)
        else _guessed_y(plot_id, contents)
        if y_given is None
        else {plot_id: y_given}
    )
    x = _x_by_file(plot_id, x_given, y_given) if isinstance(x_given, str) else x_given
    filled = {**properties, "x": x, "y": y} if x is not None else {**properties, "y": y}
    filled["y_label"] = _label(properties.get("y_label"), y, "y", None)
    filled["x_label"] = _label(properties.get("x_label"), x, "x", STEP)
    rows = {file: rows_of(content, file) for file, content in contents.items()}
    xs = _checked(x, rows)
    ys = _checked(y, rows)
    if len(xs) > 1 and len(xs) != len(ys):
        raise PlotError(f"there are {len(xs)} fields for x, but {len(ys)} for y")
    several_x = len({field for _, field in xs}) > 1
    several_y = len({field for _, field in ys}) > 1
    filled["x"] = "dvc_inferred_x_value" if several_x else xs[0][1] if xs else STEP
    filled["y"] = "dvc_inferred_y_value" if several_y else ys[0][1] if ys else None
    start = len(posixpath.commonpath([file for file, _ in ys])) if len({file for file, _ in ys}) > 1 else 0
    shown = [(file[start:].strip("/"), field) for file, field in ys]
    filled["anchors_y_definitions"] = [{"filename": file, "field": field} for file, field in shown]
    found: list[Point] = []
    for number, (file, field) in enumerate(ys):
        made = [dict(row) for row in rows.get(file, [])]
        if several_y:
            _put(made, filled["y"], made, field)
        if not xs:
            for step, point in enumerate(made):
                point[STEP] = step
        else:
            x_file, x_field = xs[number] if len(xs) > 1 else xs[0]
            source = rows.get(x_file, [])
            if len(source) != len(made):
                raise PlotError(f"'{x_field}' of {x_file} and '{field}' of {file} have different lengths")
            _put(made, filled["x"], source, x_field)
        for point in made:
            point.update(rev=revision, filename=shown[number][0], field=field)
        found += made
    return (found, filled) if found else ([], {})


def _put(into: list[Point], name: str, source: Sequence[Point], field: str) -> None:
    for point, row in zip(into, source, strict=True):
        if field in row:
            point[name] = row[field]


def _guessed_y(plot_id: str, contents: Mapping[str, Any]) -> dict[str, str] | None:
    """The last column of the first table in the plot's own file."""
    for table in _lists(contents.get(plot_id, {}), plot_id):
        if table and all(isinstance(row, Mapping) for row in table):
            return {plot_id: list(table[0])[-1]} if table[0] else None
    return None


def _x_by_file(plot_id: str, field: str, y: Any) -> dict[str, Any]:
    """One x for every file, as often as the file has a y."""
    if not isinstance(y, Mapping):
        return {plot_id: field}
    return {file: [field] * len(fields) if isinstance(fields, list) else field for file, fields in y.items()}


def _label(given: Any, axis: Any, several: str, without: str | None) -> Any:
    """The name of an axis: as given, or its only field, or `several`; `without` if there is no field."""
    if given is not None:
        return given
    if not isinstance(axis, Mapping):
        return without
    fields = {field for _, field in _pairs(axis)}
    return fields.pop() if len(fields) == 1 else several


def _pairs(axis: Any) -> Axis:
    found: Axis = []
    for file, fields in axis.items() if isinstance(axis, Mapping) else ():
        found += [(file, field) for field in ([fields] if isinstance(fields, str) else fields)]
    return found


def _checked(axis: Any, rows: Mapping[str, list[Point]]) -> Axis:
    pairs = _pairs(axis)
    for file, field in pairs:
        known = list(rows[file][0]) if rows.get(file) else []
        if file in rows and field not in known:
            only = f"only {', '.join(map(repr, known))}" if known else "because it holds no table"
            raise PlotError(f"{file}: has no field '{field}', {only}")
    return pairs


def rows_of(content: Any, file: str) -> list[Point]:
    """All tables in a file, side by side: lists of mappings with the same keys, at any depth of mappings."""
    found: list[Point] = []
    for table in _lists(content, file):
        if table and all(isinstance(row, Mapping) and row.keys() == table[0].keys() for row in table):
            for number, row in enumerate(table):
                if number == len(found):
                    found.append({})
                found[number].update(row)
    return found


def _lists(content: Any, file: str) -> Iterator[list[Any]]:
    if isinstance(content, list):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            if isinstance(value, Mapping):
                yield from _lists(value, file)
            elif isinstance(value, list):
                yield value
    else:
        raise PlotError(f"{file}: holds a single value, nothing that could be drawn")

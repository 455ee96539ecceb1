"""Graphs: as boxes and lines, as a Mermaid flowchart, as a Graphviz file.

The drawing is a layered one: nodes by rank, each layer sorted by the middle of its neighbours, edges along horizontal
tracks between layers. Lines fork below the box that they come from and never join: each ends at a box in an arrow of its
own. Where lines cross, the horizontal one is interrupted.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gitstage.dag import Graph, layers

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_LINES = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"
_PLAIN = str.maketrans("╵╷│╴┘┐┤╶└┌├─┴┬┼▼", "|||-+++-+++-+++v")
_SWEEPS = 12
_GAP = 3  # columns between neighbours


def mermaid(graph: Graph) -> str:
    """A flowchart; nodes are numbered, component after component."""
    lines = ["flowchart TD"]
    number = 0
    for part in graph.parts():
        ids = {}
        for node in sorted(part.nodes):
            number += 1
            ids[node] = f"node{number}"
            lines.append(f'\t{ids[node]}["{node}"]')
        lines += [f"\t{ids[a]}-->{ids[b]}" for a, b in sorted(part.edges)]
    return "\n".join(lines)


def dot(graph: Graph) -> str:
    """What Graphviz reads."""
    lines = [f"{_quoted(node)};" for node in graph.nodes]
    lines += [f"{_quoted(a)} -> {_quoted(b)};" for a, b in graph.edges]
    return "\n".join(["strict digraph {", *lines, "}"])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def drawing(graph: Graph, *, plain: bool = False) -> str:
    """Boxes and lines, component below component. `plain`: with ASCII characters only."""
    text = "\n".join(_Drawing(part).text() for part in graph.parts())
    return text.translate(_PLAIN) if plain else text


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) + sum(unicodedata.east_asian_width(char) in "WF" for char in text if not char.isascii())


@dataclass(eq=False)
class _Place:
    """A node in its layer, or (no label) where an edge passes it. `x`: the column of its middle; `inputs`: how many
    edges end here."""

    label: str | None
    x: int = 0
    inputs: int = 0

    @property
    def half(self) -> int:
        """Columns on each side of the middle."""
        return 0 if self.label is None else max((columns(self.label) + 4) // 2, self.inputs)


class _Drawing:
    def __init__(self, graph: Graph) -> None:
        edges = [(a, b) for a, b in graph.edges if a != b]
        rank = layers(graph.nodes, edges)
        places = {node: _Place(node) for node in graph.nodes}
        self.layers: list[list[_Place]] = [[] for _ in range(max(rank.values(), default=0) + 1)]
        for node in graph.nodes:
            self.layers[rank[node]].append(places[node])
        self.below: dict[_Place, list[_Place]] = {}
        self.above: dict[_Place, list[_Place]] = {}
        for a, b in edges:
            last = places[a]
            for between in range(rank[a] + 1, rank[b]):
                passing = _Place(None)
                self.layers[between].append(passing)
                self._join(last, passing)
                last = passing
            self._join(last, places[b])
        self._sort()
        self._move()
        self.cells: dict[tuple[int, int], str] = {}
        self.lines: dict[tuple[int, int], dict[_Place, int]] = {}

    def _join(self, upper: _Place, lower: _Place) -> None:
        self.below.setdefault(upper, []).append(lower)
        self.above.setdefault(lower, []).append(upper)
        lower.inputs += 1

    # -- where things stand --------------------------------------------------------------------------------

    def _sort(self) -> None:
        """Order each layer so that few lines cross."""
        best, fewest = [list(layer) for layer in self.layers], self._crossings()
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            neighbours = self.above if down else self.below
            numbered = self.layers if down else self.layers[::-1]
            for fixed, moved in pairwise(numbered):
                at = {place: index for index, place in enumerate(fixed)}
                now = {place: index for index, place in enumerate(moved)}
                moved.sort(
                    key=lambda place: (_mean([at[n] for n in neighbours.get(place, ())], now[place]), now[place])
                )
            count = self._crossings()
            if count < fewest:
                best, fewest = [list(layer) for layer in self.layers], count
        self.layers = best

    def _crossings(self) -> int:
        total = 0
        for upper, lower in pairwise(self.layers):
            at = {place: index for index, place in enumerate(lower)}
            ends = [at[b] for a in upper for b in sorted(self.below.get(a, ()), key=at.__getitem__)]
            total += sum(ends[i] > ends[j] for i in range(len(ends)) for j in range(i + 1, len(ends)))
        return total

    def _move(self) -> None:
        """Choose columns: near the middle of the neighbours, in order, not touching."""
        for layer in self.layers:
            x = 0
            for place in layer:
                place.x = x + place.half
                x = place.x + place.half + _GAP
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            neighbours = self.above if down else self.below
            for layer in self.layers if down else reversed(self.layers):
                wanted = [round(_mean([n.x for n in neighbours.get(place, ())], place.x)) for place in layer]
                left, right = list(wanted), list(wanted)
                for i in range(1, len(layer)):
                    left[i] = max(left[i], left[i - 1] + _distance(layer[i - 1], layer[i]))
                for i in range(len(layer) - 2, -1, -1):
                    right[i] = min(right[i], right[i + 1] - _distance(layer[i], layer[i + 1]))
                for place, a, b in zip(layer, left, right, strict=True):
                    place.x = (a + b) // 2
        start = min((place.x - place.half for layer in self.layers for place in layer), default=0)
        for layer in self.layers:
            for place in layer:
                place.x -= start

    def _ends(self, upper: Sequence[_Place], lower: Sequence[_Place]) -> dict[tuple[_Place, _Place], int]:
        """At which column each edge between two layers ends; the edges of a box in the order of where they come from."""
        taken = {place.x for place in upper}
        found: dict[tuple[_Place, _Place], int] = {}
        for place in lower:
            sources = sorted(self.above.get(place, ()), key=lambda source: source.x)
            free = list(range(place.x - place.half + 1, place.x + place.half)) or [place.x]
            for number, source in enumerate(sources):
                wish = place.x + 2 * number - (len(sources) - 1)
                later = len(sources) - number - 1  # each of which needs a column, too
                choice = [x for x in free[: len(free) - later] if x == source.x or x not in taken] or free[
                    : len(free) - later
                ]
                found[source, place] = min(choice, key=lambda x: (abs(x - wish), x))
                free = [x for x in free if x > found[source, place]]
        return found

    def _tracks(self, upper: Sequence[_Place], ends: Mapping[tuple[_Place, _Place], int]) -> dict[_Place, int]:
        """Which row between two layers the line from each place of the upper one turns in; straight ones have none."""
        turning = {a: [x for b in self.below.get(a, ()) if (x := ends[a, b]) != a.x] for a in upper}
        spans = {a: (min(a.x, *xs), max(a.x, *xs)) for a, xs in turning.items() if xs}
        # a line that comes down where another one goes on has to turn above it
        before = {a: [other for other in spans if other is not a and other.x in turning[a]] for a in spans}
        rows: dict[_Place, int] = {}
        waiting = sorted(spans, key=lambda a: spans[a])
        while waiting:
            ready = [a for a in waiting if all(other in rows for other in before[a])] or waiting[:1]
            for a in ready:
                low = max((rows[other] + 1 for other in before[a] if other in rows), default=0)
                taken = {rows[o] for o in rows if spans[o][0] <= spans[a][1] + 1 and spans[a][0] <= spans[o][1] + 1}
                rows[a] = next(row for row in range(low, low + len(spans) + 1) if row not in taken)
            waiting = [a for a in waiting if a not in rows]
        return rows

    # -- painting ------------------------------------------------------------------------------------------

    def text(self) -> str:
        y = 0
        for number, layer in enumerate(self.layers):
            for place in layer:
                self._box(place, y)
            y += 3
            if number + 1 == len(self.layers):
                break
            ends = self._ends(layer, self.layers[number + 1])
            rows = self._tracks(layer, ends)
            end = y + max(rows.values(), default=-1) + 1
            for a in layer:
                for b in self.below.get(a, ()):
                    self._edge(a, ends[a, b], y, y + rows.get(a, 0), end)
                    if b.label is not None:
                        self.cells[ends[a, b], end] = "▼"
            y = end + 1
        return self._painted(y)

    def _box(self, place: _Place, y: int) -> None:
        if place.label is None:
            for row in range(3):
                self._line(place, place.x, y + row, _UP | _DOWN)
            return
        inner = 2 * place.half - 1
        left = place.x - place.half
        rest = inner - columns(place.label)
        label = " " * (rest // 2) + place.label + " " * (rest - rest // 2)
        leaves = "┬" if place in self.below else "─"
        for row, text in enumerate((
            "┌" + "─" * inner + "┐", "│" + label + "│",
            "└" + "─" * (place.half - 1) + leaves + "─" * (inner - place.half) + "┘",
        )):  # fmt: skip
            x = left
            for char in text:
                self.cells[x, y + row] = char
                x += 1
                if columns(char) == 2:
                    self.cells[x, y + row] = ""
                    x += 1

    def _edge(self, a: _Place, x: int, top: int, turn: int, end: int) -> None:
        """From below `a` (row `top`) along row `turn` to column `x` and down to row `end`."""
        if x == a.x:
            for row in range(top, end + 1):
                self._line(a, x, row, _UP | _DOWN)
            return
        for row in range(top, turn):
            self._line(a, a.x, row, _UP | _DOWN)
        towards, back = (_RIGHT, _LEFT) if x > a.x else (_LEFT, _RIGHT)
        self._line(a, a.x, turn, _UP | towards)
        for column in range(min(a.x, x) + 1, max(a.x, x)):
            self._line(a, column, turn, _LEFT | _RIGHT)
        self._line(a, x, turn, _DOWN | back)
        for row in range(turn + 1, end + 1):
            self._line(a, x, row, _UP | _DOWN)

    def _line(self, owner: _Place, x: int, y: int, directions: int) -> None:
        owners = self.lines.setdefault((x, y), {})
        owners[owner] = owners.get(owner, 0) | directions

    def _painted(self, height: int) -> str:
        for at, owners in self.lines.items():
            kinds = set(owners.values())
            crossing = kinds == {_UP | _DOWN, _LEFT | _RIGHT}
            directions = _UP | _DOWN if crossing else _all(kinds)
            self.cells.setdefault(at, _LINES[directions])
        width = max((x for x, _ in self.cells), default=-1) + 1
        rows = ["".join(self.cells.get((x, y), " ") for x in range(width)).rstrip() for y in range(height)]
        return "\n".join(rows)


def _mean(values: Sequence[int], default: int) -> float:
    return sum(values) / len(values) if values else default


def _distance(left: _Place, right: _Place) -> int:
    return left.half + right.half + _GAP


def _all(kinds: Iterable[int]) -> int:
    found = 0
    for kind in kinds:
        found |= kind
    return found

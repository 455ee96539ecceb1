"""Graphs as text: every edge can be followed, nothing overlaps, crossings are not joints."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest

from gitstage.dag import Graph, layers
from gitstage.ui.dag import columns, dot, drawing, mermaid

DOWN, UP, LEFT, RIGHT = (0, 1), (0, -1), (-1, 0), (1, 0)
OPEN = {
    "│": {UP, DOWN}, "─": {LEFT, RIGHT}, "┌": {RIGHT, DOWN}, "┐": {LEFT, DOWN}, "└": {UP, RIGHT}, "┘": {UP, LEFT},
    "├": {UP, DOWN, RIGHT}, "┤": {UP, DOWN, LEFT}, "┬": {LEFT, RIGHT, DOWN}, "┴": {LEFT, RIGHT, UP},
    "┼": {LEFT, RIGHT, UP, DOWN}, "▼": {UP, DOWN},
}  # fmt: skip


def followed(text: str, nodes: list[str]) -> set[tuple[str, str]]:
    """The edges that a reader finds: from each box's bottom along the lines to the tops of other boxes."""
    rows = text.split("\n")
    cells = {(x, y): char for y, row in enumerate(rows) for x, char in enumerate(row)}
    boxes: dict[str, tuple[int, int, int]] = {}
    for y, row in enumerate(rows):
        for node in nodes:
            box = re.search(rf"│ +{node} +│", row)
            if box and cells.get((box.start(), y - 1)) == "┌":
                boxes[node] = (box.start(), box.end() - 1, y)
    assert boxes.keys() == set(nodes), text
    tops = {(x, y - 1): node for node, (left, right, y) in boxes.items() for x in range(left, right + 1)}
    found = set()
    for node, (left, right, y) in boxes.items():
        starts = [x for x in range(left, right + 1) if cells.get((x, y + 1)) == "┬"]
        seen: set[tuple[int, int, tuple[int, int]]] = set()
        queue = [(x, y + 2, DOWN) for x in starts]
        while queue:
            x, y0, direction = step = queue.pop()
            if step in seen:
                continue
            seen.add(step)
            if (x, y0) in tops:
                assert direction == DOWN
                found.add((node, tops[x, y0]))
                continue
            char = cells.get((x, y0), " ")
            came = (-direction[0], -direction[1])
            if char == "│" and direction in (LEFT, RIGHT):  # only crossed
                ways = {direction}
            else:
                assert came in OPEN.get(char, set()), f"{node}: a line ends at {x},{y0} ({char!r})\n{text}"
                ways = OPEN[char] - {came, UP}
            queue += [(x + dx, y0 + dy, (dx, dy)) for dx, dy in ways]
    return found


def chain(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple(pairwise(names))


@pytest.mark.parametrize("edges", [
    chain("a", "b", "c"),
    (("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")),
    (*chain("a", "b", "c", "d"), ("a", "d"), ("a", "c")),
    (("a", "x"), ("b", "x"), ("c", "x"), ("a", "y"), ("c", "y")),
])  # fmt: skip
def test_edges_can_be_followed(edges: tuple[tuple[str, str], ...]) -> None:
    nodes = sorted({name for edge in edges for name in edge})
    assert followed(drawing(Graph(tuple(nodes), edges)), nodes) == set(edges)


def test_random_graphs() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        nodes = [f"n{number}{'x' * rng.randint(0, 8)}" for number in range(rng.randint(2, 12))]
        edges = {(nodes[rng.randrange(at)], nodes[at]) for at in range(1, len(nodes)) for _ in range(rng.randint(1, 3))}
        graph = Graph(tuple(nodes), tuple(sorted(edges)))
        text = drawing(graph)
        assert followed(text, nodes) == edges, text


def test_layers_lead_down_and_sources_stand_near_their_readers() -> None:
    rank = layers(["a", "b", "c", "late"], [("a", "b"), ("b", "c"), ("late", "c")])
    assert (rank["a"], rank["b"], rank["c"], rank["late"]) == (0, 1, 2, 1)


def test_forms() -> None:
    graph = Graph(("b", "a", 'q"x', "own"), (("b", "a"),))
    assert mermaid(graph) == 'flowchart TD\n\tnode1["a"]\n\tnode2["b"]\n\tnode2-->node1\n\tnode3["q"x"]\n\tnode4["own"]'
    assert dot(graph) == 'strict digraph {\n"b";\n"a";\n"q\\"x";\n"own";\n"b" -> "a";\n}'
    assert drawing(Graph(("a", "b"), (("a", "b"),)), plain=True) == ("+---+\n| a |\n+-+-+\n  v\n+---+\n| b |\n+---+")
    assert drawing(Graph((), ())) == ""
    wide = drawing(Graph(("数据",), ()))
    assert len({columns(line) for line in wide.split("\n")}) == 1

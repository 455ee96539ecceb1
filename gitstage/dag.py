"""The graph of stages, or of outputs, as names and edges for showing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gitstage.errors import UsageError
from gitstage.pipeline import Output, Pipeline, Stage, relative


@dataclass(frozen=True, slots=True)
class Graph:
    """`nodes` in the pipeline's order; `edges`: (what is made first, what reads it), each once."""

    nodes: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]

    def parts(self) -> list[Graph]:
        """The connected components, in the order of their first nodes."""
        part_of = {node: node for node in self.nodes}

        def root(node: str) -> str:
            while part_of[node] != node:
                part_of[node] = part_of[part_of[node]]
                node = part_of[node]
            return node

        for a, b in self.edges:
            part_of[root(b)] = root(a)
        members: dict[str, list[str]] = {}
        for node in self.nodes:
            members.setdefault(root(node), []).append(node)
        edges: dict[str, list[tuple[str, str]]] = {}
        for edge in self.edges:
            edges.setdefault(root(edge[0]), []).append(edge)
        return [Graph(tuple(nodes), tuple(edges.get(key, ()))) for key, nodes in members.items()]

    def only(self, wanted: Collection[str], *, full: bool) -> Graph:
        """`wanted` and what they need; `full`: whole components."""
        kept = set(wanted)
        if full:
            kept = {node for part in self.parts() if kept.intersection(part.nodes) for node in part.nodes}
        else:
            makers: dict[str, list[str]] = {}
            for a, b in self.edges:
                makers.setdefault(b, []).append(a)
            queue = list(kept)
            while queue:
                for maker in makers.get(queue.pop(), ()):
                    if maker not in kept:
                        kept.add(maker)
                        queue.append(maker)
        return Graph(
            tuple(node for node in self.nodes if node in kept),
            tuple(edge for edge in self.edges if kept.issuperset(edge)),
        )


def build(
    pipeline: Pipeline, target: str | None = None, *, full: bool = False, outs: bool = False, collapse: bool = False
) -> Graph:
    """The graph as seen from the pipeline's `cwd`: of `target` (a stage or output as typed) and what it needs, or of all.

    `full`: all that is connected to the target; `outs`: of outputs instead of stages; `collapse`: one node for all
    stages of a foreach or matrix. Raises PipelineError for a target or a graph that cannot be, UsageError if `outs` and
    `collapse` are both asked for.
    """
    if outs and collapse:
        raise UsageError("--outs and --collapse-foreach-matrix exclude each other")
    pipeline.check()
    graph = _of_outputs(pipeline) if outs else _of_stages(pipeline)
    if target is not None:
        found = pipeline.find(target)
        wanted = [one.stage.label(pipeline.cwd) for one in found]
        if outs:
            wanted = [
                relative(out.path, pipeline.cwd)
                for one in found
                for out in one.stage.outs
                if one.out in (None, out.path)
            ]
        graph = graph.only(wanted, full=full)
    return _collapsed(graph, pipeline) if collapse else graph


def _of_stages(pipeline: Pipeline) -> Graph:
    label = {stage: stage.label(pipeline.cwd) for stage in pipeline.stages}
    edges = [
        (label[maker], label[stage])
        for stage in pipeline.stages
        if not stage.is_import
        for maker in pipeline.upstream(stage)
    ]
    return Graph(tuple(label.values()), tuple(dict.fromkeys(edges)))


def _of_outputs(pipeline: Pipeline) -> Graph:
    def label(out: Output) -> str:
        return relative(out.path, pipeline.cwd)

    edges = [
        (label(read), label(out))
        for stage in pipeline.stages
        for read in _inputs_made(pipeline, stage)
        for out in stage.outs
    ]
    return Graph(tuple(label(out) for stage in pipeline.stages for out in stage.outs), tuple(dict.fromkeys(edges)))


def _inputs_made(pipeline: Pipeline, stage: Stage) -> Iterable[Output]:
    """The outputs of others that a stage reads."""
    for path in [dep.path for dep in stage.deps] + [file.path for file in stage.params]:
        owner = pipeline.owner(path)
        yield from (out for _, out in ([owner] if owner else pipeline.outputs_below(path)))


def _collapsed(graph: Graph, pipeline: Pipeline) -> Graph:
    groups = {
        stage.label(pipeline.cwd): stage.label(pipeline.cwd).partition("@")[0]
        for stage in pipeline.stages
        if stage.group is not None
    }
    edges = [(groups.get(a, a), groups.get(b, b)) for a, b in graph.edges]
    return Graph(tuple(dict.fromkeys(groups.get(node, node) for node in graph.nodes)), tuple(dict.fromkeys(edges)))


def layers(nodes: Sequence[str], edges: Collection[tuple[str, str]]) -> dict[str, int]:
    """A rank for each node of an acyclic graph, so that edges lead to higher ranks; as low as possible, but what needs
    nothing stands just before its first reader."""
    makers: dict[str, list[str]] = {node: [] for node in nodes}
    readers: dict[str, list[str]] = {node: [] for node in nodes}
    for a, b in edges:
        if a != b:
            makers[b].append(a)
            readers[a].append(b)
    waiting = {node: len(makers[node]) for node in nodes}
    ready = [node for node in nodes if not waiting[node]]
    rank = dict.fromkeys(nodes, 0)
    for node in ready:
        for reader in readers[node]:
            rank[reader] = max(rank[reader], rank[node] + 1)
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    for node in nodes:
        if not makers[node] and readers[node]:
            rank[node] = min(rank[reader] for reader in readers[node]) - 1
    return rank

"""`git stage dag`."""

from __future__ import annotations

from gitstage.options import argument, option, verb, volume


@verb()
@option("--dot", is_flag=True, help="Print it for Graphviz.")
@option("--mermaid", is_flag=True, help="Print a Mermaid flowchart.")
@option("--md", "markdown", is_flag=True, help="Print a Mermaid flowchart in a Markdown block.")
@option("--collapse-foreach-matrix", is_flag=True, help="One node for all stages of a foreach or matrix.")
@option("--full", is_flag=True, help="All that is connected to the target, not only what it needs.")
@option("-o", "--outs", is_flag=True, help="Outputs instead of stages.")
@volume
@argument("target", required=False)
def command(
    target: str | None, dot: bool, mermaid: bool, markdown: bool, collapse_foreach_matrix: bool, full: bool, outs: bool,
    quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """Draw the graph of stages: of TARGET (a stage or an output) and what it needs, or of the whole project."""
    from gitstage import dag
    from gitstage.project import opened
    from gitstage.ui import Ui
    from gitstage.ui import dag as shown

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened() as (project, _):
        graph = dag.build(project.pipeline, target, full=full, outs=outs, collapse=collapse_foreach_matrix)
        if dot:
            ui.say(shown.dot(graph))
        elif markdown:
            ui.say(f"```mermaid\n{shown.mermaid(graph)}\n```")
        elif mermaid:
            ui.say(shown.mermaid(graph))
        else:
            ui.page(shown.drawing(graph, plain=not ui.unicode))

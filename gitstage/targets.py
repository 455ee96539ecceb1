"""The targets of a command line as stages and outputs."""

from __future__ import annotations

from collections.abc import Sequence

from gitstage.pipeline import Pipeline, Target, join
from gitstage.status import StageStatus


def select(
    pipeline: Pipeline, words: Sequence[str], *, with_deps: bool = False, recursive: bool = False
) -> list[Target] | None:
    """What `words` name (None if there are none: everything). `recursive`: a folder stands for all stages in it;
    `with_deps`: and all stages that they need. Raises PipelineError for a word that names nothing."""
    if not words:
        return None
    folders = {stage.folder for stage in pipeline.stages}
    found: list[Target] = []
    for word in words:
        path = join(pipeline.cwd, word)
        is_folder = path == "." or any(folder == path or folder.startswith(path + "/") for folder in folders)
        found += pipeline.below(word) if recursive and is_folder else pipeline.find(word)
    if with_deps:
        named = {target.stage for target in found}
        found += [Target(stage) for stage in pipeline.order(named) if stage not in named]
    return found


def narrow(statuses: Sequence[StageStatus], targets: Sequence[Target]) -> list[StageStatus]:
    """Where only outputs of a stage were named, leave out its other outputs."""
    found = []
    for one in statuses:
        outs = {target.out for target in targets if target.stage is one.stage}
        kept = one.changes if None in outs else tuple(c for c in one.changes if c.role != "out" or c.path in outs)
        found.append(one._replace(changes=kept))
    return found

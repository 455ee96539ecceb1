"""`git stage list`."""

from __future__ import annotations

from gitstage.options import argument, option, verb, volume


@verb()
@option("--all", "everything", is_flag=True, help="The stages of every dvc.yaml and .dvc file.")
@option("--fail", is_flag=True, help="Stop at the first invalid file.")
@option("-R", "--recursive", is_flag=True, help="All stages in the given directories.")
@option("--name-only", "--names-only", is_flag=True, help="Only the names.")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
@volume
@argument("targets", nargs=-1)
def command(
    targets: tuple[str, ...], everything: bool, fail: bool, recursive: bool, name_only: bool, as_json: bool,
    quiet: bool, verbose: int,
) -> None:  # fmt: skip
    """List the stages of this folder's dvc.yaml, of TARGETS, or of the whole project."""
    from gitstage.pipeline import PIPELINE_FILE, Stage, join
    from gitstage.project import opened
    from gitstage.ui import Ui
    from gitstage.ui.stages import description

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened() as (project, _):
        pipeline = project.pipeline
        if everything:
            stages: list[Stage] = list(pipeline.stages)
        else:
            words = targets or ((".",) if recursive else ())
            here = join(project.cwd, PIPELINE_FILE)
            stages = [] if words else [stage for stage in pipeline.stages if stage.file == here]
            for word in words:
                is_folder = project.worktree.is_dir(join(project.cwd, word))
                stages += [t.stage for t in (pipeline.below(word) if is_folder else pipeline.find(word))]
            stages = list(dict.fromkeys(stages))
        labels = [stage.label(project.cwd) for stage in stages]
        if as_json:
            ui.json([
                {
                    "name": label, "file": stage.file, "cmd": stage.cmd, "desc": stage.desc, "frozen": stage.frozen,
                    "deps": [d.path for d in stage.deps], "params": [p.path for p in stage.params],
                    "outs": [o.path for o in stage.outs],
                }
                for label, stage in zip(labels, stages, strict=True)
            ])  # fmt: skip
        elif name_only:
            for label in labels:
                ui.say(label)
        else:
            width = max((len(label) for label in labels), default=0)
            for label, stage in zip(labels, stages, strict=True):
                ui.say(f"{label:<{width}}  {description(stage)}".rstrip())

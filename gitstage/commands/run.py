"""`git stage run`."""

from __future__ import annotations

from collections.abc import Callable

from gitstage.define import OUTPUT_OPTIONS, Words
from gitstage.options import argument, option, verb, volume
from gitstage.static import Any


def _paths(*names: str, text: str) -> Callable[[Any], Any]:
    return option(*names, multiple=True, metavar="PATH", help=text)


@verb(words_end_options=True)
@option("-n", "--name", metavar="NAME", required=True, help="Name of the stage.")
@_paths("-d", "--deps", text="A file or directory that the command reads.")
@option(
    "-p", "--params", multiple=True, metavar="[FILE:]KEYS", help="Parameters it depends on, from params.yaml or FILE."
)
@_paths("-o", "--outs", text="A file or directory that it writes, kept in the cache.")
@_paths("-O", "--outs-no-cache", text="An output that is not kept in the cache.")
@_paths("--outs-persist", text="An output that is not moved away before the command runs.")
@_paths("--outs-persist-no-cache", text="The same, not kept in the cache.")
@_paths("-m", "--metrics", text="An output with metrics.")
@_paths("-M", "--metrics-no-cache", text="An output with metrics that is not kept in the cache.")
@_paths("--plots", text="An output with values to plot.")
@_paths("--plots-no-cache", text="The same, not kept in the cache.")
@option("-w", "--wdir", metavar="PATH", help="Folder to run the command in; other paths are relative to it.")
@option("--desc", metavar="TEXT", help="What the stage is for.")
@option("--always-changed", is_flag=True, help="Run it every time.")
@option("-f", "--force", is_flag=True, help="Replace a stage of this name, and run even if nothing changed.")
@option("--no-exec", is_flag=True, help="Only write dvc.yaml.")
@option("--run", "run_", is_flag=True, hidden=True, help="Run the stage; that is the default.")
@option("--no-commit", is_flag=True, help="Do not keep the outputs in the cache.")
@option("--no-run-cache", is_flag=True, help="Run even if the result is known from an earlier run.")
@option("--external", is_flag=True, hidden=True)
@volume
@argument("command", nargs=-1, metavar="COMMAND...")
def command(quiet: bool, verbose: int, command: tuple[str, ...], **given: Any) -> None:
    """Describe a stage in dvc.yaml, run COMMAND and record what went in and came out in dvc.lock.

    \b
    git stage run -n prepare -d src/prepare.py -d data/data.xml -o data/prepared \\
        python3 src/prepare.py data/data.xml
    """
    from gitstage import define, run
    from gitstage.project import opened
    from gitstage.ui import Ui, events

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    words = Words(
        given["name"], command, given["deps"], given["params"], {option: given[option] for option in OUTPUT_OPTIONS},
        given["wdir"], given["desc"], given["always_changed"],
    )  # fmt: skip
    options = run.Options(
        force=given["force"], commit=not given["no_commit"], run_cache=not given["no_run_cache"], single=True
    )
    with opened(write=True, on_wait=ui.waiting) as (project, lock):
        edit = define.edit(project, words, force=given["force"])
        written: list[str] = []
        if given["no_exec"]:
            done = run.write_definition(project, edit, written)
        else:
            done = run.run_defined(project, edit, options, lock, written)
        events.tell(ui, done, project.cwd)
        ui.to_commit(project, written)

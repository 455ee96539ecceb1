"""`git stage plots`."""

from __future__ import annotations

from collections.abc import Callable

from gitstage.options import argument, family, option, volume
from gitstage.static import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from gitstage.project import Project
    from gitstage.ui import Ui


@family
def command() -> None:
    """Draw plots of data files and images, also of several commits over each other."""


_F = TypeVar("_F", bound=Callable[..., Any])


def looks(function: _F) -> _F:
    """The options that say how a plot looks."""
    for declare in reversed((
        option("-t", "--template", metavar="NAME", help="A template: its name, or a file."),
        option("-x", metavar="FIELD", help="The field for the x axis."),
        option("-y", metavar="FIELD", help="The field for the y axis."),
        option("--no-header", "header", flag_value=False, default=None, help="Tables have no row of names."),
        option("--title", metavar="TEXT", help="The title."),
        option("--x-label", metavar="TEXT", help="What stands at the x axis."),
        option("--y-label", metavar="TEXT", help="What stands at the y axis."),
    )):  # fmt: skip
        function = declare(function)
    return function


def drawn(function: _F) -> _F:
    """The options of everything that draws."""
    for declare in reversed((
        looks,
        option("-o", "--out", metavar="DIR", help="Where the page is put. Default: dvc_plots."),
        option("--show-vega", is_flag=True, help="Print the Vega-Lite specification of one plot."),
        option("--json", "as_json", is_flag=True, help="Print all as JSON; images are written to the directory."),
        option("--split", is_flag=True, hidden=True),
        option("--open", "open_page", is_flag=True, help="Open the page in the browser."),
        option("--html-template", metavar="FILE", help="An HTML page with {plot_divs} and {scripts} in it."),
    )):  # fmt: skip
        function = declare(function)
    return function


@command.verb()
@drawn
@volume
@argument("targets", nargs=-1)
def show(targets: tuple[str, ...], quiet: bool, verbose: int, **options: Any) -> int:
    """Draw the plots of the work tree: those of dvc.yaml, or TARGETS (files, folders or names of plots).

    Makes one HTML page that needs no network and no other file.
    """
    from gitstage.project import opened_at
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened_at(".") as project:
        return _draw(ui, project, ["workspace"], targets, **options)


@command.verb(spread=("--targets",))
@option("--targets", multiple=True, metavar="PATHS...", help="Only these files, folders or names of plots.")
@drawn
@volume
@argument("revisions", nargs=-1)
def diff(revisions: tuple[str, ...], targets: tuple[str, ...], quiet: bool, verbose: int, **options: Any) -> int:
    """Draw the plots of several REVISIONS over each other.

    One revision is compared with the work tree; without any, the last commit is, if the work tree differs from it.
    """
    from gitstage.project import opened_at
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    with opened_at(".") as project:
        names = list(revisions)
        if len(names) <= 1:
            if not names and project.repo is not None and project.repo.is_dirty():
                names.append("HEAD")
            names.append("workspace")
        if project.repo is not None and project.repo.head() is None:
            names = []
        return _draw(ui, project, names, targets, **options)


@command.verb(spread=("--unset",))
@looks
@option("--unset", multiple=True, metavar="PROPERTIES...", help="Properties to take away.")
@volume
@argument("target")
def modify(target: str, unset: tuple[str, ...], quiet: bool, verbose: int, **properties: Any) -> None:
    """Change how the output TARGET of a stage is drawn, in dvc.yaml. One that is no plot becomes one."""
    from gitstage import amend
    from gitstage.project import opened
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    given = {name: value for name, value in properties.items() if value is not None}
    with opened(write=True, on_wait=ui.waiting) as (project, _):
        written: list[str] = []
        amend.modify_plot(project, target, given, unset, written)
        ui.to_commit(project, written)


@command.verb()
@volume
@argument("template", required=False)
def templates(template: str | None, quiet: bool, verbose: int) -> None:
    """List the built-in templates, or print TEMPLATE as Vega-Lite JSON."""
    from gitstage import plots
    from gitstage.errors import UsageError
    from gitstage.ui import Ui

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    known = plots.built_in()
    if template is None:
        for name in known:
            ui.say(name)
    elif template in known:
        ui.json(known[template])
    else:
        raise UsageError(f"there is no plot template '{template}'", "git stage plots templates")


def _draw(
    ui: Ui, project: Project, names: list[str], targets: tuple[str, ...], *, out: str | None, show_vega: bool,
    as_json: bool, split: bool, open_page: bool, html_template: str | None, **properties: Any,
) -> int:  # fmt: skip
    import os

    from gitstage import plots, trust
    from gitstage.errors import UsageError
    from gitstage.snapshot import in_order
    from gitstage.ui import plots as shown

    if show_vega and (len(targets) != 1 or as_json):
        raise UsageError("--show-vega needs one target, and excludes --json")
    override = {name: value for name, value in properties.items() if value is not None}
    template_dir = os.path.join(project.dvc_dir, "plots")
    figures, problems = plots.figures(in_order(project, names), targets, override, template_dir)
    shown.note_problems(ui, problems)
    folder = os.path.abspath(out or str(project.config.get("plots.out_dir") or "dvc_plots"))
    if out is None and (os.path.islink(folder) or trust.is_brought(project.dvc_dir, "plots", None, "out_dir")):
        trust.refuse_elsewhere(folder, "plots.out_dir", project.root)
    if as_json:
        ui.json(shown.as_json(figures, problems, split=split, images=folder))
    elif show_vega:
        for figure in figures:
            if not figure.is_image:
                ui.json(figure.specification() or {})
                break
    elif figures:
        path = _write(project, figures, folder, html_template)
        ui.say(path)
        if open_page or project.config.get("plots.auto_open"):
            import webbrowser

            return 0 if webbrowser.open(path) else 1
    else:
        ui.note(f"there is no plot {', '.join(targets)}" if targets else "there are no plots")
    return 0


def _write(project: Project, figures: Any, folder: str, html_template: str | None) -> str:
    """Write the page and return its file: URL."""
    import os
    from pathlib import Path

    from gitstage import fs
    from gitstage.plots import page

    configured = project.config.get("plots.html_template")
    if html_template is None and configured:
        html_template = os.path.join(project.dvc_dir, str(configured))
    template = Path(html_template).read_text(encoding="utf-8") if html_template else None
    state = project.repo.state_dir if project.repo is not None else project.scratch.parent
    text = page.page(figures, page.scripts(state), template)
    path = Path(folder) / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    fs.atomic_write(str(path), text.encode())
    return path.as_uri()

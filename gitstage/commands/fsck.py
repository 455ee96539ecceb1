"""`git stage fsck`."""

from __future__ import annotations

from gitstage.errors import UsageError
from gitstage.options import argument, option, verb, volume
from gitstage.static import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitstage.fsck import Finding, Report
    from gitstage.ui import Ui


@verb()
@option("--remote", "on_remote", is_flag=True, help="Also read what the remote has; mend from there.")
@option("-r", "name", metavar="NAME", help="With --remote: the remote, instead of the default one.")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
@volume
@argument("targets", nargs=-1)
def command(
    targets: tuple[str, ...], on_remote: bool, name: str | None, as_json: bool, quiet: bool, verbose: int
) -> int:
    """Check that every object of the cache is what its name says, by reading it, and mend what can be mended.

    TARGETS are stages, .dvc files or outputs: then only what they need. What is wrong is put away, never deleted, and
    an intact copy takes its place if there is one: in a work tree, kept for undo, in the remote. Exits with 0 if nothing was
    found, with 1 if something was, mended or not.
    """
    import contextlib

    from gitstage import fsck
    from gitstage.project import opened
    from gitstage.targets import select
    from gitstage.ui import Ui, transfers

    if name is not None and not on_remote:
        raise UsageError("-r needs --remote", f"git stage fsck --remote -r {name}")
    ui = Ui(quiet=quiet, verbose=bool(verbose))
    report = fsck.Report()
    with opened(write=True, on_wait=ui.waiting) as (project, _), contextlib.ExitStack() as stack:
        chosen = select(project.pipeline, targets)
        remote = stack.enter_context(contextlib.closing(project.remote(name))) if on_remote else None
        bar = stack.enter_context(transfers.Bar(ui, "Reading"))
        for _ in fsck.check(project, chosen, remote, report, bar):
            pass
    if as_json:
        ui.json(_as_json(report))
    else:
        _tell(ui, report)
    return 1 if report.faults else 0


def _tell(ui: Ui, report: Report) -> None:
    from gitstage.errors import GitstageError
    from gitstage.ui.contents import natural_size

    for one in report.findings:
        if not one.is_fault:
            ui.note(f"{one.path}: {one.text}")
            continue
        lines = [f"{one.path}: {one.text}", *([f"mended: {one.mended}"] if one.mended else [])]
        lines += [f"needed by {word}" for word in _users(one)]
        if ui.quiet:
            ui.error(GitstageError("; ".join(lines), None if one.mended else one.hint))
            continue
        ui.say(f"{one.kind}\t{lines[0]}")
        for line in lines[1:]:
            ui.say(f"\t{line}")
        if one.mended is None and one.hint:
            ui.say(f"\thint: {one.hint}")
    counts = report.counts
    parts = [f"{_counted(counts.objects, 'object')} ({natural_size(counts.size)} bytes)"]
    parts += [f"{_counted(counts.files, 'file')} known to the memo"] if counts.files else []
    parts += [f"{_counted(counts.results, 'result')} of runs"] if counts.results else []
    parts += [f"{_counted(counts.remote, 'object')} of the remote"] if counts.remote else []
    left = sum(one.is_fault and one.mended is None for one in report.findings)
    found = f"{report.faults} found wrong, {left} left to mend" if report.faults else "all as it should be"
    ui.say(f"{', '.join(parts)}: {found}.")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _users(one: Finding) -> list[str]:
    some = [commit[:10] for commit in one.commits[:5]]
    more = [f"and {len(one.commits) - 5} more"] if len(one.commits) > 5 else []
    parts = [", ".join(one.outputs[:5])] if one.outputs else []
    return parts + ([f"commits {' '.join([*some, *more])}"] if some else [])


def _as_json(report: Report) -> dict[str, Any]:
    counts = report.counts
    return {
        "objects": counts.objects, "bytes": counts.size, "files": counts.files, "results": counts.results,
        "remote": counts.remote, "found": report.faults,
        "findings": [
            {
                "kind": one.kind, "path": one.path, "text": one.text, "mended": one.mended,
                "hint": one.hint if one.mended is None else None, "digest": str(one.digest) if one.digest else None,
                "outputs": list(one.outputs), "commits": list(one.commits),
            }
            for one in report.findings
        ],
    }  # fmt: skip

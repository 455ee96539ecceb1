"""`git stage verify`."""

from __future__ import annotations

import contextlib
import sys

from gitstage.options import argument, option, verb, volume


@verb()
@option("--no-data", is_flag=True, help="Do not ask whether the outputs' data is in the cache.")
@option(
    "--remote", is_flag=False, flag_value="", metavar="[NAME]",
    help="Ask a remote (by default the default one) for the outputs' data instead of the cache.",
)  # fmt: skip
@option("--strict", is_flag=True, help="Also fail if something cannot be checked.")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
@option(
    "--format", "form", choices=["text", "json", "github"], default="text",
    help="text, json, or annotations for a GitHub workflow.",
)  # fmt: skip
@option("--stdin", is_flag=True, help="The new commits of a push, as a pre-receive hook is told them.")
@volume
@argument("revision", required=False, metavar="[REV | A..B]")
def command(
    revision: str | None, no_data: bool, remote: str | None, strict: bool, as_json: bool, form: str, stdin: bool,
    quiet: bool, verbose: int,
) -> int:  # fmt: skip
    """Check that commits record what came of the very files that they hold.

    Reads Git's objects alone: no checkout, no work tree, also in a bare or shallow clone. REV (default: HEAD) is one
    commit, A..B all that B has and A has not. Exits with 1 if a stage is stale, was never run, or its data is lost. What
    cannot be checked (an input that Git ignores, a list of files that is not here) is noted.
    """
    from gitstage.errors import NoProject, UsageError
    from gitstage.git import Repo
    from gitstage.ui import Ui, verdicts
    from gitstage.verdict import history, holders

    if stdin and revision:
        raise UsageError("either --stdin or a revision")
    if no_data and remote is not None:
        raise UsageError("either --no-data or --remote")
    ui = Ui(quiet=quiet, verbose=bool(verbose))
    form = "json" if as_json else form
    repo = Repo.discover()
    if repo is None:
        raise NoProject("not inside a Git repository", "git init")
    if stdin:
        commits = history.pushed(repo, sys.stdin.buffer.read().decode("utf-8", "replace"))
    else:
        commits = history.named(repo, revision or "HEAD")
    found = []
    asked = holders.InRemote(remote or None) if remote is not None else None
    with contextlib.ExitStack() as stack:
        if asked is not None:
            stack.callback(asked.close)
        judge = stack.enter_context(
            history.History(repo, None if no_data else asked or holders.in_cache, bulk=len(commits) > 3)
        )
        for commit in commits:
            verdict = judge.verdict(commit)
            found.append(verdict)
            if form == "text":
                verdicts.as_text(ui, verdict)
            elif form == "github":
                verdicts.as_annotations(ui, verdict, lambda one, id_=commit.id: history.line_of(repo, id_, one))  # type: ignore[misc]
        absent = not no_data and bool(judge.without_data)
    if form == "json":
        data = "not asked" if no_data or absent else "remote" if asked else "cache"
        ui.json({"data": data, "commits": [verdicts.as_json(one) for one in found]})
    elif form == "text":
        verdicts.hints(ui, found)
        ui.say(verdicts.summary(found))
    if absent and form != "json":
        ui.note("there is no cache here, so it was not asked whether the outputs' data exists")
    if asked is not None and asked.unlisted and form != "json":
        count = "1 directory" if len(asked.unlisted) == 1 else f"{len(asked.unlisted)} directories"
        ui.note(f"of {count} the remote was asked for the list of files only, for it is not in the cache")
    if strict and asked is not None and asked.unlisted:
        return 1
    return int(any(one.findings if strict else one.reasons for one in found))

"""Which data changed: as text, as a Markdown table, as JSON."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from gitstage.difference import Change, Difference, Standing
from gitstage.digest import Digest
from gitstage.static import Any
from gitstage.ui import Ui
from gitstage.ui.tables import table

Groups = Mapping[str, Sequence[Change]]

_KINDS = ("added", "deleted", "modified", "renamed")
_ORDER = ("added", "deleted", "renamed", "modified", "not in cache")


def groups(found: Difference, *, with_missing: bool) -> Groups:
    """Changes by kind, each sorted by the earlier path; empty if nothing is to be shown.

    `with_missing`: also "not in cache".
    """
    named = {kind: [change for change in found.changes if change.kind == kind] for kind in _KINDS}
    if not any(named.values()) and not found.lost:
        return {}
    if with_missing:
        named["not in cache"] = [Change("unchanged", path, digest, digest, path) for path, digest in found.lost.items()]
    return {kind: sorted(changes, key=lambda change: change.old_path) for kind, changes in named.items()}


def as_json(named: Groups, *, show_hash: bool) -> dict[str, list[dict[str, Any]]]:
    """The form that `dvc diff --json` has: kind -> list of {"path", "hash"}, both {"old", "new"} where there are two."""
    return {
        kind: [
            {"path": _pair(change, _old_path(change), _path(change), kind == "renamed")}
            | ({"hash": _pair(change, str(change.old), str(change.new), kind == "modified")} if show_hash else {})
            for change in changes
        ]
        for kind, changes in named.items()
    }


_STANDING = ("added", "deleted", "modified", "renamed", "unknown")
_TITLES = {
    "not_in_cache": ("Not in cache:", "git stage pull TARGETS brings them"),
    "not_in_remote": ("Not in the remote:", "git stage push TARGETS sends them"),
    "committed": ("Committed changes:", "the record differs from the last commit; git commit takes it in"),
    "uncommitted": (
        "Uncommitted changes:",
        "git stage commit TARGETS records them, git stage checkout TARGETS discards them",
    ),
    "untracked": ("Untracked files:", "git add FILES gives them to Git, git stage add FILES to the cache"),
    "unchanged": ("Unchanged:", ""),
}


def standing_as_json(
    found: Standing, *, unchanged: bool, untracked: Sequence[str], absent: Mapping[str, Digest]
) -> dict[str, Any]:
    """The form that `dvc data status --json` has; what is empty is left out. `absent`: what a remote lacks."""
    whole: dict[str, Any] = {
        "not_in_cache": [_with_slash(path, digest) for path, digest in found.lost.items()],
        "not_in_remote": [_with_slash(path, digest) for path, digest in absent.items()],
        "committed": _by_kind(found.committed),
        "uncommitted": _with_folders(_by_kind(found.uncommitted), found.recorded),
        "untracked": list(untracked),
        "unchanged": [_with_slash(path, digest) for path, digest in found.unchanged.items()] if unchanged else [],
    }
    return {name: value for name, value in whole.items() if value}


def standing_as_text(ui: Ui, shown: Mapping[str, Any], *, other_changes: bool) -> None:
    """Group by group, with the command that helps. `shown`: see standing_as_json; `other_changes`: Git has some."""
    for name, value in shown.items():
        title, hint = _TITLES[name]
        ui.say(title + (f"\n  ({hint})" if hint else ""))
        for line in value if isinstance(value, list) else _lines(value):
            ui.say(f"        {line}")
        ui.say()
    if not shown:
        ui.say("No changes.")
    if other_changes:
        ui.say(f"(there are {'other ' if shown else ''}changes that Git tracks: git status)")


def _lines(by_kind: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    for kind, entries in by_kind.items():
        for entry in entries:
            yield f"{kind}: {entry if isinstance(entry, str) else entry['old'] + ' -> ' + entry['new']}"


def _by_kind(changes: Sequence[Change]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for kind in _STANDING:
        for change in changes:
            if change.kind == kind:
                path = _with_slash(change.path, change.new or change.old)
                pair = {"old": _with_slash(change.old_path, change.old), "new": path}
                found.setdefault(kind, []).append(pair if kind == "renamed" else path)
    return found


def _with_folders(named: dict[str, list[Any]], outputs: Mapping[str, Digest]) -> dict[str, list[Any]]:
    """Also the folders of "unknown" files, inside the directory outputs of which no file is known."""
    if "unknown" in named:
        found = dict.fromkeys(named["unknown"])
        for path in named["unknown"]:
            folder = posixpath.dirname(path)
            while folder and folder not in outputs:
                found[folder + "/"] = None
                folder = posixpath.dirname(folder)
        named["unknown"] = sorted(found)
    return named


def _with_slash(path: str, digest: Digest | None) -> str:
    return path + "/" if digest is not None and digest.is_dir else path


def as_text(ui: Ui, named: Groups, *, show_hash: bool) -> None:
    """Group by group, and how many files there are in each."""
    counts = []
    for kind in _ORDER:
        changes = named.get(kind, ())
        if changes:
            ui.say(f"{kind.capitalize()}:")
            for change in changes:
                ui.say(f"    {_hash(change) + '  ' if show_hash else ''}{_spelled(change)}")
            ui.say()
        files = sum(not _spelled(change).endswith("/") for change in changes)
        if files:
            counts.append(f"{files} {kind}")
    if counts:
        ui.say(f"files summary: {', '.join(counts)}")


def as_markdown(ui: Ui, named: Groups, *, show_hash: bool) -> None:
    """A table of GitHub's kind, columns padded."""
    rows = [
        (kind, *((_hash(change),) if show_hash else ()), _spelled(change))
        for kind in _ORDER
        for change in named.get(kind, ())
    ]
    table(ui, ("Status", *(("Hash",) if show_hash else ()), "Path"), rows, markdown=True)
    ui.say()


def _pair(change: Change, old: str, new: str, is_pair: bool) -> Any:
    if is_pair:
        return {"old": old, "new": new}
    return new if change.old is None else old


def _shown(path: str, digest: Digest | None) -> str:
    return path + "/" if digest is not None and digest.is_dir else path


def _old_path(change: Change) -> str:
    return _shown(change.old_path, change.old)


def _path(change: Change) -> str:
    return _shown(change.path, change.new)


def _spelled(change: Change) -> str:
    if change.kind == "renamed":
        return f"{_old_path(change)} -> {_path(change)}"
    return _path(change) if change.old is None else _old_path(change)


def _hash(change: Change) -> str:
    if change.kind == "modified":
        return f"{str(change.old)[:8]}..{str(change.new)[:8]}"
    return str(change.new if change.old is None else change.old)[:8]

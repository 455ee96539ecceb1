"""pre-commit and pre-merge-commit: does the commit concern us at all? Most do not, and are let through from here.

What judges a commit (gitstage.verdict) and all that it needs is imported only for one that does.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import posixpath
from collections.abc import Collection, Sequence
from typing import Any

from gitstage.errors import ConfigError
from gitstage.git import Repo

_MODES = ("block", "warn", "off", "fix")
SPECS = ("*.dvc", "*dvc.lock", "*dvc.yaml", "*.dvc/config")


def pre_commit() -> int:
    """Exit code for Git: 1 refuses the commit."""
    repo = Repo.discover()
    if repo is None or repo.top is None:
        return 0
    repo.offline = True
    mode = _mode(repo)
    if mode == "off":
        return 0
    staged = repo.staged()
    if not staged or not _is_relevant(repo, staged):
        return 0
    from gitstage.hooks import verdict
    from gitstage.verdict import current

    findings = current.of_index(repo, staged)
    reasons = [one for one in findings if not one.untold]
    if reasons and mode == "fix":
        from gitstage.hooks import fix

        findings = reasons = fix.fix(repo, reasons)
    refused = bool(reasons) and mode != "warn"
    if findings:
        verdict.tell(findings, refused=refused)
    return 1 if refused else 0


def after_commit(*, is_merge: bool) -> None:
    """Warn of what speaks against the commit that was just made without pre-commit. `is_merge`: it is one, if it was made
    now; a merge that somebody else had made may have been fetched."""
    repo = Repo.discover()
    if repo is None or repo.top is None:
        return
    repo.offline = True
    commit = repo.tip() if _mode(repo) != "off" else None
    if commit is None or (is_merge and commit.parents[:1] != (repo.id("ORIG_HEAD"),)):
        return
    changed = repo.changed(commit.parents[0], commit.id) if commit.parents else [""]
    if not _is_relevant(repo, changed):
        return
    from gitstage.hooks import verdict
    from gitstage.verdict import current

    findings = current.of_commit(repo, commit, changed)
    if findings:
        verdict.tell(findings, commit=commit.id)


def _mode(repo: Repo) -> str:
    mode = repo.settings().get("verify", "block")
    if mode not in _MODES:
        raise ConfigError(
            f"gitstage.verify: '{mode}' is not one of {', '.join(_MODES)}", "git config gitstage.verify block"
        )
    return mode


def _is_relevant(repo: Repo, staged: Collection[str]) -> bool:
    """Does any staged path concern a stage? Answered from a note about the very files that say so in the index: the
    pipeline files, and the files that their templates take values from."""
    listed = _staged_blobs(repo, [f":(top){spec}" for spec in SPECS])
    if not listed:
        return False
    path = os.path.join(repo.worktree_state_dir, "relevant.json")
    note = _read_note(path)
    if note is None or note["key"] != _key(repo, listed, note["sources"]):
        from gitstage.verdict import current

        paths, sources = current.relevant_paths(repo)
        note = {"key": _key(repo, listed, sources), "sources": sources, "paths": paths}
        with contextlib.suppress(OSError, UnicodeEncodeError):
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(path, "w", encoding="utf-8") as stream:
                json.dump(note, stream)
    known = set(note["paths"])
    return any(_concerns(path, known) for path in staged)


def _read_note(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return None
    complete = isinstance(found, dict) and {"key", "sources", "paths"} <= found.keys()
    return found if complete else None


def _staged_blobs(repo: Repo, specs: Sequence[str]) -> bytes:
    return repo.git("ls-files", "-s", "-z", "--", *specs)


def _key(repo: Repo, listed: bytes, sources: Sequence[str]) -> str:
    blobs = _staged_blobs(repo, [f":(top,literal){path}" for path in sources]) if sources else b""
    return hashlib.sha256(listed + b"\0\0" + blobs).hexdigest()


def _concerns(path: str, known: Collection[str]) -> bool:
    name = posixpath.basename(path)
    if name in ("dvc.yaml", "dvc.lock") or name.endswith(".dvc") or path.endswith(".dvc/config"):
        return True
    while path:
        if path in known:
            return True
        path = posixpath.dirname(path)
    return "" in known

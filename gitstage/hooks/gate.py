"""pre-commit and pre-merge-commit: does the commit concern us at all, and if so, may it be made?

What judges a commit (gitstage.verdict) and all that it needs is imported only for one that does.
"""

from __future__ import annotations

from gitstage.errors import ConfigError
from gitstage.git import Repo
from gitstage.hooks import relevance

_MODES = ("block", "warn", "off", "fix")


def pre_commit(*, is_merge: bool) -> int:
    """Exit code for Git: 1 refuses the commit. `is_merge`: Git is about to make it from the tree that it has merged."""
    repo = Repo.discover()
    if repo is None or repo.top is None:
        return 0
    repo.offline = True
    mode = _mode(repo)
    if mode == "off":
        return 0
    staged = repo.staged()
    if not staged or not relevance.concerns(repo, staged):
        return 0
    from gitstage.hooks import verdict
    from gitstage.verdict import current

    findings = current.of_index(repo, staged)
    reasons = [one for one in findings if not one.untold]
    if reasons and mode == "fix":
        from gitstage.hooks import fix

        before = repo.git("write-tree")
        findings = reasons = fix.fix(repo, reasons)
        if is_merge and not reasons and repo.git("write-tree") != before:
            fix.tell_staged()
            return 1
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
    if not relevance.concerns(repo, changed):
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

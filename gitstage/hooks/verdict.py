"""What the hooks say about a commit, before and after it is made."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gitstage.verdict.judge import Finding

_SHOWN = 20


def tell(findings: Sequence[Finding], *, refused: bool = False, commit: str | None = None) -> None:
    """What speaks against the index, or against a commit (full id) that was made without asking; or what could not be
    told. `refused`: there will be no commit."""
    reasons = [one for one in findings if not one.untold]
    shown = (reasons or findings)[:_SHOWN]
    if refused:
        first = "commit refused: what the index records was not made from what it holds"
    elif reasons:
        first = f"warning: what {f'commit {commit[:10]}' if commit else 'the index'} records was not made from what it holds"
    else:
        first = "not everything that is committed can be checked here"
    lines = [f"gitstage: {first}"]
    lines += [f"  {one.name}: {one.what}" for one in shown]
    more = len(reasons or findings) - len(shown)
    if more:
        lines.append(f"  and {more} more")
    lines += [f"hint: {repair}" for repair in dict.fromkeys(one.repair for one in shown) if repair]
    if refused:
        lines.append("hint: git commit --no-verify commits it all the same")
    print("\n".join(lines), file=sys.stderr)  # noqa: T201

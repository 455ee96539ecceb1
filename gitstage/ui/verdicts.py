"""What was found of commits: as text, as JSON, as annotations of a GitHub workflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitstage.static import Any
from gitstage.ui import Ui
from gitstage.verdict.history import Verdict
from gitstage.verdict.judge import Finding

_SHOWN = 50  # of one commit
_HINTS = 5


def as_text(ui: Ui, verdict: Verdict) -> None:
    """The findings of one commit; nothing if there is none."""
    findings = verdict.findings
    if not findings:
        return
    commit = verdict.commit
    ui.say(f"{commit.id[:10]} {commit.subject}".rstrip())
    for one in findings[:_SHOWN]:
        ui.say(f"  {'note: ' if one.untold else ''}{one.name}: {one.what}")
    if len(findings) > _SHOWN:
        ui.say(f"  and {len(findings) - _SHOWN} more")


def hints(ui: Ui, verdicts: Sequence[Verdict]) -> None:
    """The commands that repair, of the last commit: a commit that is made cannot be changed."""
    if verdicts:
        repairs = dict.fromkeys(one.repair for one in verdicts[-1].reasons if one.repair)
        for repair in [*repairs][:_HINTS]:
            ui.say(f"hint: {repair}")
        if len(repairs) > _HINTS:
            ui.say(f"hint: and {len(repairs) - _HINTS} more like these")


def as_json(verdict: Verdict) -> dict[str, Any]:
    """One commit; every key is always there."""
    commit = verdict.commit
    return {
        "commit": commit.id,
        "subject": commit.subject,
        "consistent": verdict.is_consistent,
        "projects": verdict.projects,
        "stages": verdict.stages,
        "findings": [_finding(one) for one in verdict.findings],
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "level": "note" if one.untold else "error",
        "file": one.file,
        "stage": one.stage,
        "cause": one.cause,
        "path": one.path or None,
        "key": one.key,
        "recorded": _value(one.recorded),
        "found": _value(one.found),
        "message": one.what,
        "repair": one.repair or None,
    }


def _value(value: Any) -> Any:
    """JSON has no digests, and no dates, which a parameter may be."""
    return value if value is None or isinstance(value, (str, int, float, list, dict)) else str(value)


def as_annotations(ui: Ui, verdict: Verdict, line_of: Callable[[Finding], int | None]) -> None:
    """Workflow commands that GitHub shows beside the file. Source: GitHub's "Workflow commands for GitHub Actions"."""
    for one in verdict.findings:
        line = line_of(one)
        properties = {
            "file": one.file,
            "line": str(line) if line else "",
            "title": "gitstage verify",
        }
        given = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
        text = f"{verdict.commit.id[:10]}: {one.name}: {one.what}" + (f"; {one.repair}" if one.repair else "")
        ui.say(f"::{'notice' if one.untold else 'error'} {given}::{_data(text)}")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary(verdicts: Sequence[Verdict]) -> str:
    """One line about all commits."""
    bad = sum(not one.is_consistent for one in verdicts)
    count = "1 commit" if len(verdicts) == 1 else f"{len(verdicts)} commits"
    if not verdicts:
        return "No commits to check."
    if bad:
        return f"{count} checked, {bad} inconsistent."
    noted = any(one.findings for one in verdicts)
    return f"{count} checked, consistent{' as far as can be told' if noted else ''}."

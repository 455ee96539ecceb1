"""Why stages are stale: in words, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gitstage.digest import Digest
from gitstage.git import Touch
from gitstage.pipeline import Stage, relative
from gitstage.static import Any
from gitstage.ui import Ui
from gitstage.ui.differences import reason as in_words
from gitstage.why import Explanation, Reason

_MOST = 5  # files of a directory that are named


def as_text(ui: Ui, found: Sequence[Explanation], follows: Mapping[Stage, Sequence[Stage]], cwd: str) -> None:
    """Stage by stage; after those with reasons of their own, what is stale because of them."""
    for number, one in enumerate(found):
        if number:
            ui.say()
        label = one.stage.label(cwd)
        if one.never_ran:
            ui.say(f"{label}: has never run")
        else:
            ui.say(f"{label}: {'differs from what is recorded' if one.stage.is_data else 'is stale'}")
        for reason in () if one.never_ran else one.reasons:
            for line in _lines(reason, cwd):
                ui.say(f"    {line}")
        for path, maker in one.needs:
            ui.say(f"    needs {relative(path, cwd)}, which {maker.label(cwd)} has to make first")
        later = follows.get(one.stage, ())
        if later and (one.reasons or one.never_ran):
            ui.say(f"    and so do not hold: {', '.join(stage.label(cwd) for stage in later)}")


def _lines(reason: Reason, cwd: str) -> list[str]:
    change = reason.change
    path = relative(change.path, cwd) if change.path else ""
    if change.role == "always":
        return ["runs every time"]
    if change.role in ("record", "checksum"):
        return [in_words(change, cwd)]
    if change.role == "cmd":
        marks = {"=": "{}", "-": "[-{}-]", "+": "{{+{}+}}"}
        words = " ".join(marks[kind].format(text) for kind, text in reason.words)
        return [f"command: {words}", *_of(reason.touch, f"    {relative(reason.file, cwd)}: ")]
    name = f"{path}: {change.key}" if change.key is not None else path
    if change.role == "param":
        head = {
            "modified": f"parameter {name}: {_value(change.recorded)} -> {_value(change.found)}",
            "deleted": f"parameter {name}: is gone"
            if change.key is not None
            else f"parameters {name}: the file is gone",
            "removed": f"parameter {name}: no longer declared, was {_value(change.recorded)}",
            "new": f"parameter {name}: new" + ("" if change.found is None else f", {_value(change.found)}"),
        }[change.state]
    else:
        kind = "output" if change.role == "out" else "input"
        head = {
            "modified": f"{kind} {name}: {_short(change.recorded)} -> {_short(change.found)}",
            "new": f"{kind} {name}: {_short(change.recorded)} -> {_short(change.found)}",
            "deleted": f"{kind} {name}: is not there",
            "removed": f"{kind} {name}: no longer declared",
            "not in cache": f"{kind} {name}: {_short(change.recorded)} is not in the cache",
            "corrupt in cache": f"{kind} {name}: {_short(change.recorded)} is corrupt in the cache",
        }[change.state]
    lines = [head]
    names = list(reason.files.items())
    lines += [f"    {state}: {file}" for file, state in names[:_MOST]]
    if len(names) > _MOST:
        lines.append(f"    and {len(names) - _MOST} more files")
    if reason.maker is not None and not reason.maker.is_data:
        lines.append(f"    made by {reason.maker.label(cwd)}")
    elif change.role != "out" or change.state == "modified":
        lines += _of(reason.touch, "    ", reason.maker, cwd)
    return lines


def _of(touch: Touch | None, indent: str, tracker: Stage | None = None, cwd: str = "") -> list[str]:
    if touch is None:
        return []
    what = "" if tracker is None else f"{tracker.label(cwd)}: "
    edited = "edited since, not committed" if touch.commit else "not committed"
    last = f'{touch.commit[:9]} {touch.date[:10]} {touch.author}: "{touch.subject}"' if touch.commit else ""
    return [f"{indent}{what}{'; '.join(part for part in (last, edited if touch.edited else '') if part)}"]


def _value(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _short(value: Any) -> str:
    if not isinstance(value, Digest):
        return "nothing recorded" if value is None else str(value)
    return value.hex[:8] + (".dir" if value.is_dir else "")


def as_json(found: Sequence[Explanation], follows: Mapping[Stage, Sequence[Stage]], cwd: str) -> list[dict[str, Any]]:
    """One object for each stale stage, producers first."""
    return [
        {
            "stage": one.stage.label(cwd), "never_ran": one.never_ran,
            "reasons": [_reason(reason, cwd) for reason in one.reasons],
            "needs": [{"path": relative(path, cwd), "stage": maker.label(cwd)} for path, maker in one.needs],
            "makes_stale": [stage.label(cwd) for stage in follows.get(one.stage, ())],
        }
        for one in found
    ]  # fmt: skip


def _reason(reason: Reason, cwd: str) -> dict[str, Any]:
    change = reason.change
    found: dict[str, Any] = {"kind": change.role, "state": change.state}
    if change.path:
        found["path"] = relative(change.path, cwd)
    if change.key is not None:
        found["key"] = change.key
    if change.role != "always":
        found["old"], found["new"] = (
            str(value) if isinstance(value, Digest) else value for value in (change.recorded, change.found)
        )
    if reason.words:
        found["words"] = [
            {"kind": {"=": "kept", "-": "removed", "+": "added"}[kind], "text": t} for kind, t in reason.words
        ]
    if reason.file:
        found["path"] = relative(reason.file, cwd)
    if reason.files:
        found["files"] = reason.files
    if reason.maker is not None:
        found["made_by"] = reason.maker.label(cwd)
    if reason.touch is not None:
        touch = reason.touch
        found["commit"] = touch.commit and {
            "id": touch.commit, "author": touch.author, "date": touch.date, "subject": touch.subject,
        }  # fmt: skip
        found["edited"] = touch.edited
    return found

"""What `git stage doctor` found, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from gitstage.static import Protocol
from gitstage.ui import Ui


class Finding(Protocol):
    """What is shown of a finding."""

    @property
    def check(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def mend(self) -> str | None: ...


def as_text(ui: Ui, findings: Sequence[Finding]) -> None:
    """A line for each finding, and below it the command that mends it; also if the user asked for errors only."""
    loud = Ui(verbose=ui.verbose)
    for found in findings:
        loud.say(f"{found.level:<6} {found.check}: {found.text}")
        if found.mend:
            loud.say(f"       hint: {found.mend}")


def as_json(findings: Sequence[Finding]) -> list[dict[str, str | None]]:
    return [{"check": found.check, "level": found.level, "text": found.text, "mend": found.mend} for found in findings]

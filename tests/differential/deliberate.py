"""Where git-stage knowingly does something else than dvc, why, and how far: at most ten rules.

A rule takes what was seen of a step with both tools out of both, as far as it explains the difference. After a step
in which a rule was needed, dvc's repository is made a copy of ours, and both go on from there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from scenarios import Step

Seen = dict[str, Any]


class After(NamedTuple):
    """A step, the state of our repository before it, and what was seen of it: with dvc and with git-stage."""

    step: Step
    before: Seen
    theirs: Seen
    ours: Seen

    @property
    def verb(self) -> str:
        return str(self.step.get("argv", [""])[0]) if self.step["op"] == "tool" else ""

    @property
    def failed(self) -> bool:
        """Both did."""
        return bool(self.theirs.get("fails") and self.ours.get("fails"))

    @property
    def runs(self) -> bool:
        return self.verb == "repro" or (self.verb == "stage" and "--run" in self.step["argv"])

    def told(self, text: str) -> bool:
        """Whether git-stage said it on standard error."""
        said = self.ours["said"]
        return said is not None and text in said.err

    def leave_out(self, *parts: str, where: Callable[[str], bool] = lambda path: True) -> None:
        """Parts of the state, or the paths in them that `where` selects, are not compared."""
        for seen in (self.theirs, self.ours):
            for part in parts:
                state = seen["state"].get(part, {})
                for path in [path for path in state if where(path)]:
                    del state[path]


def failed_run(after: After) -> None:
    """A run that failed leaves the outputs as they were before it, and checks inputs before it touches outputs."""
    if after.runs and after.failed:
        after.leave_out("work")
        after.leave_out("meta", where=lambda path: path.endswith(".gitignore"))


def checked_first(after: After) -> None:
    """Whether Git tracks an output is checked before the first command runs."""
    if after.runs and after.failed and after.told("is tracked by Git") and "ran" not in after.ours:
        assert after.ours["state"] == after.before, "a refused run changed something"
        for seen in (after.theirs, after.ours):
            seen.pop("ran", None)
            seen["state"] = {}


def failed_checkout(after: After) -> None:
    """A checkout that lacks content leaves what is in the way where it is."""
    if after.verb in ("checkout", "pull") and after.failed:
        after.leave_out("work")


def execute_bits(after: After) -> None:
    """A file in a directory output that has the right content is not replaced, so its mode stays (none is recorded)."""
    inside = tuple(
        match.group(1) + "/"
        for text in after.ours["state"].get("meta", {}).values()
        if isinstance(text, str)
        for match in re.finditer(r"^- (?:path: (.*)\n(?:.*\n)? *md5: .*\.dir$)", text, re.M)
    )
    theirs, ours = after.theirs["state"].get("work", {}), after.ours["state"].get("work", {})
    for path in theirs.keys() & ours.keys():
        same = theirs[path][0] == "file" and theirs[path][2] == ours[path][2]
        if same and any("/" + folder in "/" + path for folder in inside):
            ours[path] = theirs[path]


def refused(after: After) -> None:
    """A foreach or matrix group is not silently replaced by a stage; a dvc.yaml with an error is refused whole."""
    if not after.ours.get("fails") or after.theirs["fails"]:
        return
    if after.told("exists already, with another definition") or re.search(
        r"dvc\.yaml: .*there is no value for|dvc\.yaml: .*cannot be put into", after.ours["said"].err
    ):
        assert after.ours["state"] == after.before, "a refused command changed something"
        for seen in (after.theirs, after.ours):
            seen.clear()
            seen["state"] = {}


RULES: list[Callable[[After], None]] = [checked_first, refused, failed_run, failed_checkout, execute_bits]

used: Counter[str] = Counter()
"""How often each rule explained a difference."""

"""Where git-stage knowingly does something else than dvc, why, and how far: at most ten rules.

A rule takes what was seen of a step with both tools out of both, as far as it explains the difference. After a step
in which a rule was needed, dvc's repository is made a copy of ours, and both go on from there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import yaml
from scenarios import Step

Seen = dict[str, Any]


KINDS = ("added", "modified", "deleted")


class After(NamedTuple):
    """A step, the state of our repository before it, and what was seen of it: with dvc and with git-stage."""

    step: Step
    before: Seen
    theirs: Seen
    ours: Seen
    earlier: Sequence[Step] = ()

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

    def excuse(self) -> None:
        """Nothing of this step is compared."""
        for seen in (self.theirs, self.ours):
            said = seen.get("said")
            seen.clear()
            seen |= {"said": said, "state": {}}

    def leave_out(self, *parts: str, where: Callable[[str], bool] = lambda path: True) -> None:
        """Parts of the state, or the paths in them that `where` selects, are not compared."""
        for seen in (self.theirs, self.ours):
            for part in parts:
                state = seen["state"].get(part, {})
                for path in [path for path in state if where(path)]:
                    del state[path]


def nothing_done(after: After) -> None:
    """A command that fails has changed nothing, where dvc stops half-way: after some targets, stages or definitions."""
    if after.failed and "ran" not in after.ours and after.ours["state"] == after.before:
        after.excuse()


def refused(after: After) -> None:
    """A template group is not silently replaced by a stage of its name; a dvc.yaml with an error is refused whole."""
    reason = r"exists already, with another definition|dvc\.yaml: .*(there is no value for|cannot be put into)"
    if after.ours.get("fails") and not after.theirs["fails"] and re.search(reason, after.ours["said"].err):
        assert after.ours["state"] == after.before, "a refused command changed something"
        after.excuse()


def refused_whole(after: After) -> None:
    """Of a repository that git-stage refuses for an error in a pipeline file, there is nothing to compare."""
    if after.ours["fails"] and after.ours["said"].code == 3:
        after.excuse()


def dvc_gives_up(after: After) -> None:
    """Where dvc ends with an unexpected error, or in a dry run at an input that is still to be made, git-stage goes on."""
    if after.theirs.get("fails") and not after.ours["fails"]:
        is_dry = "--dry" in after.step["argv"] and after.ours["state"] == after.before
        if is_dry or "unexpected error - " in after.theirs["said"].err:
            after.excuse()


def failed_run(after: After) -> None:
    """A run that failed leaves the outputs as they were before it, and checks inputs before it touches outputs.

    Which stages ran before the one that failed is arbitrary where the order is.
    """
    if after.runs and after.failed:
        if after.theirs.get("ran") != after.ours.get("ran"):
            after.excuse()
        after.leave_out("work")
        after.leave_out("meta", "index", where=lambda path: path.endswith(".gitignore"))


def order_of_stages(after: After) -> None:
    """New stages in dvc.lock and lines in .gitignore are in the order in which stages ran: arbitrary for several targets."""
    if after.runs or after.verb == "commit":
        theirs, ours = (seen["state"].get("meta", {}) for seen in (after.theirs, after.ours))
        for path in theirs.keys() & ours.keys():
            is_lock = path.endswith("dvc.lock") and yaml.safe_load(theirs[path]) == yaml.safe_load(ours[path])
            is_list = path.endswith(".gitignore") and sorted(theirs[path]) == sorted(ours[path])
            if is_lock or is_list:
                theirs[path] = ours[path]
        after.leave_out("index", where=lambda path: path.endswith(("dvc.lock", ".gitignore")))


def kept(after: After) -> None:
    """A checkout leaves what it lacks the content for where it is, and files whose content nobody has, and what
    `remove` only stopped tracking; a pull or fetch that lacks something fails."""
    if after.verb in ("checkout", "pull") and (after.failed or after.told("its content is in no cache; it stays")):
        after.leave_out("work")
    if after.verb in ("checkout", "pull") and any(step.get("argv", [""])[0] == "remove" for step in after.earlier):
        theirs = after.theirs["state"].get("work", {})
        after.leave_out("work", where=lambda path: path not in theirs and path in after.before["work"])
    if after.verb in ("fetch", "pull") and after.told("is neither in the cache nor on remote"):
        after.theirs["fails"] = True
        after.leave_out("work")


def removed_input(after: After) -> None:
    """An input that is no longer declared is a change of its own kind."""
    changed = after.ours.get("shows")
    if after.verb == "status" and isinstance(changed, dict) and isinstance(after.theirs.get("shows"), dict):
        for label, items in list(changed.items()):
            for item in items:
                for what, paths in list(item.items() if isinstance(item, dict) else ()):
                    item[what] = {path: state for path, state in paths.items() if state != "removed"}
                    if not item[what]:
                        del item[what]
            changed[label] = [item for item in items if item]
            if not changed[label]:
                del changed[label]


def gc_keeps_more(after: After) -> None:
    """gc keeps what the index, stashes and commits that cannot be read need, and asks only if something is to go."""
    if after.verb == "gc" and not after.ours["fails"]:
        theirs, ours = (seen["state"].get("cache", {}) for seen in (after.theirs, after.ours))
        if theirs.items() <= ours.items() <= after.before["cache"].items():
            after.leave_out("cache")
        if "-f" not in after.step["argv"] and after.ours["state"] == after.before | {"cache": {}}:
            after.excuse()


def whole_entries(after: After) -> None:
    """The line of an odd name leaves .gitignore with its output; vars and plots stay when the last stage goes; and all
    that changed is staged where core.autostage asks for it."""
    if after.verb in ("remove", "move"):
        after.leave_out("index")
        theirs, ours = (seen["state"].get("meta", {}) for seen in (after.theirs, after.ours))
        for path in [path for path in theirs.keys() | ours.keys() if path.endswith(".gitignore")]:
            for meta in (theirs, ours):
                meta[path] = re.sub(r".*\\.*\n", "", meta.get(path, ""))
        for path in ours.keys() - theirs.keys():
            if path.endswith("dvc.yaml") and not ours[path].get("stages") and len(ours[path]) > 1:
                del ours[path]


def never_made(after: After) -> None:
    """An output that was never made is in no diff: made, it is added, not modified; and it is not deleted."""
    if after.verb == "diff" and isinstance(after.theirs.get("shows"), dict):
        found = []
        for seen in (after.theirs, after.ours):
            shown = {kind: {item["path"].rstrip("/") for item in seen["shows"].get(kind, [])} for kind in KINDS}
            found.append((shown["added"] | shown["modified"], shown["deleted"], shown["modified"]))
        (theirs, gone, _), (ours, lost, changed) = found
        if theirs == ours and lost <= gone and changed <= theirs:
            after.excuse()


def execute_bits(after: After) -> None:
    """A file in a directory output that has the right content is not replaced, so its mode stays (none is recorded)."""
    inside = tuple(
        (match.group(1) or match.group(2)).strip("'\"") + "/"
        for text in after.ours["state"].get("meta", {}).values()
        if isinstance(text, str)
        for match in re.finditer(r"md5: \w+\.dir\n(?:  .*\n)*?  path: (.*)|path: (.*)\n.*\n *md5: \w+\.dir", text)
    )
    theirs, ours = after.theirs["state"].get("work", {}), after.ours["state"].get("work", {})
    for path in theirs.keys() & ours.keys():
        same = theirs[path][0] == "file" and theirs[path][2] == ours[path][2]
        if same and any("/" + folder in "/" + path for folder in inside):
            ours[path] = theirs[path]


RULES: list[Callable[[After], None]] = [
    *(
        nothing_done,
        refused,
        dvc_gives_up,
        failed_run,
        order_of_stages,
        kept,
        removed_input,
        gc_keeps_more,
        whole_entries,
    ),
    *(never_made, execute_bits),
]

used: Counter[str] = Counter()
"""How often each rule explained a difference."""
